"""Calls to webhooks of the cluster's users: admission, conversion.

``WebhookClients.call`` posts a document to what a ``clientConfig`` names, a URL or a service, and gives the answer's.

Guarantees
  A service is dialled at one of its ready endpoints; the certificate must name `<service>.<namespace>.svc` and be
  signed by the caBundle, or by the machine's authorities where there is none.
  Connections are kept and shared by all calls to one place with one caBundle.
  Whatever fails is a ``CallFailed`` in upstream's words.

Follows k8s.io/apiserver/pkg/util/webhook/client.go and client-go/rest.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from pybernetes.api import errors, go_json
from pybernetes.apiserver import server_errors
from pybernetes.apiserver.admission.contract import Reader
from pybernetes.apiserver.admission.figures import WebhookFigures
from pybernetes.apiserver.http import JSON
from pybernetes.apiserver.network_errors import wording
from pybernetes.apiserver.proxy.locate import Address
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.service_resolver import resolve

if TYPE_CHECKING:
    import aiohttp

DEFAULT_PORT = 443
REMEMBERED_AUTHORITIES = 200
_TYPE_META = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
_HEADERS = {"Content-Type": JSON, "Accept": f"{JSON}, */*", "User-Agent": "kube-apiserver-admission"}


class CallFailed(Exception):
    """A webhook could not be called, or gave no document. ``status`` is what the failure would be as an answer."""

    def __init__(self, message: str, status: errors.ApiError | None = None) -> None:
        super().__init__(message)
        self.status = status or errors.service_unavailable("error calling webhook")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a clientConfig leads. ``url`` is what messages and the Host header say, ``service`` what is resolved."""

    url: str
    server_name: str
    authorities: bytes
    service: tuple[str, str, int] | None = None


class WebhookClients:
    def __init__(self, reader: Reader, random: Random) -> None:
        self._reader = reader
        self._random = random
        self._session: aiohttp.ClientSession | None = None
        self.figures = WebhookFigures()
        """What admission has asked."""

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(self, client_config: Document, document: Document, timeout: float | None = None) -> Document:
        """The answer's document. Raises ``CallFailed``; a `Status` that tells of a failure is one, too."""
        import aiohttp

        place = place_of(client_config)
        url = place.url if timeout is None else f"{place.url}?timeout={ceil(timeout)}s"
        try:
            async with asyncio.timeout(timeout):
                status, content_type, body = await self._post(place, url, orjson.dumps(document))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise CallFailed(f'Post "{url}": {wording(error, *_dialled(place))}') from error
        except errors.ApiError as error:
            raise CallFailed(f'Post "{url}": {error.message}') from error
        return _read(status, content_type, body)

    async def _post(self, place: Place, url: str, body: bytes) -> tuple[int, str, bytes]:
        """A connection that had been kept and was closed just now is not the webhook's answer: once more."""
        import aiohttp

        try:
            return await self._send(place, url, body)
        except aiohttp.ServerDisconnectedError:
            return await self._send(place, url, body)

    async def _send(self, place: Place, url: str, body: bytes) -> tuple[int, str, bytes]:
        headers = _HEADERS
        name: str | None = None
        if place.service is not None:
            parts = urlsplit(url)
            address = resolve(self._reader, self._random, *place.service)
            url = parts._replace(netloc=str(address)).geturl()
            headers, name = {**_HEADERS, "Host": parts.netloc}, place.server_name
        async with self._open_session().post(
            url, data=body, headers=headers, ssl=_trust(place.authorities), server_hostname=name
        ) as answer:
            return answer.status, answer.headers.get("Content-Type") or JSON, await answer.read()

    def _open_session(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=90)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout()
            )
        return self._session


def place_of(client_config: Document) -> Place:
    """Raises ``CallFailed`` where neither a URL nor a service is named."""
    authorities = base64.b64decode(client_config.get("caBundle") or "")
    service = client_config.get("service")
    if service:
        name, namespace = service.get("name", ""), service.get("namespace", "")
        port = service.get("port") or DEFAULT_PORT
        host = f"{name}.{namespace}.svc"
        path = "/" + (service.get("path") or "").lstrip("/")
        return Place(f"https://{host}:{port}{path}", host, authorities, (namespace, name, port))
    url = client_config.get("url")
    if not url:
        raise CallFailed("webhook configuration must have either service or URL")
    parts = urlsplit(url)
    return Place(parts._replace(query="", fragment="").geturl(), parts.hostname or "", authorities)


def _dialled(place: Place) -> tuple[str, str]:
    parts = urlsplit(place.url)
    return str(Address(parts.hostname or "", parts.port or DEFAULT_PORT)), place.server_name


@lru_cache(maxsize=REMEMBERED_AUTHORITIES)
def _trust(authorities: bytes) -> ssl.SSLContext:
    """Any certificate of the bundle is trusted as it is, be it a root or not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if authorities:
        context.load_verify_locations(cadata=authorities.decode("ascii", "ignore"))
    else:
        context.load_default_certs()
    return context


def _read(status: int, content_type: str, body: bytes) -> Document:
    if not 200 <= status <= 206:
        error = server_errors.of_answer(status, content_type, body)
        raise CallFailed(error.message, error)
    if not body:
        raise CallFailed(f"0-length response with status code: {status} and content type: {content_type}")
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = ""  # what is no JSON is read as YAML, where nearly everything is a text
    if not isinstance(document, dict):
        raise CallFailed(
            f"couldn't get version/kind; json parse error: json: cannot unmarshal {go_json.type_of(document)} "
            f"into Go value of type {_TYPE_META}"
        )
    if document.get("kind") == "Status" and document.get("status") != "Success":
        failure = errors.ApiError.from_status(status, document)
        raise CallFailed(failure.message, failure)
    return document
