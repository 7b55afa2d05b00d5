"""From the envelope `k8s\\0` + runtime.Unknown to a document in JSON's names.

Guarantees  Unknown field numbers are skipped, as protobuf asks; a message that is cut short or malformed is an error.

Follows k8s.io/apimachinery/pkg/runtime/serializer/protobuf; wire format: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from pybernetes.apiserver.protobuf.messages import MAGIC, ProtobufError, fields_of, message_of, wraps_a_list

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Document = dict[str, Any]


def decode_body(body: bytes) -> Document:
    """A whole request body. Raises ``ProtobufError``."""
    if not body.startswith(MAGIC):
        raise ProtobufError("the body does not begin with the prefix of Kubernetes' protobuf")
    api_version = kind = ""
    raw = b""
    for number, value in _members(body[len(MAGIC) :]):
        if number == 1:
            named = {at: _text(text) for at, text in _members(_as_bytes(value))}
            api_version, kind = named.get(1, ""), named.get(2, "")
        elif number == 2:
            raw = _as_bytes(value)
    group, _, version = api_version.rpartition("/")
    document: Document = {"apiVersion": api_version, "kind": kind}
    document.update(decode_message(message_of(group, version, kind), raw))
    return document


def decode_message(message: str, data: bytes) -> Document:
    fields = fields_of(message)
    document: Document = {}
    for number, value in _members(data):
        known = fields.get(number)
        if known is None:
            continue
        _, name, shape, kind = known
        if shape == "[]":
            document.setdefault(name, []).extend(_elements(kind, value))
        elif shape == "{}":
            key, item = _pair(kind, _as_bytes(value))
            document.setdefault(name, {})[key] = item
        elif not name:
            document.update(decode_message(kind, _as_bytes(value)))
        else:
            document[name] = _value(kind, value)
    return document


def _elements(kind: str, value: int | bytes) -> list[Any]:
    """One element, or those of a packed list of numbers."""
    if kind in ("i", "u", "b") and isinstance(value, bytes):
        return [_value(kind, number) for number in _varints(value)]
    return [_value(kind, value)]


def _pair(kind: str, data: bytes) -> tuple[str, Any]:
    key, value = "", _EMPTY.get(kind, b"")
    for number, member in _members(data):
        if number == 1:
            key = _text(member)
        elif number == 2:
            value = member
    return key, _value(kind, value)


_EMPTY: dict[str, int | bytes] = {"i": 0, "u": 0, "b": 0, "d": bytes(8)}


def _value(kind: str, value: int | bytes) -> Any:
    match kind:
        case "s":
            return _text(value)
        case "i":
            return _signed(value)
        case "u":
            return value
        case "b":
            return bool(value)
        case "y":
            return b64encode(_as_bytes(value)).decode()
        case "d":
            return struct.unpack("<d", _as_bytes(value))[0]
    data = _as_bytes(value)
    reader = _SPECIAL.get(kind)
    if reader is not None:
        return reader(data)
    if wraps_a_list(kind):
        return decode_message(kind, data).get("", [])
    return decode_message(kind, data)


def _time(data: bytes) -> str | None:
    seconds = _numbers(data).get(1)
    return None if seconds is None else _moment(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(data: bytes) -> str | None:
    numbers = _numbers(data)
    if 1 not in numbers:
        return None
    return _moment(numbers[1]).strftime("%Y-%m-%dT%H:%M:%S") + f".{numbers.get(2, 0) // 1000:06d}Z"


def _moment(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise ProtobufError(f"{seconds} is no time") from error


def _quantity(data: bytes) -> str:
    return next((_text(value) for number, value in _members(data) if number == 1), "0")


def _int_or_string(data: bytes) -> int | str:
    values = dict(_members(data))
    return _text(values.get(3, b"")) if values.get(1, 0) == 1 else _signed(values.get(2, 0))


def _raw(data: bytes) -> Any:
    raw = next((_as_bytes(value) for number, value in _members(data) if number == 1), b"")
    if not raw:
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ProtobufError(f"embedded JSON: {error}") from error


def _schema_or_bool(data: bytes) -> Any:
    members = dict(_members(data))
    return _schema(_as_bytes(members[2])) if 2 in members else bool(members.get(1, 0))


def _schema_or_schemas(data: bytes) -> Any:
    members = list(_members(data))
    one = next((_as_bytes(value) for number, value in members if number == 1), None)
    if one is not None:
        return _schema(one)
    return [_schema(_as_bytes(value)) for number, value in members if number == 2]


def _schema_or_texts(data: bytes) -> Any:
    members = list(_members(data))
    one = next((_as_bytes(value) for number, value in members if number == 1), None)
    return _schema(one) if one is not None else [_text(value) for number, value in members if number == 2]


def _schema(data: bytes) -> Document:
    return decode_message("apiextensions_v1.JSONSchemaProps", data)


def _duration(data: bytes) -> str:
    return f"{_numbers(data).get(1, 0) / 1e9:g}s"


_SPECIAL = {
    "time": _time,
    "microtime": _micro_time,
    "quantity": _quantity,
    "intstr": _int_or_string,
    "raw": _raw,
    "duration": _duration,
    "schema|bool": _schema_or_bool,
    "schema|[]schema": _schema_or_schemas,
    "schema|[]s": _schema_or_texts,
}


def _numbers(data: bytes) -> dict[int, int]:
    return {number: _signed(value) for number, value in _members(data)}


def _members(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    position, end = 0, len(data)
    while position < end:
        tag, position = _varint(data, position)
        wire = tag & 7
        value: int | bytes
        if wire == _VARINT:
            value, position = _varint(data, position)
        else:
            if wire == _BYTES:
                length, position = _varint(data, position)
            elif wire == _FIXED64:
                length = 8
            elif wire == _FIXED32:
                length = 4
            else:
                raise ProtobufError(f"wire type {wire} is not used")
            value = data[position : position + length]
            if len(value) != length:
                raise ProtobufError("the message is cut short")
            position += length
        yield tag >> 3, value


def _varints(data: bytes) -> Iterator[int]:
    position = 0
    while position < len(data):
        value, position = _varint(data, position)
        yield value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise ProtobufError("a number is cut short or too long")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _signed(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ProtobufError("a number was expected")
    return value - (1 << 64) if value >> 63 else value


def _text(value: int | bytes) -> str:
    try:
        return _as_bytes(value).decode()
    except UnicodeDecodeError as error:
        raise ProtobufError(f"a text is not UTF-8: {error}") from error


def _as_bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ProtobufError("bytes were expected")
    return value
