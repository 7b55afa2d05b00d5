"""Connections to the servers behind the API server: HTTP requests and raw upgraded connections.

Guarantees
  Credentials of the client (Authorization, impersonation, what it says of itself as a front proxy, bearer
  subprotocols) never leave the API server. Cookies are the business of the server behind.
  A server that cannot be reached is an `ApiError` that names it.
  Bodies pass as they are, in the encoding that the client and the server have agreed upon.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from multidict import CIMultiDict, MultiMapping

from pybernetes.api import errors
from pybernetes.apiserver.auth.authenticators import BEARER_PROTOCOL
from pybernetes.apiserver.http import ApiResponse
from pybernetes.apiserver.proxy.locate import Address

if TYPE_CHECKING:
    import aiohttp

DIAL_SECONDS = 30.0
HEAD_LIMIT = 64 * 1024
PIECE = 64 * 1024
WHOLE = 1 << 20
"""Bytes up to which an answer of a known length is read before it is passed on."""
_BODILESS = (204, 304)
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
    }
)
_CREDENTIALS = frozenset({"authorization", "x-remote-user", "x-remote-uid", "x-remote-group"})
_OURS_TO_SAY = frozenset({"Accept", "Accept-Encoding", "Content-Type", "User-Agent"})
"""What the client library would say where the client has said nothing."""
_IDENTITIES = ("impersonate-", "x-remote-extra-")

Added = MultiMapping[str]
"""Headers of the API server's own."""
NOTHING: Added = CIMultiDict()


@dataclass(frozen=True, slots=True)
class Target:
    """A server and what it is asked: `path` with its query."""

    scheme: str
    address: Address
    path: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.address}{self.path}"


@dataclass(frozen=True, slots=True)
class Upgraded:
    """A connection whose server has agreed to an upgrade: the head of its answer, and the two directions."""

    head: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@dataclass(frozen=True, slots=True)
class Declined:
    """The answer of a server that did not upgrade."""

    status: int
    content_type: str
    body: bytes


