"""From the envelope `k8s\\0` + runtime.Unknown to a document in JSON's names.

Guarantees  Unknown field numbers are skipped, as protobuf asks; a message that is cut short or malformed is an error.

Follows k8s.io/apimachinery/pkg/runtime/serializer/protobuf; wire format: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import re
import struct
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from pybernetes.api import go_json
from pybernetes.api.kinds import KindInfo
from pybernetes.api.meta import format_time
from pybernetes.apiserver.protobuf.messages import (
    MAGIC,
    Field,
    ProtobufError,
    UnfitMessage,
    fields_of,
    message_of,
    wraps_a_list,
)

_VARINT, _FIXED64, _BYTES, _BEGIN, _END, _FIXED32 = range(6)
_ENVELOPE = {1: "TypeMeta", 2: "Raw", 3: "ContentEncoding", 4: "ContentType"}
_IDENTITY = {1: "APIVersion", 2: "Kind"}

Document = dict[str, Any]


def decode_body(body: bytes, expected: KindInfo | None = None) -> Document:
    """A whole request body; of a kind that is not known only its name. ``expected`` is what it is taken for if it does
    not say. Raises ``ProtobufError``, and ``UnfitMessage`` for what is behind the envelope."""
    if not body:
        raise ProtobufError("empty data")
    if not body.startswith(MAGIC):
        raise ProtobufError(
            "provided data does not appear to be a protobuf message, expected prefix "
            f"[{' '.join(str(byte) for byte in MAGIC)}]"
        )
    if len(body) == len(MAGIC):
        raise ProtobufError("empty body")
    envelope = _parts(body[len(MAGIC) :], "Unknown", _ENVELOPE)
    identity = _parts(envelope.get("TypeMeta", b""), "TypeMeta", _IDENTITY)
    api_version, kind = _text(identity.get("APIVersion", b"")), _text(identity.get("Kind", b""))
    if expected is not None:
        api_version, kind = api_version or expected.api_version, kind or expected.kind
    group, _, version = api_version.rpartition("/")
    document: Document = {"apiVersion": api_version, "kind": kind}
    try:
        message = message_of(group, version, kind)
    except ProtobufError:
        return document
    try:
        document.update(decode_message(message, envelope.get("Raw", b"")))
    except ProtobufError as error:
        raise UnfitMessage(api_version, kind, str(error)) from error
    except RecursionError as error:
        raise UnfitMessage(api_version, kind, _TOO_DEEP) from error
    if message in _NESTED and go_json.is_too_deep(document):
        raise UnfitMessage(api_version, kind, _TOO_DEEP)
    return document


_TOO_DEEP = "exceeded max depth"
_NESTED = frozenset({"apiextensions_v1.CustomResourceDefinition"})
"""Messages that hold themselves."""


def _parts(data: bytes, message: str, names: Mapping[int, str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for number, value in _members(data, message, {number: _Wanted(name) for number, name in names.items()}):
        if number in names:
            found[names[number]] = _as_bytes(value)
    return found


def decode_message(message: str, data: bytes) -> Document:
    fields = fields_of(message)
    document: Document = {}
    for number, value in _members(data, message, _wanted(message)):
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


class _Wanted(NamedTuple):
    """What Go calls a field, and the wire types that it may have."""

    name: str
    wires: tuple[int, ...] = (_BYTES,)


@cache
def _wanted(message: str) -> Mapping[int, _Wanted]:
    return {
        number: _Wanted(_go_name(field.name, field.kind), _wires(field)) for number, field in fields_of(message).items()
    }


def _wires(field: Field) -> tuple[int, ...]:
    wire = _BYTES if field.shape == "{}" else _WIRES.get(field.kind, _BYTES)
    return (wire, _BYTES) if field.shape == "[]" and field.kind in _PACKED else (wire,)


_WIRES = {"i": _VARINT, "u": _VARINT, "b": _VARINT, "d": _FIXED64}
_PACKED = frozenset("iub")
_METADATA = {"meta_v1.ObjectMeta": "ObjectMeta", "meta_v1.ListMeta": "ListMeta"}
_INITIALS = re.compile(r"^(uid|api|ip|url|id)(?=[A-Z]|$|s$)")


def _go_name(name: str, kind: str) -> str:
    """The field's in Go, as far as it follows from that in JSON."""
    if name == "metadata" and kind in _METADATA:
        return _METADATA[kind]
    initials = _INITIALS.match(name)
    return initials[0].upper() + name[initials.end() :] if initials else name[:1].upper() + name[1:]


def _elements(kind: str, value: int | bytes) -> list[Any]:
    """One element, or those of a packed list of numbers."""
    if kind in ("i", "u", "b") and isinstance(value, bytes):
        return [_value(kind, number) for number in _varints(value)]
    return [_value(kind, value)]


