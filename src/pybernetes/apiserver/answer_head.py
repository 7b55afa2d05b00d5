"""The head of an answer: its first line and headers, as they go out.

What most answers say is put together once.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import cache
from http import HTTPStatus

from pybernetes.apiserver.http import JSON_HEADERS, ApiResponse

HTTP_1_1 = "1.1"
_CACHE_CONTROL = "Cache-Control"
_UNCACHED = "no-cache, private"


def head_of(
    answer: ApiResponse,
    audit_id: str,
    version: str = HTTP_1_1,
    *,
    length: int | None = None,
    chunked: bool = False,
    keep_alive: bool = True,
) -> bytes:
    """``length`` of the body in bytes. Without it, and not in chunks, there is none, or it ends with the connection."""
    if length is not None:
        extent = b"Content-Length: %d\r\n" % length
    else:
        extent = b"Transfer-Encoding: chunked\r\n" if chunked else b""
    return b"%bAudit-Id: %b\r\n%b%b%b%b\r\n" % (
        _start_of(answer, version),
        audit_id.encode("latin-1", "replace"),
        answer.classified.lines if answer.classified is not None else b"",
        _date.now(),
        extent,
        _connection(version, keep_alive=keep_alive),
    )


def headers_of(answer: ApiResponse) -> list[tuple[str, str]]:
    """All that an answer says about itself, but for its length and its date."""
    headers = list(answer.headers.items())
    if _CACHE_CONTROL not in answer.headers:
        headers.append((_CACHE_CONTROL, _UNCACHED))
    for warning in answer.warnings:
        escaped = warning.replace("\\", "\\\\").replace('"', '\\"')
        headers.append(("Warning", f'299 - "{escaped}"'))
    return headers


def _connection(version: str, *, keep_alive: bool) -> bytes:
    if keep_alive:
        return b"" if version == HTTP_1_1 else b"Connection: keep-alive\r\n"
    return b"Connection: close\r\n"


def _start_of(answer: ApiResponse, version: str) -> bytes:
    if not answer.warnings and answer.headers == JSON_HEADERS:
        return _json_start(answer.status, version)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers_of(answer))
    return _first_line(answer.status, version) + lines.encode("utf-8", "surrogateescape")


@cache
def _first_line(status: int, version: str) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/{version} {status} {phrase}\r\n".encode()


@cache
def _json_start(status: int, version: str) -> bytes:
    return _first_line(status, version) + b"Cache-Control: no-cache, private\r\nContent-Type: application/json\r\n"


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
