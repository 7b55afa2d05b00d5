"""Watch framing, without I/O: bytes of a watch answer in, typed events out.

An ERROR event is raised as the ApiError it carries; a version too old to watch from is therefore an ApiError of
code 410, as it is when the server refuses at once. An object that is not of the wanted type is left out and logged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgspec

from pybernetes.api.errors import ApiError
from pybernetes.client.objects import WatchEvent, WatchType, decode_or_report
from pybernetes.client.shared_reading import EVENTS

T = TypeVar("T")


_TYPES = {kind.value: kind for kind in WatchType}


class _Frame(msgspec.Struct):
    type: str
    object: msgspec.Raw


_frames = msgspec.json.Decoder(_Frame)


class _Whole(msgspec.Struct, Generic[T]):
    """An event with its object in one reading, which is what nearly every one allows."""

    type: str
    object: T


_whole: dict[Any, msgspec.json.Decoder[Any]] = {}


def _decoder_of(type_: type[T]) -> msgspec.json.Decoder[_Whole[T]]:
    decoder = _whole.get(type_)
    if decoder is None:
        decoder = _whole[type_] = msgspec.json.Decoder(_Whole[type_])  # type: ignore[valid-type]
    return decoder


class WatchDecoder(Generic[T]):
    """Feed it chunks as they come; each call gives the events that became whole."""

    def __init__(self, type_: type[T], *, read_only: bool = False) -> None:
        """``read_only``: nobody will change the objects (see `shared_reading`)."""
        self._type = type_
        self._decoder = _decoder_of(type_)
        self._shared = EVENTS.get(type_) if read_only else None
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[WatchEvent[T]]:
        lines = (self._rest + chunk).split(b"\n") if self._rest else chunk.split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            event = self._event(line) if line else None
            if event is not None:
                yield event

    def _event(self, line: bytes) -> WatchEvent[T] | None:
        try:
            if self._shared is not None:
                type_, value = self._shared(line)
            else:
                whole = self._decoder.decode(line)
                type_, value = whole.type, whole.object
        except msgspec.ValidationError:
            return self._by_parts(line)
        kind = _TYPES.get(type_)
        return self._by_parts(line) if kind is None else WatchEvent(kind, value)

    def _by_parts(self, line: bytes) -> WatchEvent[T] | None:
        """An error, or an object that is not at once of the wanted type."""
        frame = _frames.decode(line)
        if frame.type == "ERROR":
            raise error_of(500, bytes(frame.object))
        value = decode_or_report(self._type, bytes(frame.object))
        return None if value is None else WatchEvent(_TYPES[frame.type], value)


def error_of(status: int, body: bytes) -> ApiError:
    """The ApiError in a Status document; anything else becomes the message of one."""
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError:
        document = None
    if isinstance(document, dict) and document.get("kind") == "Status":
        return ApiError.from_status(int(document.get("code") or status), document)
    text = body.decode("utf-8", "replace").strip() or f"the server answered with status {status}"
    return ApiError.from_status(status, {"kind": "Status", "status": "Failure", "message": text, "code": status})
