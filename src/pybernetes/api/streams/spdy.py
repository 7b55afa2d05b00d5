"""SPDY/3.1 without I/O: bytes in, events out; calls in, bytes out. One `Connection` per side of a connection.

Guarantees  Frames may arrive cut anywhere. A frame that breaks the protocol raises `SpdyError`; the connection is then
            of no use. Headers are compressed with one continuous zlib stream per direction, as the protocol asks.
Assumes     The peers that Kubernetes has (container runtimes, kubectl): flow control windows are not used by them, so
            none are kept here; whoever drives a connection stops reading it when a stream is not taken off.
Follows the SPDY protocol, draft 3.1.
"""

from __future__ import annotations

import enum
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_VERSION = 3
_FLAG_FIN = 0x01
_MAX_HEADERS = 1 << 20
MAX_FRAME = (1 << 24) - 1

Headers = Mapping[str, str]


class _Kind(enum.IntEnum):
    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GO_AWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


class SpdyError(Exception):
    """The peer broke the protocol."""


class Side(enum.Enum):
    """The client's streams and pings have odd numbers, the server's even ones."""

    CLIENT = 1
    SERVER = 2


class ResetReason(enum.IntEnum):
    PROTOCOL_ERROR = 1
    INVALID_STREAM = 2
    REFUSED_STREAM = 3
    UNSUPPORTED_VERSION = 4
    CANCEL = 5
    INTERNAL_ERROR = 6
    FLOW_CONTROL_ERROR = 7
    STREAM_IN_USE = 8
    STREAM_ALREADY_CLOSED = 9


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer opens a stream; `last` says that it will send nothing on it."""

    stream: int
    headers: Headers
    last: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """The peer answers to a stream that we opened."""

    stream: int
    headers: Headers
    last: bool = False


@dataclass(frozen=True, slots=True)
class MoreHeaders:
    stream: int
    headers: Headers
    last: bool = False


@dataclass(frozen=True, slots=True)
class Data:
    stream: int
    data: bytes
    last: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping of the peer (answer it with `Connection.pong`), or its answer to ours."""

    number: int
    ours: bool


@dataclass(frozen=True, slots=True)
class GoAway:
    last_stream: int
    status: int


Event = Opened | Accepted | MoreHeaders | Data | Reset | Ping | GoAway


