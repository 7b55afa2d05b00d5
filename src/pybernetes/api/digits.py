"""Whole numbers of any length, as users write them."""

from __future__ import annotations

LONGEST = 400
"""Digits. Nothing that is counted needs more; Python refuses to read numbers of some thousand."""


def whole(text: str) -> int:
    """As ``int``; of a longer text the number that its first digits are, which is still beyond every bound.

    Raises ValueError for what is no number.
    """
    return int(text if len(text) <= LONGEST else text[:LONGEST])
