"""`"%s has %d".format([name, count])`.

Follows github.com/google/cel-go/ext/formatting.go.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from pybernetes.api.fields import quoted
from pybernetes.cel.errors import CelError
from pybernetes.cel.text import string_of
from pybernetes.cel.values import kind_of

_CLAUSE = re.compile(r"%(?:%|(?:\.(\d+))?(.)?)", re.DOTALL)
_PRECISION = 6


def format_text(text: str, arguments: list[Any]) -> str:
    """Raises ``CelError`` for too few arguments or ones that a clause does not take."""
    rest = iter(range(len(arguments)))

    def clause(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        index = next(rest, None)
        if index is None:
            raise CelError(f"index {len(arguments)} out of range")
        make = _CLAUSES.get(found[2] or "")
        if make is None:
            what = f'unrecognized formatting clause "{found[2]}"' if found[2] else "unexpected end of string"
            raise CelError(f"could not parse formatting clause: {what}")
        return make(arguments[index], int(found[1]) if found[1] else _PRECISION)

    return _CLAUSE.sub(clause, text)


def _string(value: Any, _: int = 0) -> str:
    kind = kind_of(value)
    if value is None:
        return "null"
    if kind == "list":
        return "[" + ", ".join(map(_literal, value)) + "]"
    if kind == "map":
        return "{" + ", ".join(f"{_literal(key)}:{_literal(value[key])}" for key in sorted(value, key=str)) + "}"
    try:
        return string_of(value)
    except KeyError:
        raise CelError(
            "error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, "
            f"lists, types, durations, and timestamps, was given {kind}"
        ) from None


def _literal(value: Any) -> str:
    """As it would be written in an expression."""
    kind = kind_of(value)
    if kind == "string":
        return quoted(value)
    if kind == "bytes":
        return "b" + quoted(_string(value))
    if kind in ("timestamp", "duration"):
        return f"{kind}({quoted(_string(value))})"
    if kind == "double":
        return f"{value:.6f}" if math.isfinite(value) else quoted(_string(value))
    return _string(value)


def _decimal(value: Any, _: int) -> str:
    if kind_of(value) not in ("int", "uint"):
        raise _refused("decimal clause can only be used on integers", value)
    return str(int(value))


def _fixed(value: Any, precision: int) -> str:
    return _unfinite(value) or f"{_double(value, 'fixed-point clause can only be used on doubles'):,.{precision}f}"


def _scientific(value: Any, precision: int) -> str:
    number = _double(value, "scientific clause can only be used on doubles")
    mantissa, _, exponent = f"{number:.{precision}e}".partition("e")
    return _unfinite(value) or f"{mantissa}\u202f×\u202f10{str(int(exponent)).zfill(2).translate(_SUPERSCRIPT)}"


_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def _double(value: Any, message: str) -> float:
    if kind_of(value) == "string" and value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    if kind_of(value) != "double":
        raise _refused(message, value)
    return float(value)


def _unfinite(value: Any) -> str:
    number = float(value) if isinstance(value, (float, str)) else 0.0
    if math.isnan(number):
        return "NaN"
    return "" if math.isfinite(number) else "∞" if number > 0 else "-∞"


def _binary(value: Any, _: int) -> str:
    if kind_of(value) == "bool":
        return "1" if value else "0"
    if kind_of(value) not in ("int", "uint"):
        raise _refused("only integers and bools can be formatted as binary", value)
    return f"{int(value):b}"


def _hexadecimal(letters: str) -> Callable[[Any, int], str]:
    def make(value: Any, _: int) -> str:
        kind = kind_of(value)
        if kind in ("int", "uint"):
            return format(int(value), letters)
        if kind in ("string", "bytes"):
            raw: bytes = value.encode() if kind == "string" else value
            return raw.hex() if letters == "x" else raw.hex().upper()
        raise _refused("only integers, byte buffers, and strings can be formatted as hex", value)

    return make


def _octal(value: Any, _: int) -> str:
    if kind_of(value) not in ("int", "uint"):
        raise _refused("octal clause can only be used on integers", value)
    return f"{int(value):o}"


def _refused(message: str, value: Any) -> CelError:
    return CelError(f"error during formatting: {message}, was given {kind_of(value)}")


_CLAUSES: dict[str, Callable[[Any, int], str]] = {
    "s": _string,
    "d": _decimal,
    "f": _fixed,
    "e": _scientific,
    "b": _binary,
    "x": _hexadecimal("x"),
    "X": _hexadecimal("X"),
    "o": _octal,
}
