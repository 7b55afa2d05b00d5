"""The way to the server behind an APIService: a ready endpoint of its service, over TLS, as the front proxy.

Guarantees  The server's certificate must name `<service>.<namespace>.svc` and be signed by the APIService's bundle, or
            the machine's authorities where there is none, unless it asks for no check at all.
Follows     pkg/apiserver/handler_proxy.go of kube-aggregator and client-go/transport.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import TypeVar
from urllib.parse import quote

import msgspec
from multidict import CIMultiDict

from pybernetes.api import errors
from pybernetes.api.codec import decode
from pybernetes.apiserver.admission.contract import Reader
from pybernetes.apiserver.aggregation.records import Remote
from pybernetes.apiserver.auth.contract import MASTERS_GROUP, User
from pybernetes.apiserver.auth.pki import KeyPair
from pybernetes.apiserver.network_errors import wording
from pybernetes.apiserver.proxy.backend import Backend, Target
from pybernetes.apiserver.service_resolver import resolve

AGGREGATOR = User("system:kube-aggregator", groups=(MASTERS_GROUP,))
"""In whose name this server itself asks."""
SPEC_READER = User("system:aggregator")
T = TypeVar("T")
_LATE = " (Client.Timeout exceeded while awaiting headers)"
_PLAIN = "!#$&'*+-.^_`|~"
"""What, besides letters and digits, the name of a header may consist of."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswer(Exception):
    """Nobody answered, in the words of clients."""


class Dialer:
    def __init__(self, reader: Reader, random: Random, remote: Remote, client: KeyPair | None) -> None:
        self._reader = reader
        self._random = random
        self._service = remote.service
        self.backend = Backend(_context(remote, client), remote.service.server_name)

    async def close(self) -> None:
        await self.backend.close()

    def target(self, path: str) -> Target:
        """Raises what ``resolve`` raises."""
        service = self._service
        return Target("https", resolve(self._reader, self._random, service.namespace, service.name, service.port), path)

    async def ask(self, path: str, user: User, headers: Mapping[str, str], timeout: float) -> Answer:
        """A question of this server's own. Raises ``NoAnswer``."""
        import aiohttp

        sent = CIMultiDict(headers)
        sent.extend(identity(user))
        try:
            target = self.target(path)
        except errors.ApiError as error:
            raise NoAnswer(error.message) from error
        try:
            answer = await self.backend.request("GET", target, sent, timeout=timeout)
            async with answer:
                return Answer(answer.status, answer.headers, await answer.read())
        except errors.ApiError as error:
            late = _LATE if isinstance(error.__cause__, TimeoutError) else ""
            raise NoAnswer(f'Get "{target.url}": {self.wording(error, target)}{late}') from error
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(f'Get "{target.url}": {wording(error, str(target.address))}') from error

    def wording(self, error: errors.ApiError, target: Target) -> str:
        """Of a failure of the backend's."""
        return wording(error.__cause__ or error, str(target.address), self._service.server_name)


def decode_answer(answer: Answer, model: type[T], what: str) -> T:
    """Raises ``NoAnswer`` for what does not look like the model."""
    try:
        return decode(model, answer.body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise NoAnswer(f"the server's {what} cannot be read: {error}") from error


def identity(user: User) -> CIMultiDict[str]:
    """The headers that tell the server for whom the request is."""
    headers: CIMultiDict[str] = CIMultiDict({"X-Remote-User": user.name})
    if user.uid:
        headers["X-Remote-Uid"] = user.uid
    for group in user.groups:
        headers.add("X-Remote-Group", group)
    for key, values in user.extra.items():
        for value in values:
            headers.add(f"X-Remote-Extra-{quote(key, safe=_PLAIN)}", value)
    return headers


def _context(remote: Remote, client: KeyPair | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    if remote.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif remote.authorities:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=remote.authorities.decode("ascii", "ignore"))
    else:
        context.load_default_certs()
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    return context
