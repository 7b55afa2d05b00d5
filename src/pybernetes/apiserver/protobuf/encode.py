"""Documents as upstream's protobuf messages, byte for byte as gogo's generated code writes them.

Guarantees
  Fields come in the order of their numbers, maps in the order of their keys; a field that is a value in Go is written
  even when it is zero.
  A message is compiled once, when it is first asked for, into a row per field.

Assumes  Documents that were read against their schema: types are right, quantities and times canonical.
"""

from __future__ import annotations

import struct
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from pybernetes.api import go_json
from pybernetes.apiserver.protobuf.messages import Field, fields_of, wraps_a_list

Encode = Callable[[Any], bytes]
Row = tuple[str, Encode, bytes]
"""A field's name ("" where the message is inlined), what writes it with its tag, what is written if it is absent."""

_SCHEMA = "apiextensions_v1.JSONSchemaProps"
_UNSIGNED = (1 << 64) - 1
_SECOND = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def encoder_of(message: str) -> Encode:
    """What turns a document into the message's bytes. Raises ProtobufError for a message that is not known."""
    return _compiled.get(message) or _compile(message)


_compiled: dict[str, Encode] = {}


def _compile(message: str) -> Encode:
    fields = fields_of(message)
    rows: list[Row] = []
    encode = _inlining(rows) if any(not field.name for field in fields.values()) else _plain(rows)
    _compiled[message] = encode  # before its fields: messages can hold themselves
    rows.extend(_row(field) for field in fields.values())
    return encode


def _plain(rows: list[Row]) -> Encode:
    def encode(document: Mapping[str, Any]) -> bytes:
        get = document.get
        return b"".join([absent if (value := get(name)) is None else write(value) for name, write, absent in rows])

    return encode


def _inlining(rows: list[Row]) -> Encode:
    def encode(document: Mapping[str, Any]) -> bytes:
        get = document.get
        parts = []
        for name, write, absent in rows:
            value = get(name) if name else document
            parts.append(absent if value is None else write(value))
        return b"".join(parts)

    return encode


def _row(field: Field) -> Row:
    if field.shape == "{}":
        return field.name, _map_of(field.number, field.kind), b""
    write = _writer(field.number, field.kind)
    if field.shape == "[]":
        return field.name, _list_of(write), b""
    return field.name, write, b"" if field.shape == "?" else _zero(field, write)


def _zero(field: Field, write: Encode) -> bytes:
    return write(_ZEROS[field.kind]) if field.kind in _ZEROS else write({})


_ZEROS: dict[str, Any] = {
    "s": "",
    "y": "",
    "i": 0,
    "u": 0,
    "b": False,
    "d": 0.0,
    "time": "",
    "microtime": "",
    "quantity": "0",
    "intstr": 0,
    "raw": None,
    "duration": "0s",
}


def _list_of(write: Encode) -> Encode:
    return lambda values: b"".join([write(value) for value in values])


def _map_of(number: int, kind: str) -> Encode:
    tag = varint(number << 3 | 2)
    write_key, write_value = _writer(1, "s"), _writer(2, kind)

    def encode(values: Mapping[str, Any]) -> bytes:
        parts = []
        for name in sorted(values):
            entry = write_key(name) + write_value(values[name])
            parts.append(tag + length(entry) + entry)
        return b"".join(parts)

    return encode


def _writer(number: int, kind: str) -> Encode:
    """One value of a field, with its tag."""
    if kind in ("i", "u"):
        tag = varint(number << 3)
        return lambda value: tag + varint(value & _UNSIGNED)
    if kind == "b":
        yes, no = varint(number << 3) + b"\x01", varint(number << 3) + b"\x00"
        return lambda value: yes if value else no
    if kind == "d":
        tag = varint(number << 3 | 1)
        return lambda value: tag + struct.pack("<d", value)
    tag = varint(number << 3 | 2)
    return _text_writer(tag) if kind == "s" else _delimited(tag, payload_of(kind))


def _text_writer(tag: bytes) -> Encode:
    def write(value: str) -> bytes:
        data = value.encode()
        return tag + length(data) + data

    return write


def _delimited(tag: bytes, payload: Encode) -> Encode:
    def write(value: Any) -> bytes:
        data = payload(value)
        return tag + length(data) + data

    return write


def payload_of(kind: str) -> Encode:
    """What turns a value that is neither a number nor a text into bytes, without tag and length."""
    special = _SPECIAL.get(kind)
    if special is not None:
        return special
    if wraps_a_list(kind):
        return _list_of(_writer(1, fields_of(kind)[1].kind))
    return encoder_of(kind)


@lru_cache(maxsize=4096)
def _time(text: str) -> bytes:
    if not text:
        return b""
    return b"\x08" + varint(int(datetime.fromisoformat(text).timestamp()) & _UNSIGNED) + b"\x10\x00"


def _micro_time(text: str) -> bytes:
    if not text:
        return b""
    since, rest = divmod(datetime.fromisoformat(text) - _EPOCH, _SECOND)
    return b"\x08" + varint(since & _UNSIGNED) + b"\x10" + varint(rest.microseconds * 1000)


_quantity = lru_cache(maxsize=4096)(_text_writer(b"\x0a"))


def _int_or_string(value: int | str) -> bytes:
    if isinstance(value, str):
        return b"\x08\x01\x10\x00" + _int_or_string_text(value)
    return b"\x08\x00\x10" + varint(value & _UNSIGNED) + b"\x1a\x00"


_int_or_string_text = _text_writer(b"\x1a")


def _raw(value: Any) -> bytes:
    """JSON as Go writes it: there are clients that compare it byte for byte with their own."""
    if value is None:
        return b""
    return _raw_bytes(go_json.dumps(value))


_raw_bytes = _delimited(b"\x0a", bytes)


def _duration(text: str) -> bytes:
    return b"\x08" + varint(round(float(text.removesuffix("s")) * 1e9))


def _schema_or_bool(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"\x08\x01" if value else b"\x08\x00"
    return b"\x08\x01" + _delimited(b"\x12", encoder_of(_SCHEMA))(value)


def _schema_or_schemas(value: Any) -> bytes:
    encode = encoder_of(_SCHEMA)
    if isinstance(value, list):
        return _list_of(_delimited(b"\x12", encode))(value)
    return _delimited(b"\x0a", encode)(value)


def _schema_or_texts(value: Any) -> bytes:
    if isinstance(value, list):
        return _list_of(_text_writer(b"\x12"))(value)
    return _delimited(b"\x0a", encoder_of(_SCHEMA))(value)


_SPECIAL: dict[str, Encode] = {
    "y": b64decode,
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


_SHORT = [bytes((number,)) for number in range(128)]


def length(data: bytes) -> bytes:
    number = len(data)
    return _SHORT[number] if number < 128 else varint(number)


def varint(number: int) -> bytes:
    """Of a number that is not negative."""
    if number < 128:
        return _SHORT[number]
    found = bytearray()
    while number > 127:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
