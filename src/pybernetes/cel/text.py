"""Values as text and back: durations, timestamps, numbers.

Follows github.com/google/cel-go/common/types (`ConvertToType`) and Go's time.ParseDuration.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pybernetes.api.fields import quoted
from pybernetes.cel.errors import CelError
from pybernetes.cel.types import Type
from pybernetes.cel.values import MAX_INT, Duration, kind_of

_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def parse_duration(text: str) -> Duration:
    """As Go writes durations: `1h30m`, `-1.5s`, `0`."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return Duration(0)
    total, place = Decimal(0), 0
    while place < len(rest):
        part = _PART.match(rest, place)
        if part is None:
            break
        total += Decimal(part[1]) * _UNITS[part[2]]
        place = part.end()
    if not rest or place < len(rest) or total > MAX_INT:
        raise CelError("type conversion error from 'string' to 'google.protobuf.Duration'")
    return Duration(sign * int(total))


def parse_timestamp(text: str) -> datetime:
    if _RFC3339.fullmatch(text) is None:
        raise CelError(f"type conversion error from 'string' to 'google.protobuf.Timestamp': {quoted(text)}")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CelError(f"type conversion error from 'string' to 'google.protobuf.Timestamp': {quoted(text)}") from None


def string_of(value: Any) -> str:
    """`string(value)`."""
    return _TEXT[kind_of(value)](value)


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _double(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    magnitude = abs(value)
    if magnitude and (magnitude < 1e-4 or magnitude >= 1e21):
        mantissa, _, exponent = f"{value!r}".partition("e")
        if not exponent:
            mantissa, _, exponent = f"{value:e}".partition("e")
            mantissa = mantissa.rstrip("0").rstrip(".")
        return f"{mantissa.removesuffix('.0')}e{int(exponent):+03d}"
    plain = f"{Decimal(repr(value)):f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _duration(value: Duration) -> str:
    return f"{Decimal(int(value)).scaleb(-9).normalize():f}s"


def _timestamp(value: datetime) -> str:
    fraction = f".{value.microsecond:06d}".rstrip("0") if value.microsecond else ""
    return value.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + fraction + "Z"


def _bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise CelError("invalid UTF-8 in bytes, cannot convert to string") from None


def _type(value: Type) -> str:
    return value.name


_TEXT: dict[str, Callable[[Any], str]] = {
    "string": str,
    "bool": _bool,
    "int": lambda value: str(int(value)),
    "uint": lambda value: str(int(value)),
    "double": _double,
    "duration": _duration,
    "timestamp": _timestamp,
    "bytes": _bytes,
    "type": _type,
}
