"""Spans of time as Go writes them: `300ms`, `1h15m`, `-1.5s`.

Follows ParseDuration in Go's package time, texts included.
"""

from __future__ import annotations

import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = re.compile(r"\d+\.?\d*|\.\d+")
_UNIT = re.compile(r"[^\d.]+")


class InvalidDuration(ValueError):
    pass


def parse_duration(text: str) -> float:
    """Seconds."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0.0
    if not rest:
        raise InvalidDuration(f'time: invalid duration "{text}"')
    seconds = 0.0
    while rest:
        number = _NUMBER.match(rest)
        if number is None:
            raise InvalidDuration(f'time: invalid duration "{text}"')
        unit = _UNIT.match(rest, number.end())
        if unit is None:
            raise InvalidDuration(f'time: missing unit in duration "{text}"')
        if unit.group() not in _UNITS:
            raise InvalidDuration(f'time: unknown unit "{unit.group()}" in duration "{text}"')
        seconds += float(number.group()) * _UNITS[unit.group()]
        rest = rest[unit.end() :]
    return -seconds if text.startswith("-") else seconds
