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


def shown_duration(seconds: float) -> str:
    """As Go prints it: `1h0m0s`, `1m30s`, `500ms`, `0s`."""
    if not seconds:
        return "0s"
    sign, rest = ("-", -seconds) if seconds < 0 else ("", seconds)
    if rest < 1:
        unit, factor = ("ms", 1e3) if rest >= 1e-3 else ("µs", 1e6) if rest >= 1e-6 else ("ns", 1e9)
        return f"{sign}{round(rest * factor, 6):g}{unit}"
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    shown = f"{round(rest, 9):.9f}".rstrip("0").rstrip(".") + "s"
    if hours or minutes:
        shown = f"{minutes:.0f}m{shown}"
    return sign + (f"{hours:.0f}h{shown}" if hours else shown)
