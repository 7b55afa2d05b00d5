"""Amounts of resources: `500m`, `1.5Gi`, `1e3`.

Guarantees  Exact to a billionth, rounded up beyond; `canonical` writes what upstream writes for the same text (no
fraction, the largest suffix that needs none; a text that upstream thinks to be so already stays, as `+5`, `007` and
`1.500` do), and is its own fixed point.

Follows k8s.io/apimachinery/pkg/api/resource.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache, total_ordering

from pybernetes.api.digits import LONGEST
from pybernetes.api.digits import whole as _digits

NANO = 10**9
MILLI = 10**6  # nanos in a thousandth
MAXIMUM = (2**63 - 1) * NANO

_PATTERN = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*[-+]?\d*)")
_SPLIT = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"

_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_SUFFIX = ("", *_BINARY)
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_EXPONENT = re.compile(r"[eE]([-+]?\d+)")


class QuantityError(ValueError):
    """The text is not a quantity."""


class Format(Enum):
    DECIMAL = auto()
    BINARY = auto()
    EXPONENT = auto()


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """An amount in billionths, and the family of suffixes it is written with. Equal amounts are equal."""

    nano: int
    format: Format = Format.DECIMAL
    text: str = ""
    """What was read, where it is written again as it is."""

    def value(self) -> int:
        """In units, rounded up."""
        return -(-self.nano // NANO)

    def milli(self) -> int:
        """In thousandths, rounded up."""
        return -(-self.nano // MILLI)

    def __float__(self) -> float:
        try:
            return self.nano / NANO
        except OverflowError:
            return math.inf if self.nano > 0 else -math.inf

    def __bool__(self) -> bool:
        return self.nano != 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and other.nano == self.nano

    def __lt__(self, other: Quantity) -> bool:
        return self.nano < other.nano

    def __hash__(self) -> int:
        return hash(self.nano)

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.nano + other.nano, self.format if self.nano else other.format)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.nano - other.nano, self.format if self.nano else other.format)

    def __neg__(self) -> Quantity:
        return Quantity(-self.nano, self.format)

    def __mul__(self, factor: int) -> Quantity:
        return Quantity(self.nano * factor, self.format)

    def __str__(self) -> str:
        if self.text:
            return self.text
        if not self.nano:
            return "0"
        whole, fraction = divmod(self.nano, NANO)
        if self.format is Format.BINARY and not fraction and not -1024 < whole < 1024:
            return _in_binary(whole)
        return _in_decimal(self.nano, self.format)


def _in_binary(value: int) -> str:
    power = 0
    while value % 1024 == 0 and power < 6:
        value //= 1024
        power += 1
    return f"{value}{_BINARY_SUFFIX[power]}"


def _in_decimal(nano: int, format: Format) -> str:
    exponent = -9
    while nano % 1000 == 0 and (exponent < 18 or format is Format.EXPONENT):
        nano //= 1000
        exponent += 3
    if format is Format.EXPONENT:
        return f"{nano}e{exponent}" if exponent else str(nano)
    return f"{nano}{_DECIMAL_SUFFIX[exponent]}"


def parse(text: str | int | float) -> Quantity:
    """Raises QuantityError."""
    return _parse(text if isinstance(text, str) else str(text))


@lru_cache(maxsize=4096)
def _parse(text: str) -> Quantity:
    match = _PATTERN.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        raise QuantityError(f"quantities must match the regular expression '{_SPLIT}'")
    sign, whole, fraction, suffix = match[1], match[2], match[3] or "", match[4]
    if len(fraction) > LONGEST:
        fraction = fraction[:LONGEST] + ("1" if fraction[LONGEST:].strip("0") else "0")
    digits, scale = _digits((whole + fraction).lstrip("0") or "0"), -len(fraction)
    exponent = _EXPONENT.fullmatch(suffix)
    if exponent and len(exponent[1]) > _MOST_DIGITS:
        raise QuantityError("unable to parse quantity's suffix")
    if suffix in _BINARY:
        nano = _rounded_up(digits * 1024 ** _BINARY[suffix], scale)
        format = Format.BINARY
    elif suffix in _DECIMAL:
        nano = _rounded_up(digits, scale + _DECIMAL[suffix])
        format = Format.DECIMAL
    elif exponent:
        nano = _rounded_up(digits, scale + max(-1000, min(1000, int(exponent[1]))))
        format = Format.EXPONENT
    else:
        raise QuantityError("unable to parse quantity's suffix")
    kept = _stays(whole, fraction, suffix, format)
    if format is Format.BINARY:
        nano = min(nano, MAXIMUM)
    return Quantity(-nano if sign == "-" else nano, format, text if kept else "")


def _stays(whole: str, fraction: str, suffix: str, format: Format) -> bool:
    """Whether upstream takes the text to be canonical, as it looks at it on its fast path for short numbers."""
    whole = whole.lstrip("0") or "0"
    if not _is_short(whole, fraction, suffix, format):
        return False
    if format is Format.BINARY:
        return int(whole) % 8 != 0
    shifted = whole + fraction
    return _scale(fraction, suffix, format) % 3 == 0 and not shifted.endswith("000") and shifted[0] != "0"


def _is_short(whole: str, fraction: str, suffix: str, format: Format) -> bool:
    """Whether upstream holds the number in 64 bits and a scale."""
    if format is Format.BINARY:
        return not fraction and 14 - len(whole) - 3 * _BINARY[suffix] >= 0
    return len(whole + fraction) <= _MOST_DIGITS and _scale(fraction, suffix, format) >= -9


def _scale(fraction: str, suffix: str, format: Format) -> int:
    exponent = _DECIMAL[suffix] if format is Format.DECIMAL else int(suffix[1:])
    return exponent - len(fraction)


_MOST_DIGITS = 18
"""Of a number that upstream holds in 64 bits."""


def _rounded_up(digits: int, exponent: int) -> int:
    """digits * 10**exponent in billionths, away from zero."""
    power = exponent + 9
    scale: int = 10 ** abs(power)
    if power >= 0:
        return digits * scale
    return -(-digits // scale)


@lru_cache(maxsize=8192)
def canonical(text: str | int | float) -> str:
    """As upstream writes the amount. Raises QuantityError."""
    return str(parse(text))


@lru_cache(maxsize=4096)
def canonical_milli(text: str | int | float) -> str:
    """The same rounded up to thousandths, away from zero, as amounts of pods' and nodes' resources are."""
    amount = parse(text)
    whole = -(-abs(amount.nano) // MILLI) * MILLI
    return str(amount if whole == abs(amount.nano) else Quantity(whole if amount.nano > 0 else -whole, amount.format))


@lru_cache(maxsize=4096)
def milli(text: str | int | float) -> int:
    """In thousandths, rounded up. Raises QuantityError."""
    return parse(text).milli()


@lru_cache(maxsize=4096)
def is_whole(text: str) -> bool:
    """Whether upstream takes the amount for a whole number: it counts thousandths in 64 bits, where a short number
    that does not fit is none at all, and of a long one the low bits stay."""
    amount = milli(text)
    if -(2**63) <= amount < 2**63:
        return amount % 1000 == 0
    match = _PATTERN.fullmatch(text)
    assert match is not None
    if _is_short(match[2].lstrip("0") or "0", match[3] or "", match[4], parse(text).format):
        return True
    return ((amount + 2**63) % 2**64 - 2**63) % 1000 == 0


@lru_cache(maxsize=4096)
def value(text: str | int | float) -> int:
    """In units, rounded up. Raises QuantityError."""
    return parse(text).value()


def of_value(units: int, format: Format = Format.DECIMAL) -> Quantity:
    return Quantity(units * NANO, format)


def of_milli(thousandths: int, format: Format = Format.DECIMAL) -> Quantity:
    return Quantity(thousandths * MILLI, format)


ZERO = Quantity(0)
