"""An OpenAPI v2 document as protobuf, the form in which client-go reads it.

kubectl checks a `List` against it, because no path of OpenAPI v3 takes one.
Guarantees  What the tables below do not know raises `KeyError`: nothing of a document is left out in silence.
Follows     the message `openapi.v2.Document` of github.com/google/gnostic (openapiv2/OpenAPIv2.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
REQUESTED = frozenset({MEDIA_TYPE, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"})
"""The present name and the one that clients still ask for."""

Encode = Callable[[Any], bytes]


def encode(document: Mapping[str, Any]) -> bytes:
    return _message(document, _DOCUMENT, extensions=16)


# ---- the wire format


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _chunk(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _texts(field: int, values: Iterable[str]) -> bytes:
    return b"".join(_chunk(field, value.encode()) for value in values)


def _named(field: int, values: Mapping[str, Any], encode_value: Encode) -> bytes:
    """A map, as repeated pairs of a name and a value."""
    pairs = ((name, encode_value(value)) for name, value in values.items())
    return b"".join(_chunk(field, _chunk(1, name.encode()) + _chunk(2, value)) for name, value in pairs)


def _any(value: Any) -> bytes:
    """Free-form content is YAML, of which JSON is a part."""
    return _chunk(2, orjson.dumps(value))


def _message(value: Mapping[str, Any], fields: Mapping[str, Callable[[Any], bytes]], extensions: int) -> bytes:
    parts = [fields[key](content) for key, content in value.items() if not key.startswith("x-")]
    extra = {key: content for key, content in value.items() if key.startswith("x-")}
    return b"".join(parts) + _named(extensions, extra, _any)


def _text(field: int) -> Encode:
    return lambda value: _chunk(field, value.encode())


def _flag(field: int) -> Encode:
    return lambda value: _varint(field << 3) + _varint(int(value))


def _number(field: int) -> Encode:
    return lambda value: _varint(field << 3 | 1) + struct.pack("<d", value)


def _list(field: int) -> Encode:
    return lambda values: _texts(field, values)


def _one(field: int, encode_value: Encode) -> Encode:
    return lambda value: _chunk(field, encode_value(value))


def _each(field: int, encode_value: Encode) -> Encode:
    return lambda values: b"".join(_chunk(field, encode_value(value)) for value in values)


def _map(field: int, encode_value: Encode) -> Encode:
    return lambda values: _chunk(field, _named(1, values, encode_value))


# ---- schemas


def _schema(value: Mapping[str, Any]) -> bytes:
    return _message(value, _SCHEMA, extensions=31)


def _additional(value: Any) -> bytes:
    return _flag(2)(value) if isinstance(value, bool) else _chunk(1, _schema(value))


def _type(value: str | list[str]) -> bytes:
    return _texts(1, [value] if isinstance(value, str) else value)


_SCHEMA: Mapping[str, Encode] = {
    "$ref": _text(1),
    "format": _text(2),
    "title": _text(3),
    "description": _text(4),
    "default": _one(5, _any),
    "multipleOf": _number(6),
    "maximum": _number(7),
    "exclusiveMaximum": _flag(8),
    "minimum": _number(9),
    "exclusiveMinimum": _flag(10),
    "maxLength": _flag(11),
    "minLength": _flag(12),
    "pattern": _text(13),
    "maxItems": _flag(14),
    "minItems": _flag(15),
    "uniqueItems": _flag(16),
    "maxProperties": _flag(17),
    "minProperties": _flag(18),
    "required": _list(19),
    "enum": _each(20, _any),
    "additionalProperties": _one(21, _additional),
    "type": _one(22, _type),
    "items": _one(23, lambda value: _chunk(1, _schema(value))),
    "allOf": _each(24, _schema),
    "properties": _map(25, _schema),
    "externalDocs": _one(28, lambda value: _message(value, {"description": _text(1), "url": _text(2)}, extensions=3)),
    "example": _one(29, _any),
}

# ---- paths


def _parameter(value: Mapping[str, Any]) -> bytes:
    """One of an operation: it may be said elsewhere."""
    return _chunk(2, _chunk(1, value["$ref"].encode())) if "$ref" in value else _chunk(1, _stated_parameter(value))


def _stated_parameter(value: Mapping[str, Any]) -> bytes:
    if value["in"] == "body":
        return _chunk(1, _message(value, _BODY, extensions=6))
    if value["in"] == "path":
        return _chunk(2, _chunk(4, _message(value, _PATH_PARAMETER, extensions=22)))
    return _chunk(2, _chunk(3, _message(value, _QUERY_PARAMETER, extensions=23)))


_BODY = {"description": _text(1), "name": _text(2), "in": _text(3), "required": _flag(4), "schema": _one(5, _schema)}
_ANY_PARAMETER = {"required": _flag(1), "in": _text(2), "description": _text(3), "name": _text(4)}
_PATH_PARAMETER = {**_ANY_PARAMETER, "type": _text(5), "format": _text(6), "uniqueItems": _flag(19)}
_QUERY_PARAMETER = {**_ANY_PARAMETER, "type": _text(6), "format": _text(7), "uniqueItems": _flag(20)}
_RESPONSE = {"description": _text(1), "schema": _one(2, lambda value: _chunk(1, _schema(value)))}
_OPERATION = {
    "tags": _list(1),
    "summary": _text(2),
    "description": _text(3),
    "operationId": _text(5),
    "produces": _list(6),
    "consumes": _list(7),
    "parameters": _each(8, _parameter),
    "responses": _map(9, lambda value: _chunk(1, _message(value, _RESPONSE, extensions=5))),
    "schemes": _list(10),
}
_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}


def _operation(value: Mapping[str, Any]) -> bytes:
    return _message(value, _OPERATION, extensions=13)


_PATH_ITEM: Mapping[str, Encode] = {
    **{method: _one(number, _operation) for method, number in _METHODS.items()},
    "parameters": _each(9, _parameter),
}


def _path_item(value: Mapping[str, Any]) -> bytes:
    return _message(value, _PATH_ITEM, extensions=10)


# ---- the document


def _info(value: Mapping[str, Any]) -> bytes:
    return _message(value, {"title": _text(1), "version": _text(2), "description": _text(3)}, extensions=7)


def _api_key(value: Mapping[str, Any]) -> bytes:
    fields = {"type": _text(1), "name": _text(2), "in": _text(3), "description": _text(4)}
    return _chunk(2, _message(value, fields, extensions=5))


_DOCUMENT: Mapping[str, Encode] = {
    "swagger": _text(1),
    "info": _one(2, _info),
    "paths": lambda value: _chunk(8, _named(2, value, _path_item)),
    "definitions": _map(9, _schema),
    "parameters": _map(10, _stated_parameter),
    "security": _each(12, lambda value: _named(1, value, lambda scopes: _texts(1, scopes))),
    "securityDefinitions": _map(13, _api_key),
}