def _pair(kind: str, data: bytes) -> tuple[str, Any]:
    key, value = "", _EMPTY.get(kind, b"")
    for number, member in _members(data, ""):
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
    return None if seconds is None else format_time(_moment(seconds))


def _micro_time(data: bytes) -> str | None:
    numbers = _numbers(data)
    if 1 not in numbers:
        return None
    return f"{format_time(_moment(numbers[1]))[:-1]}.{numbers.get(2, 0) // 1000:06d}Z"


def _moment(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise ProtobufError(f"{seconds} is no time") from error


def _quantity(data: bytes) -> str:
    return next((_text(value) for number, value in _members(data, "Quantity") if number == 1), "0")


def _int_or_string(data: bytes) -> int | str:
    values = dict(_members(data, "IntOrString"))
    return _text(values.get(3, b"")) if values.get(1, 0) == 1 else _signed(values.get(2, 0))


def _raw(data: bytes) -> Any:
    raw = next((_as_bytes(value) for number, value in _members(data, "RawExtension") if number == 1), b"")
    if not raw:
        return None
    try:
        return go_json.loads(raw)
    except go_json.UnreadableJson as error:
        raise ProtobufError(str(error)) from error


def _schema_or_bool(data: bytes) -> Any:
    members = dict(_members(data, "JSONSchemaPropsOrBool"))
    return _schema(_as_bytes(members[2])) if 2 in members else bool(members.get(1, 0))


def _schema_or_schemas(data: bytes) -> Any:
    members = list(_members(data, "JSONSchemaPropsOrArray"))
    one = next((_as_bytes(value) for number, value in members if number == 1), None)
    if one is not None:
        return _schema(one)
    return [_schema(_as_bytes(value)) for number, value in members if number == 2]


def _schema_or_texts(data: bytes) -> Any:
    members = list(_members(data, "JSONSchemaPropsOrArray"))
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
    return {number: _signed(value) for number, value in _members(data, "Timestamp")}


_NONE: Mapping[int, _Wanted] = {}


def _members(data: bytes, message: str, wanted: Mapping[int, _Wanted] = _NONE) -> Iterator[tuple[int, int | bytes]]:
    """Number and value; groups have no value."""
    position, end = 0, len(data)
    while position < end:
        tag, position = _varint(data, position)
        wire, number = tag & 7, (tag >> 3) & _INT32
        if wire == _END:
            raise ProtobufError(f"proto: {_short(message)}: wiretype end group for non-group")
        if number == 0 or number > _LARGEST_NUMBER:
            shown = number - (1 << 32) if number > _LARGEST_NUMBER else 0
            raise ProtobufError(f"proto: {_short(message)}: illegal tag {shown} (wire type {wire})")
        known = wanted.get(number)
        if known is not None and wire not in known.wires:
            raise ProtobufError(f"proto: wrong wireType = {wire} for field {known.name}")
        value, position = _content(data, position, wire)
        yield number, value


def _short(message: str) -> str:
    return message.rpartition(".")[2]


_INT32, _LARGEST_NUMBER = (1 << 32) - 1, (1 << 31) - 1


def _content(data: bytes, position: int, wire: int) -> tuple[int | bytes, int]:
    """A value and the place behind it."""
    if wire == _VARINT:
        return _varint(data, position)
    if wire == _BEGIN:
        return b"", _behind_group(data, position)
    if wire == _BYTES:
        length, position = _varint(data, position)
        if length >> 63:
            raise ProtobufError("proto: negative length found during unmarshaling")
    elif wire in _LENGTHS:
        length = _LENGTHS[wire]
    else:
        raise ProtobufError(f"proto: illegal wireType {wire}")
    if position + length > len(data):
        raise ProtobufError(_CUT_SHORT)
    return data[position : position + length], position + length


_LENGTHS = {_FIXED64: 8, _FIXED32: 4}
_CUT_SHORT = "unexpected EOF"


def _behind_group(data: bytes, position: int) -> int:
    depth = 1
    while depth:
        if position >= len(data):
            raise ProtobufError(_CUT_SHORT)
        tag, position = _varint(data, position)
        if tag & 7 == _BEGIN:
            depth += 1
        elif tag & 7 == _END:
            depth -= 1
        else:
            _, position = _content(data, position, tag & 7)
    return position


def _varints(data: bytes) -> Iterator[int]:
    position = 0
    while position < len(data):
        value, position = _varint(data, position)
        yield value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if shift > 63:
            raise ProtobufError("proto: integer overflow")
        if position >= len(data):
            raise ProtobufError(_CUT_SHORT)
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _UINT64, position
        shift += 7


_UINT64 = (1 << 64) - 1


def _signed(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ProtobufError("a number was expected")
    return value - (1 << 64) if value >> 63 else value


def _text(value: int | bytes) -> str:
    """What is no UTF-8 is replaced, as Go does when it writes the text."""
    return _as_bytes(value).decode("utf-8", "replace")


def _as_bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ProtobufError("bytes were expected")
    return value
