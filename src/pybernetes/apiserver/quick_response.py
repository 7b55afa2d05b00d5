"""The answer that nearly every request gets: a whole JSON body under the same few headers, written in one piece.

aiohttp's own response builds, orders and serialises headers for each answer, which costs as much as finding an object.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import cache
from http import HTTPStatus
from typing import Any

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_exceptions import ClientConnectionResetError
from aiohttp.web_request import BaseRequest

_WRITTEN_APART = 64 * 1024
"""Bodies from this size on are not copied behind their headers."""


@cache
def _start_of(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json\r\nCache-Control: no-cache, private\r\n"
    ).encode()


class _Date:
    """The Date header, written anew each second."""

    second = 0
    line = b""

    def now(self) -> bytes:
        second = int(time.time())
        if second != self.second:
            self.second = second
            self.line = f"Date: {formatdate(second, usegmt=True)}\r\n".encode()
        return self.line


_date = _Date()


def is_quick(request: BaseRequest) -> bool:
    """Whether the client speaks HTTP/1.1, keeps its connection, and wants a body."""
    return request.version == HttpVersion11 and request.keep_alive and request.method != "HEAD"


class QuickResponse(web.StreamResponse):
    """Assumes  ``is_quick`` of the request that it answers."""

    def __init__(self, request: BaseRequest, status: int, body: bytes) -> None:
        super().__init__(status=status)
        self._incoming = request
        self._whole_body = body

    @property
    def keep_alive(self) -> bool:
        return True

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: Any = b"") -> None:
        transport = self._incoming.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("the client has gone")
        body = self._whole_body
        head = b"%b%bContent-Length: %d\r\n\r\n" % (_start_of(self.status), _date.now(), len(body))
        if len(body) < _WRITTEN_APART:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
        await self._incoming.writer.drain()
