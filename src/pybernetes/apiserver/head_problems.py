"""What is wrong with a request's head that could be parsed: told by the edge itself, in plain text.

Follows readRequest in net/http's server.go of Go.
"""

from __future__ import annotations

from collections.abc import Sequence

from pybernetes.apiserver.answer_head import HTTP_1_1

_BAD = b"400 Bad Request"


def head_problem(version: str, headers: Sequence[tuple[str, str]]) -> bytes:
    """The status line's end; empty if nothing is wrong."""
    hosts = 0
    for name, value in headers:
        length = len(name)
        if length == 4 and name.lower() == "host":
            hosts += 1
        elif length == 6 and name.lower() == "expect" and value.lower() != "100-continue":
            return b"417 Expectation Failed"
    if version == HTTP_1_1:
        if hosts == 1:
            return b""
        return _BAD if hosts else _BAD + b": missing required Host header"
    if hosts > 1 or version == "0.9":
        return _BAD
    if version[0] != "1":
        return b"505 HTTP Version Not Supported: unsupported protocol version"
    return b""


def local_target(url: bytes) -> bytes:
    """The path and query of a target that names the server as well."""
    if url[:1] == b"/" or b"://" not in url:
        return url
    return b"/" + url.partition(b"://")[2].partition(b"/")[2]
