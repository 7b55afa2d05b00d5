"""A bare HTTP/1.1 client connection, cheap enough that what is measured is the server.

One request at a time; answers with Content-Length or chunked; TLS with a token or a client certificate.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Target:
    """Which server, and as whom."""

    url: str
    token: str
    tls: ssl.SSLContext | None

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 443

    async def connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(self), self.host, self.port, ssl=self.tls)
        return connection

    def request(
        self, method: str, path: str, body: bytes = b"", content_type: str = "application/json", accept: str = "*/*"
    ) -> bytes:
        """The bytes of a request, to be made once and sent often."""
        head = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self.host}:{self.port}",
            f"Authorization: Bearer {self.token}",
            f"Accept: {accept}",
        ]
        if body:
            head += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
        return "\r\n".join([*head, "", ""]).encode() + body


def trusting() -> ssl.SSLContext:
    """Takes any certificate: it is the caller who says which server to measure."""
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    return tls


_LAST_CHUNK = b"\r\n0\r\n\r\n"


class Refused(Exception):
    """An answer other than 2xx: a figure made of such answers means nothing."""


class Connection(asyncio.Protocol):
    def __init__(self, target: Target) -> None:
        self._target = target
        self._buffer = bytearray()
        self._needed = 0
        self._chunked = False
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None
        self.on_data: asyncio.Queue[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._needed:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._buffer[:end])
            self._chunked = b"chunked" in head
            self._needed = end + 4 + (len(_LAST_CHUNK) if self._chunked else _content_length(head))
        if self._chunked:
            # One request at a time, and JSON has no bare line breaks: the last chunk can be nothing else.
            if not self._buffer.endswith(_LAST_CHUNK):
                return
            self._needed = len(self._buffer)
        if len(self._buffer) >= self._needed and self._answer is not None:
            answer = bytes(self._buffer[: self._needed])
            del self._buffer[: self._needed]
            self._needed = 0
            self._answer.set_result(answer)

    async def send(self, request: bytes) -> bytes:
        """The whole answer, head and body. Raises Refused."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        answer = await self._answer
        if answer[9:10] != b"2":
            raise Refused(answer[:2000].decode(errors="replace"))
        return answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise Refused(f"an answer without Content-Length: {head[:200]!r}")


def body_of(answer: bytes) -> bytes:
    return answer[answer.index(b"\r\n\r\n") + 4 :]
