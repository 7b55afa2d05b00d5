"""Conversions between types: `int("3")`, `string(x)`, `type(x)`.

Follows github.com/google/cel-go/common/stdlib/standard.go and common/types.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from pybernetes.cel import text
from pybernetes.cel.errors import CelError
from pybernetes.cel.functions import Library
from pybernetes.cel.values import MAX_INT, MAX_UINT, MIN_INT, Duration, UInt, runtime_type

LIBRARY = Library()

LIBRARY.function("type", "A -> type(A)")(runtime_type)
LIBRARY.function("dyn", "A -> dyn")(lambda value: value)
LIBRARY.function("bool", "bool -> bool")(lambda value: value)
LIBRARY.function("bytes", "bytes -> bytes")(lambda value: value)
LIBRARY.function("bytes", "string -> bytes")(lambda value: value.encode())
LIBRARY.function("double", "double -> double", "int -> double", "uint -> double")(float)
LIBRARY.function("int", "int -> int")(lambda value: value)
LIBRARY.function("uint", "uint -> uint")(lambda value: value)
LIBRARY.function("duration", "duration -> duration")(lambda value: value)
LIBRARY.function("duration", "int -> duration")(Duration)
LIBRARY.function("timestamp", "timestamp -> timestamp")(lambda value: value)
LIBRARY.function("duration", "string -> duration")(text.parse_duration)
LIBRARY.function("timestamp", "string -> timestamp")(text.parse_timestamp)
LIBRARY.function(
    "string",
    "string -> string",
    "bool -> string",
    "int -> string",
    "uint -> string",
    "double -> string",
    "duration -> string",
    "timestamp -> string",
    "bytes -> string",
)(text.string_of)


@LIBRARY.function("bool", "string -> bool")
def to_bool(value: str) -> bool:
    if value in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if value in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise _conversion("string", value, "bool")


@LIBRARY.function("double", "string -> double")
def to_double(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise _conversion("string", value, "double") from None


@LIBRARY.function("int", "string -> int")
def to_int(value: str) -> int:
    found = _digits(value)
    if found is None or not MIN_INT <= found <= MAX_INT:
        raise _conversion("string", value, "int")
    return found


@LIBRARY.function("uint", "string -> uint")
def to_uint(value: str) -> UInt:
    found = _digits(value) if not value.startswith(("+", "-")) else None
    if found is None or found > MAX_UINT:
        raise _conversion("string", value, "uint")
    return UInt(found)


@LIBRARY.function("int", "uint -> int", "double -> int")
def truncated(value: Any) -> int:
    if not MIN_INT <= value <= MAX_INT or (isinstance(value, float) and not math.isfinite(value)):
        raise CelError("integer overflow")
    return int(value)


@LIBRARY.function("uint", "int -> uint", "double -> uint")
def truncated_unsigned(value: Any) -> UInt:
    if not 0 <= value <= MAX_UINT or (isinstance(value, float) and not math.isfinite(value)):
        raise CelError("unsigned integer overflow")
    return UInt(value)


@LIBRARY.function("int", "duration -> int")
def nanoseconds(value: Duration) -> int:
    return int(value)


@LIBRARY.function("int", "timestamp -> int")
def seconds(value: datetime) -> int:
    return math.floor(value.timestamp())


@LIBRARY.function("timestamp", "int -> timestamp")
def of_seconds(value: int) -> datetime:
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        raise CelError("timestamp overflow") from None


def _digits(value: str) -> int | None:
    digits = value[1:] if value[:1] in ("+", "-") else value
    return int(value) if digits.isascii() and digits.isdigit() else None


def _conversion(kind: str, value: Any, wanted: str) -> CelError:
    return CelError(f"type conversion error from '{kind}' to '{wanted}'")
