"""Operators: `+`, `<`, `in`, indexing.

Follows github.com/google/cel-go/common/stdlib/standard.go.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from pybernetes.cel.errors import CelError
from pybernetes.cel.functions import Library
from pybernetes.cel.values import (
    DefaultMap,
    Duration,
    UInt,
    checked_int,
    checked_uint,
    contains,
    equal,
    joined,
    kind_of,
)

LIBRARY = Library()
_ORDERED = ("bool", "string", "bytes", "timestamp", "duration")
_NUMBERS = ("int", "uint", "double")
_PAIRS = [(one, one) for one in _ORDERED] + [(left, right) for left in _NUMBERS for right in _NUMBERS]
_COMPARABLE = [f"{left}, {right} -> bool" for left, right in _PAIRS]

LIBRARY.function("_&&_", "bool, bool -> bool")(lambda left, right: left and right)
LIBRARY.function("_||_", "bool, bool -> bool")(lambda left, right: left or right)
LIBRARY.function("_?_:_", "bool, A, A -> A")(lambda condition, chosen, other: chosen if condition else other)
LIBRARY.function("@not_strictly_false", "bool -> bool")(lambda value: value)
LIBRARY.function("!_", "bool -> bool")(lambda value: not value)
LIBRARY.function("_==_", "A, A -> bool")(equal)
LIBRARY.function("_!=_", "A, A -> bool")(lambda left, right: not equal(left, right))
LIBRARY.function("_<_", *_COMPARABLE)(lambda left, right: left < right)
LIBRARY.function("_<=_", *_COMPARABLE)(lambda left, right: left <= right)
LIBRARY.function("_>_", *_COMPARABLE)(lambda left, right: left > right)
LIBRARY.function("_>=_", *_COMPARABLE)(lambda left, right: left >= right)
LIBRARY.function("_+_", "bytes, bytes -> bytes", "double, double -> double")(lambda left, right: left + right)
LIBRARY.function("_+_", "string, string -> string")(lambda left, right: left + right)
LIBRARY.function("_+_", "int, int -> int")(lambda left, right: checked_int(left + right))
LIBRARY.function("_+_", "uint, uint -> uint")(lambda left, right: checked_uint(int(left) + right))
LIBRARY.function("_+_", "list(A), list(A) -> list(A)")(joined)
LIBRARY.function("_+_", "duration, duration -> duration")(lambda left, right: Duration(checked_int(int(left) + right)))
LIBRARY.function("_+_", "timestamp, duration -> timestamp")(lambda time, length: moved(time, int(length)))
LIBRARY.function("_+_", "duration, timestamp -> timestamp")(lambda length, time: moved(time, int(length)))
LIBRARY.function("_-_", "int, int -> int")(lambda left, right: checked_int(left - right))
LIBRARY.function("_-_", "uint, uint -> uint")(lambda left, right: checked_uint(int(left) - right))
LIBRARY.function("_-_", "double, double -> double")(lambda left, right: left - right)
LIBRARY.function("_-_", "duration, duration -> duration")(lambda left, right: Duration(checked_int(int(left) - right)))
LIBRARY.function("_-_", "timestamp, duration -> timestamp")(lambda time, length: moved(time, -int(length)))
LIBRARY.function("_*_", "int, int -> int")(lambda left, right: checked_int(left * right))
LIBRARY.function("_*_", "uint, uint -> uint")(lambda left, right: checked_uint(int(left) * right))
LIBRARY.function("_*_", "double, double -> double")(lambda left, right: left * right)
LIBRARY.function("-_", "int -> int")(lambda value: checked_int(-value))
LIBRARY.function("-_", "double -> double")(lambda value: -value)
LIBRARY.function("@in", "A, list(A) -> bool")(lambda sought, values: contains(values, sought))
LIBRARY.function("@in", "A, map(A, B) -> bool")(lambda sought, values: _key(sought) in values)


def moved(time: datetime, nanoseconds: int) -> datetime:
    try:
        return time + timedelta(microseconds=nanoseconds / 1000)
    except OverflowError:
        raise CelError("timestamp overflow") from None


@LIBRARY.function("_-_", "timestamp, timestamp -> duration")
def between(left: datetime, right: datetime) -> Duration:
    return Duration((left - right) // timedelta(microseconds=1) * 1000)


@LIBRARY.function("_/_", "int, int -> int")
def divide(left: int, right: int) -> int:
    if right == 0:
        raise CelError("division by zero")
    quotient = abs(left) // abs(right)
    return checked_int(quotient if (left < 0) == (right < 0) else -quotient)


@LIBRARY.function("_/_", "uint, uint -> uint")
def divide_unsigned(left: UInt, right: UInt) -> UInt:
    if right == 0:
        raise CelError("division by zero")
    return UInt(left // right)


@LIBRARY.function("_/_", "double, double -> double")
def divide_doubles(left: float, right: float) -> float:
    if right == 0:
        return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)
    return left / right


@LIBRARY.function("_%_", "int, int -> int")
def remainder(left: int, right: int) -> int:
    if right == 0:
        raise CelError("modulus by zero")
    return (
        int(math.fmod(left, right))
        if abs(left) < 1 << 53 and abs(right) < 1 << 53
        else left - right * divide(left, right)
    )


@LIBRARY.function("_%_", "uint, uint -> uint")
def remainder_unsigned(left: UInt, right: UInt) -> UInt:
    if right == 0:
        raise CelError("modulus by zero")
    return UInt(left % right)


@LIBRARY.function("_[_]", "list(A), int -> A")
def element(values: list[Any], index: Any) -> Any:
    place = _whole(index)
    if place is None or not 0 <= place < len(values):
        raise CelError(f"index out of bounds: {index}")
    return values[place]


@LIBRARY.function("_[_]", "map(A, B), A -> B")
def entry(values: dict[Any, Any], key: Any) -> Any:
    name = _key(key)
    if name not in values and not isinstance(values, DefaultMap):
        raise CelError(f"no such key: {key}")
    return values[name]


def _whole(index: Any) -> int | None:
    kind = kind_of(index)
    if kind in ("int", "uint"):
        return int(index)
    return int(index) if kind == "double" and index == int(index) else None


def _key(value: Any) -> Any:
    if kind_of(value) not in ("string", "bool", "int", "uint", "double"):
        raise CelError("unsupported key type")
    return value
