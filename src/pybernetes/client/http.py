"""HttpTransport: an API server reached over HTTPS, with a client certificate or a bearer token.

Connections are kept and reused. A token read from a file is read again when the file changes, as the projected
tokens of pods are rotated. Nothing here decides whether a call is repeated: see `retry`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from yarl import URL

from pybernetes.client.transport import Request, Response, Stream, Unreachable

CONNECT_SECONDS = 10.0
ANSWER_TIMEOUT = aiohttp.ClientTimeout(total=65.0, sock_connect=CONNECT_SECONDS)
"""A little more than the minute after which an API server gives up on a request itself."""

UNLIMITED = 0
KEPT_SECONDS = 30.0
"""Less than servers keep an idle connection: a create must not meet one that is just being closed."""

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
    connections: int = 100
    """The most at once, for calls; streams have theirs besides."""


class HttpTransport:
    """Calls over a pool of kept connections, streams over one each. Closed in the event loop in which it was used."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self._settings = settings
        self._base = settings.server.rstrip("/")
        self._calls: aiohttp.ClientSession | None = None
        self._streams: aiohttp.ClientSession | None = None
        self._token = _Token(settings.token, settings.token_file)

    async def send(self, request: Request) -> Response:
        try:
            session = self._calls = self._calls or self._session(self._settings.connections)
            async with self._open(session, request, ANSWER_TIMEOUT) as answer:
                return Response(answer.status, answer.headers, await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(request, _reason(error)) from error

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Stream]:
        try:
            session = self._streams = self._streams or self._session(UNLIMITED)
            timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=request.patience)
            answer = await self._open(session, request, timeout)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(request, _reason(error)) from error
        try:
            yield Stream(answer.status, answer.headers, _chunks(request, answer))
        finally:
            answer.close()

    async def close(self) -> None:
        for session in (self._calls, self._streams):
            if session is not None:
                await session.close()
        self._calls = self._streams = None

    def _open(
        self, session: aiohttp.ClientSession, request: Request, timeout: aiohttp.ClientTimeout
    ) -> aiohttp.client._RequestContextManager:
        headers = dict(request.headers)
        token = self._token.value()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        url = URL(self._base + request.path, encoded=True)
        return session.request(
            request.method,
            url.with_query(request.query) if request.query else url,
            data=request.body or None,
            headers=headers,
            timeout=timeout,
            server_hostname=self._settings.server_name,
            allow_redirects=False,
        )

    def _session(self, connections: int) -> aiohttp.ClientSession:
        tls: ssl.SSLContext | bool = self._settings.tls or True
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, limit=connections, keepalive_timeout=KEPT_SECONDS),
            # Components live beside the server: packing costs both sides more time than it saves.
            headers={"User-Agent": self._settings.user_agent, "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )


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
