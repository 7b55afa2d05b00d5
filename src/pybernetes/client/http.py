"""HttpTransport: an API server reached over HTTPS, with a client certificate or a bearer token.

Connections are kept and reused. A token read from a file is read again when the file changes, as the projected
tokens of pods are rotated. Nothing here decides whether a call is repeated (see `retry`), but for one that a kept
connection could not take any more: it is sent again if it may safely be.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from pybernetes.client.connection import Connection
from pybernetes.client.pool import Address, Pool
from pybernetes.client.transport import Request, Response, Stream, Unreachable

ANSWER_SECONDS = 65.0
"""A little more than the minute after which an API server gives up on a request itself."""

TOKEN_CHECK_SECONDS = 10.0
MOST_HEADS = 64
"""Sets of headers whose bytes are kept: components send few, and a new one with each token."""
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_plain = re.compile(r"[!-~]+").fullmatch
_LEGAL = "/:@!$&'()*+,;=~%"


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
        url = urlsplit(settings.server.rstrip("/"))
        self._prefix = url.path
        self._tail = f" HTTP/1.1\r\nHost: {url.netloc}\r\nUser-Agent: {settings.user_agent}\r\n".encode()
        self._host = url.hostname or ""
        self._is_tls = url.scheme == "https"
        self._port = url.port or (443 if self._is_tls else 80)
        self._pool: Pool | None = None
        self._token = _Token(settings.token, settings.token_file)
        self._heads: dict[tuple[tuple[str, str], ...], bytes] = {}

    async def send(self, request: Request) -> Response:
        method = request.method
        try:
            return await self._connections().call(
                self._bytes_of(request),
                ANSWER_SECONDS,
                may_repeat=method in REPEATABLE,
                bodiless=method == "HEAD",
            )
        except (OSError, TimeoutError) as error:
            raise Unreachable(request, _reason(error)) from error

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Stream]:
        pool = self._connections()
        try:
            connection = await pool.connect()
        except (OSError, TimeoutError) as error:
            raise Unreachable(request, _reason(error)) from error
        try:
            try:
                await connection.open(self._bytes_of(request), request.patience)
            except (OSError, TimeoutError) as error:
                raise Unreachable(request, _reason(error)) from error
            yield Stream(connection.status, connection.headers, _chunks(request, connection))
        finally:
            pool.drop(connection)

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
        self._pool = None

    def _connections(self) -> Pool:
        if self._pool is None:
            tls = (self._settings.tls or ssl.create_default_context()) if self._is_tls else None
            address = Address(self._host, self._port, tls, self._settings.server_name)
            self._pool = Pool(address, self._settings.connections)
        return self._pool

    def _bytes_of(self, request: Request) -> bytes:
        path = self._prefix + request.path
        if not _plain(path):
            path = quote(path, safe=_LEGAL)
        if request.query:
            path = f"{path}?{urlencode(request.query)}"
        line = f"{request.method} {path}".encode("ascii")
        body = request.body
        head = self._head(request.headers)
        if body or request.method in ("POST", "PUT", "PATCH"):
            return b"%b%b%bContent-Length: %d\r\n\r\n%b" % (line, self._tail, head, len(body), body)
        return b"%b%b%b\r\n" % (line, self._tail, head)

    def _head(self, headers: Mapping[str, str]) -> bytes:
        """The lines of a request's own headers and of the token."""
        lines = tuple(headers.items())
        if token := self._token.value():
            lines = (*(one for one in lines if one[0] != "Authorization"), ("Authorization", f"Bearer {token}"))
        head = self._heads.get(lines)
        if head is None:
            if any("\r" in text or "\n" in text for line in lines for text in line):
                raise ValueError("a header may not have line breaks")
            if len(self._heads) >= MOST_HEADS:
                self._heads.clear()
            head = self._heads[lines] = "".join(f"{name}: {value}\r\n" for name, value in lines).encode()
        return head


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


async def _chunks(request: Request, connection: Connection) -> AsyncIterator[bytes]:
    try:
        while piece := await connection.piece():
            yield piece
    except (OSError, TimeoutError) as error:
        raise Unreachable(request, _reason(error)) from error


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
