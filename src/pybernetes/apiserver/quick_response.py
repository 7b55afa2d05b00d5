"""An answer whose body is whole: its headers and body written in one piece.

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

from pybernetes.apiserver.http import JSON_HEADERS, ApiResponse

_WRITTEN_APART = 64 * 1024
"""Bodies from this size on are not copied behind their headers."""
_CACHE_CONTROL = "Cache-Control"
_UNCACHED = "no-cache, private"
_BODILESS = frozenset({204, 304})


@cache
def _first_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


@cache
def _json_start(status: int) -> bytes:
    return _first_line(status) + b"Cache-Control: no-cache, private\r\nContent-Type: application/json\r\n"


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
    """Whether the client speaks HTTP/1.1."""
    return request.version == HttpVersion11


def headers_of(answer: ApiResponse) -> list[tuple[str, str]]:
    """All that an answer says about itself, but for its length and its date."""
    headers = list(answer.headers.items())
    if _CACHE_CONTROL not in answer.headers:
        headers.append((_CACHE_CONTROL, _UNCACHED))
    for warning in answer.warnings:
        escaped = warning.replace("\\", "\\\\").replace('"', '\\"')
        headers.append(("Warning", f'299 - "{escaped}"'))
    return headers


def _start_of(answer: ApiResponse) -> bytes:
    if not answer.warnings and answer.headers == JSON_HEADERS:
        return _json_start(answer.status)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers_of(answer))
    return _first_line(answer.status) + lines.encode("utf-8", "surrogateescape")


class QuickResponse(web.StreamResponse):
    """Assumes  ``is_quick`` of the request that it answers, and that the answer's body is whole."""

    def __init__(self, request: BaseRequest, answer: ApiResponse, audit_id: str) -> None:
        super().__init__(status=answer.status)
        self._incoming = request
        self._answer = answer
        self._audit_id = audit_id

    @property
    def keep_alive(self) -> bool:
        return self._incoming.keep_alive

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: Any = b"") -> None:
        request, answer = self._incoming, self._answer
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("the client has gone")
        body = answer.content
        head = b"%bAudit-Id: %b\r\n%b%b%b%b\r\n" % (
            _start_of(answer),
            self._audit_id.encode("latin-1", "replace"),
            answer.classified.lines if answer.classified is not None else b"",
            _date.now(),
            b"Content-Length: %d\r\n" % len(body) if answer.status not in _BODILESS else b"",
            b"" if request.keep_alive else b"Connection: close\r\n",
        )
        if request.method == "HEAD":
            transport.write(head)
        elif len(body) < _WRITTEN_APART:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
        await request.writer.drain()
