"""HttpTransport: an API server reached over HTTPS, with a client certificate or a bearer token.

Connections are kept and reused. A token read from a file is read again when the file changes, as the projected
tokens of pods are rotated. Nothing here decides whether a call is repeated: see `retry`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from yarl import URL

from pybernetes.client.transport import Request, Response, Stream, Unreachable

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 65.0
"""A little more than the minute after which an API server gives up on a request itself."""

TOKEN_CHECK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Where the server is and how to prove who we are."""

    server: str
    tls: ssl.SSLContext | None = None
    token: str | None = None
    token_file: Path | None = None
    server_name: str | None = None
    user_agent: str = "pybernetes"
    connections: int = field(default=100)


class HttpTransport:
    """Requests over one pool of kept connections. Made and closed inside a running event loop."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self._settings = settings
        self._base = settings.server.rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self._token = _Token(settings.token, settings.token_file)

    async def send(self, request: Request) -> Response:
        try:
            async with self._open(request, total=ANSWER_SECONDS) as answer:
                return Response(answer.status, answer.headers, await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(request, _reason(error)) from error

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Stream]:
        try:
            answer = await self._open(request, total=None, between=request.patience)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(request, _reason(error)) from error
        try:
            yield Stream(answer.status, answer.headers, _chunks(request, answer))
        finally:
            answer.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(
        self, request: Request, *, total: float | None, between: float | None = None
    ) -> aiohttp.client._RequestContextManager:
        headers = dict(request.headers)
        token = self._token.value()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        url = URL(self._base + request.path, encoded=True)
        return self._open_session().request(
            request.method,
            url.with_query(request.query) if request.query else url,
            data=request.body or None,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=total, connect=CONNECT_SECONDS, sock_read=between),
            server_hostname=self._settings.server_name,
            allow_redirects=False,
        )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            tls: ssl.SSLContext | bool = self._settings.tls or True
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=tls, limit=self._settings.connections, keepalive_timeout=75),
                headers={"User-Agent": self._settings.user_agent},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
            )
        return self._session


class _Token:
    """A bearer token; one kept in a file is looked at again now and then."""

    def __init__(self, token: str | None, path: Path | None) -> None:
        self._token = token
        self._path = path
        self._read_at = float("-inf")

    def value(self) -> str | None:
        if self._path is None:
            return self._token
        now = asyncio.get_running_loop().time()
        if now - self._read_at >= TOKEN_CHECK_SECONDS:
            self._token = self._path.read_text(encoding="utf-8").strip()
            self._read_at = now
        return self._token


async def _chunks(request: Request, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unreachable(request, _reason(error)) from error


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
