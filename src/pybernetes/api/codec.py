"""Between bytes, documents and models.

Guarantees  Decoders are built once per model. `null` where a list, a map or a struct is expected reads as absence,
as in Go; unknown fields are ignored.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
Document = dict[str, Any]

_encoder = msgspec.json.Encoder()


_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def _decoder(model: Any) -> msgspec.json.Decoder[Any]:
    decoder = _decoders.get(model)
    if decoder is None:
        decoder = _decoders[model] = msgspec.json.Decoder(model)
    return decoder


def decode(model: type[T], data: bytes | bytearray | memoryview | str) -> T:
    """Raises `msgspec.ValidationError` (a ValueError) when a value has not the field's type."""
    try:
        decoded: T = _decoder(model).decode(data)
    except msgspec.ValidationError:
        document = msgspec.json.decode(data)
        cleaned = without_nulls(document)
        if cleaned == document:
            raise
        return msgspec.convert(cleaned, model)
    return decoded


def encode(value: Any) -> bytes:
    """A model or a document as JSON."""
    return _encoder.encode(value)


def to_document(model: Any) -> Document:
    document: Document = msgspec.to_builtins(model)
    return document


def from_document(model: type[T], document: Document) -> T:
    """Raises `msgspec.ValidationError` (a ValueError) when a value has not the field's type."""
    try:
        return msgspec.convert(document, model)
    except msgspec.ValidationError:
        cleaned = without_nulls(document)
        if cleaned == document:
            raise
        return msgspec.convert(cleaned, model)


def without_nulls(value: Any) -> Any:
    """The value without the fields that are null, at any depth."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value