class Backend:
    """Dials with one TLS context (the API server's kubelet client, or none to speak of for pods and services).

    ``server_name`` is whom the other side's certificate must name; the host that is dialled where nothing is said.
    """

    def __init__(self, tls: ssl.SSLContext, server_name: str | None = None) -> None:
        self._tls = tls
        self._server_name = server_name
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(
        self,
        method: str,
        target: Target,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        timeout: float | None = None,
    ) -> aiohttp.ClientResponse:
        """The answer with its body unread; the caller releases it."""
        try:
            return await self._send(method, target, headers, body, timeout)
        except _failures() as error:
            raise unreachable(target, error) from error

    async def relay(
        self, method: str, target: Target, headers: Mapping[str, str], body: bytes = b"", added: Added = NOTHING
    ) -> ApiResponse:
        """The server's answer, passed on piece by piece. Raises 503 where there is none."""
        try:
            return await passed_on(await self._send(method, target, forwarded(headers, added), body, None), method)
        except _failures() as error:
            why = cause_of(target, error)
            raise errors.service_unavailable(f"error trying to reach service: {why}") from error

    async def _send(
        self, method: str, target: Target, headers: Mapping[str, str], body: bytes, timeout: float | None
    ) -> aiohttp.ClientResponse:
        import aiohttp

        return await self._open_session().request(
            method,
            target.url,
            headers=headers,
            data=body or None,
            ssl=self._tls,
            server_hostname=self._server_name,
            allow_redirects=False,
            skip_auto_headers=_OURS_TO_SAY,
            timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=DIAL_SECONDS),
        )

    async def upgrade(
        self, method: str, target: Target, headers: Mapping[str, str], added: Added = NOTHING
    ) -> Upgraded | Declined:
        """Repeats the client's upgrade request; every protocol is the two ends' own business."""
        secure = target.scheme == "https"
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                reader, writer = await asyncio.open_connection(
                    target.address.host,
                    target.address.port,
                    ssl=self._tls if secure else None,
                    server_hostname=(self._server_name or target.address.host) if secure else None,
                    limit=HEAD_LIMIT,
                )
                writer.write(_request_head(method, target, headers, added))
                head = await reader.readuntil(b"\r\n\r\n")
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise unreachable(target, error) from error
        status, answered = _parse_head(head)
        if status == 101:
            return Upgraded(head, reader, writer)
        try:
            return Declined(status, answered.get("content-type", "text/plain"), await _rest(reader, answered))
        finally:
            writer.close()

    def _open_session(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
        return self._session


async def passed_on(answer: aiohttp.ClientResponse, method: str) -> ApiResponse:
    """One of a known length is read first, so that its length can be told; others come piece by piece."""
    headers = answered(answer.headers)
    length = 0 if answer.status in _BODILESS else answer.content_length
    if method == "HEAD" or length is None or length > WHOLE:
        return ApiResponse(answer.status, pieces_of(answer), headers)
    async with answer:
        return ApiResponse(answer.status, await answer.read(), headers)


async def pieces_of(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.content.iter_any():
            yield piece
    finally:
        answer.close()


def forwarded(headers: Mapping[str, str], added: Added = NOTHING) -> CIMultiDict[str]:
    """The client's headers without those that concern this connection or who the client is; ``added`` replace others
    of their names."""
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        lowered = name.lower()
        if lowered in _HOP_BY_HOP or lowered in _CREDENTIALS or lowered.startswith(_IDENTITIES):
            continue
        if lowered == "sec-websocket-protocol":
            value = ", ".join(one for one in map(str.strip, value.split(",")) if not one.startswith(BEARER_PROTOCOL))
        if value or lowered != "sec-websocket-protocol":
            kept.add(name, value)
    for name in set(added):
        kept.popall(name, None)
    kept.extend(added)
    return kept


def answered(headers: Mapping[str, str]) -> dict[str, str]:
    """The server's headers without those that concern its connection; repeated ones as one."""
    kept: dict[str, str] = {}
    for name, value in headers.items():
        if name.lower() not in _HOP_BY_HOP:
            kept[name] = f"{kept[name]}, {value}" if name in kept else value
    return kept


def wants_upgrade(headers: Mapping[str, str]) -> bool:
    return "upgrade" in headers.get("connection", "").lower() and bool(headers.get("upgrade"))


def unreachable(target: Target, error: Exception) -> errors.ApiError:
    return errors.internal_error(f"error dialing backend: {cause_of(target, error)}")


def cause_of(target: Target, error: Exception) -> str:
    """Why there is no answer, in the words of Go's network library."""
    import aiohttp

    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ssl.SSLError) and cause.reason == "WRONG_VERSION_NUMBER":
        return "tls: first record does not look like a TLS handshake"
    if isinstance(cause, TimeoutError):
        return f"dial tcp {target.address}: i/o timeout"
    if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) and cause.errno is not None:
        return f"dial tcp {target.address}: connect: {os.strerror(cause.errno).lower()}"
    return f"dial tcp {target.address}: {cause or type(cause).__name__}"


def _failures() -> tuple[type[Exception], ...]:
    import aiohttp

    return aiohttp.ClientError, OSError, TimeoutError


def _request_head(method: str, target: Target, headers: Mapping[str, str], added: Added) -> bytes:
    lines = [f"{method} {target.path} HTTP/1.1", f"Host: {target.address}"]
    lines += [f"{name}: {value}" for name, value in forwarded(headers, added).items()]
    lines += ["Connection: Upgrade", f"Upgrade: {headers['upgrade']}"]
    if method != "GET":
        lines.append("Content-Length: 0")
    if any("\r" in line or "\n" in line for line in lines):
        raise errors.bad_request("a header has more than one line")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def _parse_head(head: bytes) -> tuple[int, CIMultiDict[str]]:
    first, *rest = head.decode("latin-1").split("\r\n")
    parsed: CIMultiDict[str] = CIMultiDict()
    for line in rest:
        name, colon, value = line.partition(":")
        if colon:
            parsed.add(name.strip(), value.strip())
    words = first.split(" ", 2)
    return (int(words[1]) if len(words) > 1 and words[1].isdigit() else 502), parsed


async def _rest(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    """The body of an answer that was not an upgrade, as far as it comes soon."""
    length = headers.get("content-length", "")
    try:
        async with asyncio.timeout(5):
            if length.isdigit():
                return await reader.readexactly(min(int(length), HEAD_LIMIT))
            return await reader.read(HEAD_LIMIT)
    except (TimeoutError, asyncio.IncompleteReadError):
        return b""
