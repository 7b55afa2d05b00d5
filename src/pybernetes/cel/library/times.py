"""Parts of timestamps and durations, in UTC or another time zone.

Follows github.com/google/cel-go/common/stdlib/standard.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pybernetes.cel.errors import CelError
from pybernetes.cel.functions import Library
from pybernetes.cel.values import Duration

LIBRARY = Library()
_OFFSET = re.compile(r"([+-]?)(\d\d):(\d\d)")

_PARTS: dict[str, Callable[[datetime], int]] = {
    "getFullYear": lambda time: time.year,
    "getMonth": lambda time: time.month - 1,
    "getDayOfYear": lambda time: time.timetuple().tm_yday - 1,
    "getDayOfMonth": lambda time: time.day - 1,
    "getDate": lambda time: time.day,
    "getDayOfWeek": lambda time: time.isoweekday() % 7,
    "getHours": lambda time: time.hour,
    "getMinutes": lambda time: time.minute,
    "getSeconds": lambda time: time.second,
    "getMilliseconds": lambda time: time.microsecond // 1000,
}
_LENGTHS = {
    "getHours": 3600 * 10**9,
    "getMinutes": 60 * 10**9,
    "getSeconds": 10**9,
    "getMilliseconds": 10**6,
}


def _declare(name: str, part: Callable[[datetime], int]) -> None:
    LIBRARY.method(name, "timestamp -> int")(part)
    LIBRARY.method(name, "timestamp, string -> int")(lambda time, zone: part(time.astimezone(_zone(zone))))


def _declare_length(name: str, unit: int) -> None:
    def count(length: Duration) -> int:
        whole = abs(int(length)) // unit
        return whole if length >= 0 else -whole

    LIBRARY.method(name, "duration -> int")(count)


def _zone(name: str) -> tzinfo:
    offset = _OFFSET.fullmatch(name)
    if offset is not None:
        minutes = int(offset[2]) * 60 + int(offset[3])
        return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise CelError(f"unknown time zone {name}") from None


for _name, _part in _PARTS.items():
    _declare(_name, _part)
for _name, _unit in _LENGTHS.items():
    _declare_length(_name, _unit)
