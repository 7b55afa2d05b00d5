"""A bare HTTP/1.1 client connection, cheap enough that what is measured is the server.

One request at a time; answers with Content-Length or chunked; TLS with a token or a client certificate.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
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
_SPACE = 256 * 1024
"""Bytes taken from the network at once, without an object for each piece."""


class Refused(Exception):
    """An answer other than 2xx: a figure made of such answers means nothing."""


class Connection(asyncio.BufferedProtocol):
    def __init__(self, target: Target) -> None:
        self._target = target
        self._space = memoryview(bytearray(_SPACE))
        self._received = bytearray()
        self._keep = True
        self._left: int | None = None
        """Bytes of the body that are missing; None while the head is read. Of a body in chunks: 0 when it is whole."""
        self._chunked = False
        self._tail = b""
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the server closed the connection"))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._space

    def buffer_updated(self, nbytes: int) -> None:
        piece = self._space[:nbytes]
        if self._left is None:
            self._received += piece
            end = self._received.find(b"\r\n\r\n") + 4
            if end < 4:
                return
            head = bytes(self._received[:end])
            self._chunked = b"chunked" in head
            self._left = 1 if self._chunked else _content_length(head)
            body = bytes(self._received[end:])
            self._take(memoryview(body))
            if not self._keep:
                del self._received[end:]
        else:
            self._take(piece)
            if self._keep:
                self._received += piece
        if self._left == 0 and self._answer is not None:
            answer = bytes(self._received)
            self._received.clear()
            self._left = None
            self._answer.set_result(answer)

    def _take(self, piece: memoryview) -> None:
        assert self._left is not None
        if not self._chunked:
            self._left -= len(piece)
            return
        # One request at a time, and JSON has no bare line breaks: the last chunk can be nothing else.
        self._tail = (self._tail + bytes(piece[-len(_LAST_CHUNK) :]))[-len(_LAST_CHUNK) :]
        if self._tail == _LAST_CHUNK:
            self._left, self._tail = 0, b""

    async def send(self, request: bytes, *, keep: bool = True) -> bytes:
        """The answer: head and body, or only the head where nobody wants the body. Raises Refused."""
        assert self._transport is not None
        self._keep = keep
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
    head, _, rest = answer.partition(b"\r\n\r\n")
    return b"".join(_chunks(rest)) if b"chunked" in head else rest


def _chunks(rest: bytes) -> Iterator[bytes]:
    at = 0
    while size := int(rest[at : (end := rest.index(b"\r\n", at))], 16):
        at = end + 2 + size + 2
        yield rest[end + 2 : at - 2]
