"""What Go says of a time that does not fit its layout.

Follows the package time of Go, Parse and its errors.
"""

from __future__ import annotations

import re

_ANY = range(10_000)
_LAYOUT = "2006-01-02T15:04:05"
_FRACTION = ".000000"
_ZONE = "Z07:00"

_Part = tuple[str, str, tuple[tuple[str, range], ...]]
"""How the layout names it, what fits it, and what its numbers are called with the range that each is in."""


def _number(wanted: str, name: str, allowed: range = _ANY, digits: str = r"(\d\d)") -> _Part:
    return wanted, digits, ((name, allowed),)


_CLOCK: tuple[_Part, ...] = (
    _number("2006", "year", digits=r"(\d{4})"),
    ("-", "-", ()),
    _number("01", "month", range(1, 13)),
    ("-", "-", ()),
    _number("02", "day"),
    ("T", "T", ()),
    _number("15", "hour", range(24), r"(\d\d?)"),
    (":", ":", ()),
    _number("04", "minute", range(60)),
    (":", ":", ()),
)
_SECONDS = _number("05", "second", range(60))
_OFFSET: _Part = (
    _ZONE,
    r"Z|[+-](\d\d):(\d\d)",
    (("time zone offset hour", range(25)), ("time zone offset minute", range(61))),
)
_WHOLE = (*_CLOCK, _number("05", "second", range(60), r"(\d\d)(?:[.,]\d+)?"), _OFFSET)
_MICRO = (*_CLOCK, _SECONDS, (_FRACTION, r"[.,]\d{6}", ()), _OFFSET)


def misfit_of_time(text: str, *, micro: bool = False) -> str:
    """Days are judged last, by the month that they are in."""
    rest = text
    for wanted, pattern, numbers in _MICRO if micro else _WHOLE:
        match = re.match(pattern, rest, re.ASCII)
        if match is None:
            layout = f"{_LAYOUT}{_FRACTION if micro else ''}{_ZONE}"
            return f'parsing time {_quoted(text)} as "{layout}": cannot parse {_quoted(rest)} as "{wanted}"'
        for value, (name, allowed) in zip(match.groups(), numbers, strict=True):
            if value is not None and int(value) not in allowed:
                return f"parsing time {_quoted(text)}: {name} out of range"
        rest = rest[match.end() :]
    wrong = f"extra text: {_quoted(rest)}" if rest else "day out of range"
    return f"parsing time {_quoted(text)}: {wrong}"


def _quoted(text: str) -> str:
    return f'"{"".join(map(_shown, text.encode()))}"'


def _shown(byte: int) -> str:
    if byte in b'"\\':
        return f"\\{byte:c}"
    return chr(byte) if 0x20 <= byte < 0x80 else f"\\x{byte:02x}"