class Connection:
    """One side of a SPDY connection."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._next_stream = self._next_ping = 1 if side is Side.CLIENT else 2
        self._last_seen = 0
        self._buffer = bytearray()
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    # ---- what arrives

    def receive(self, data: bytes) -> Iterator[Event]:
        """The events that `data` completes, one by one. Take them all before the next call."""
        self._buffer += data
        start = 0
        try:
            while (header := self._frame_at(start)) is not None:
                word, flags, length = header
                payload = bytes(memoryview(self._buffer)[start + 8 : start + 8 + length])
                start += 8 + length
                if word >> 31:
                    yield from self._control(word, flags, payload)
                else:
                    yield Data(word, payload, bool(flags & _FLAG_FIN))
        finally:
            del self._buffer[:start]

    def _frame_at(self, start: int) -> tuple[int, int, int] | None:
        """First word, flags and payload length of the frame that begins there, if it is here whole."""
        if len(self._buffer) - start < 8:
            return None
        word, rest = struct.unpack_from(">II", self._buffer, start)
        length = rest & MAX_FRAME
        return (word, rest >> 24, length) if len(self._buffer) - start >= 8 + length else None

    def _control(self, word: int, flags: int, payload: bytes) -> Iterator[Event]:
        version, kind = word >> 16 & 0x7FFF, word & 0xFFFF
        if version != _VERSION:
            raise SpdyError(f"frame of version {version}, not {_VERSION}")
        last = bool(flags & _FLAG_FIN)
        match kind:
            case _Kind.SYN_STREAM:
                stream = _number(payload, 0, 10)
                self._last_seen = max(self._last_seen, stream)
                yield Opened(stream, self._headers(payload[10:]), last)
            case _Kind.SYN_REPLY:
                yield Accepted(_number(payload, 0, 4), self._headers(payload[4:]), last)
            case _Kind.HEADERS:
                yield MoreHeaders(_number(payload, 0, 4), self._headers(payload[4:]), last)
            case _Kind.RST_STREAM:
                yield Reset(_number(payload, 0, 8), _number(payload, 4, 8))
            case _Kind.PING:
                number = _number(payload, 0, 4, bits=32)
                yield Ping(number, ours=number % 2 == self._side.value % 2)
            case _Kind.GO_AWAY:
                yield GoAway(_number(payload, 0, 8), _number(payload, 4, 8))
            case _Kind.SETTINGS | _Kind.WINDOW_UPDATE:  # flow control, which these peers do not use
                return
            case _:
                raise SpdyError(f"control frame of unknown type {kind}")

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            raw = self._inflate.decompress(block, _MAX_HEADERS)
        except zlib.error as error:
            raise SpdyError(f"headers cannot be decompressed: {error}") from error
        if self._inflate.unconsumed_tail:
            raise SpdyError("headers are too large")
        return _read_headers(raw)

    # ---- what is sent

    def open_stream(self, headers: Headers, *, last: bool = False) -> tuple[int, bytes]:
        """A new stream's number, and the frame that tells the peer."""
        stream = self._next_stream
        self._next_stream += 2
        payload = struct.pack(">IIBB", stream, 0, 0, 0) + self._compressed(headers)
        return stream, _control_frame(_Kind.SYN_STREAM, payload, _FLAG_FIN if last else 0)

    def accept(self, stream: int, headers: Headers | None = None, *, last: bool = False) -> bytes:
        payload = struct.pack(">I", stream) + self._compressed(headers or {})
        return _control_frame(_Kind.SYN_REPLY, payload, _FLAG_FIN if last else 0)

    def data(self, stream: int, data: bytes, *, last: bool = False) -> bytes:
        if len(data) > MAX_FRAME:
            raise ValueError(f"{len(data)} bytes do not fit into one frame")
        return struct.pack(">II", stream, (_FLAG_FIN if last else 0) << 24 | len(data)) + data

    def reset(self, stream: int, reason: ResetReason) -> bytes:
        return _control_frame(_Kind.RST_STREAM, struct.pack(">II", stream, reason))

    def ping(self) -> bytes:
        number = self._next_ping
        self._next_ping += 2
        return self.pong(number)

    def pong(self, number: int) -> bytes:
        return _control_frame(_Kind.PING, struct.pack(">I", number))

    def go_away(self, status: int = 0) -> bytes:
        return _control_frame(_Kind.GO_AWAY, struct.pack(">II", self._last_seen, status))

    def _compressed(self, headers: Headers) -> bytes:
        return self._deflate.compress(_write_headers(headers)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


def _control_frame(kind: _Kind, payload: bytes, flags: int = 0) -> bytes:
    return struct.pack(">HHI", 0x8000 | _VERSION, kind, flags << 24 | len(payload)) + payload


def _number(payload: bytes, offset: int, least: int, *, bits: int = 31) -> int:
    if len(payload) < least:
        raise SpdyError(f"control frame of {len(payload)} bytes, at least {least} expected")
    value: int = struct.unpack_from(">I", payload, offset)[0]
    return value & (1 << bits) - 1


def _write_headers(headers: Headers) -> bytes:
    parts = [struct.pack(">I", len(headers))]
    for name, value in headers.items():
        for text in (name.lower().encode(), value.encode()):
            parts += (struct.pack(">I", len(text)), text)
    return b"".join(parts)


def _read_headers(raw: bytes) -> dict[str, str]:
    """Names come in lower case; of a header that was sent several times the first value counts."""
    headers: dict[str, str] = {}
    try:
        (count,) = struct.unpack_from(">I", raw, 0)
        offset = 4
        for _ in range(count):
            name, offset = _read_text(raw, offset)
            value, offset = _read_text(raw, offset)
            headers[name.lower()] = value.partition("\0")[0]
    except struct.error as error:
        raise SpdyError("headers are cut off") from error
    return headers


def _read_text(raw: bytes, offset: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">I", raw, offset)
    end = offset + 4 + length
    if end > len(raw):
        raise SpdyError("headers are cut off")
    return raw[offset + 4 : end].decode("utf-8", "replace"), end


# ---- the dictionary that both sides' header compression starts from (a constant of the protocol) -----------------

_DICTIONARY_WORDS = """\
options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow
authorization cache-control connection content-base content-encoding content-language content-length
content-location content-md5 content-range content-type date etag expect expires from host if-match
if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma
proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade
user-agent vary via warning www-authenticate method get status"""
_DICTIONARY_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _dictionary() -> bytes:
    words = [
        *_DICTIONARY_WORDS.split(),
        "200 OK",
        "version",
        "HTTP/1.1",
        "url",
        "public",
        "set-cookie",
        "keep-alive",
        "origin",
    ]
    return b"".join(struct.pack(">I", len(word)) + word.encode() for word in words) + _DICTIONARY_TAIL.encode()


DICTIONARY = _dictionary()
