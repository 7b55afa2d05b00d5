"""The walk as a map of values is converted to a struct, which is less strict about numbers than reading JSON.

Integers wrap around at the size of their field, whole floats become integers, and what else does not fit is told in
the converter's words. Server-side apply and strategic merge patches are read so.

Follows k8s.io/apimachinery/pkg/runtime/converter.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pybernetes.api.schema.facts import Definition
from pybernetes.api.schema.order import in_field_order
from pybernetes.api.schema.scalars import DecodeError, Mismatch
from pybernetes.api.schema.shape import Reading

Document = dict[str, Any]

_BITS = {"int32": 32, "int64": 64}
_LEAST = -(2**63)


def convert(document: Document, read: Callable[[Document], Reading], facts: Definition) -> Reading:
    """``read(document)`` with the numbers that fit when they are wrapped. Raises DecodeError for the first value that
    does not fit, in the order of the fields of ``facts``."""
    try:
        return read(document)
    except DecodeError:
        return _converted(in_field_order(document, facts), read)


def _converted(document: Document, read: Callable[[Document], Reading]) -> Reading:
    while True:
        try:
            return read(document)
        except Mismatch as error:
            number = _wrapped(error.value, error.go_type)
            if number is None:
                raise DecodeError(_in_words(error)) from error
            document = _with(document, error.path, number)
        except DecodeError as error:
            if "base64" in str(error):
                raise DecodeError(f"error decoding from json: {error}") from error
            if error.alone:
                raise DecodeError(error.alone) from error
            raise


def _wrapped(value: Any, go_type: str) -> int | None:
    """What a conversion makes of a number; None if it is none, or not whole."""
    bits = _BITS.get(go_type)
    if bits is None or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    whole = int(value)
    if not _LEAST <= whole < -_LEAST:
        whole = _LEAST
    half = 1 << (bits - 1)
    return (whole + half) % (2 * half) - half


def _with(value: Any, path: Sequence[str | int], number: int) -> Any:
    """A copy along the path."""
    if not path:
        return number
    copy = value.copy()
    copy[path[0]] = _with(value[path[0]], path[1:], number)
    return copy


def _in_words(error: Mismatch) -> str:
    """As the converter says what a decoder of JSON says otherwise."""
    kind, wanted = _kind(error.value), error.go_type
    plain = error.plain or (wanted if wanted in _PLAIN else "")
    if plain:
        fails_late = (kind == "int64" and plain == "string") or (kind == "float64" and plain in _BITS)
        return f"cannot convert {kind} to {wanted}" if fails_late else f"unrecognized type: {plain}"
    if wanted.startswith("[]"):
        return f"cannot restore slice from {kind}"
    if wanted.startswith("map[") or wanted in _NAMED_MAPS:
        return f"cannot restore map from {kind}"
    return f"cannot restore struct from: {kind}"


_NAMED_MAPS = frozenset(("v1.ResourceList",))
_PLAIN = frozenset(("string", "bool", "int32", "int64", "float64"))


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case int():
            return "int64"
        case float():
            return "float64"
        case list():
            return "slice"
        case _:
            return "map"
