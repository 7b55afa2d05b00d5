"""Numbers in digits: as users write them, and as Go prints them."""

from __future__ import annotations

import math
from decimal import Decimal

LONGEST = 400
"""Digits. Nothing that is counted needs more; Python refuses to read numbers of some thousand."""


class WholeFraction(int):
    """A whole number that was written as a fraction (`1.0`, `1e3`): Go reads it as a float64, and writes it as whole.

    It is the whole number to whoever does not ask for its class; once it has been stored it is nothing else.
    """

    __slots__ = ()


def whole(text: str) -> int:
    """As ``int``; of a longer text the number that its first digits are, which is still beyond every bound.

    Raises ValueError for what is no number.
    """
    return int(text if len(text) <= LONGEST else text[:LONGEST])


def shown_float(value: float) -> str:
    """As Go's %v: the fewest digits that mean the number, and an exponent from a million on."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    sign, digits, shift = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(shift, int)
    text, exponent = "".join(map(str, digits)), len(digits) + shift - 1
    if not -4 <= exponent < 6:
        fraction = f".{text[1:]}" if len(text) > 1 else ""
        text = f"{text[0]}{fraction}e{exponent:+03d}"
    elif exponent < 0:
        text = f"0.{text.zfill(-shift)}"
    else:
        whole_part, fraction = text[: exponent + 1].ljust(exponent + 1, "0"), text[exponent + 1 :]
        text = f"{whole_part}.{fraction}" if fraction else whole_part
    return f"-{text}" if sign else text
