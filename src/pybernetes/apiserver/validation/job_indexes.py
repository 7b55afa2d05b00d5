"""Sets of completion indexes as text: `1,3-5,7`.

Follows validateIndexesFormat in pkg/apis/batch/validation.
"""

from __future__ import annotations

import re

from pybernetes.api.fields import quoted

_is_number = re.compile(r"[+-]?[0-9]+").fullmatch
Interval = tuple[int, int]


def count_indexes(text: str, completions: int) -> int:
    """How many there are. Raises ValueError with upstream's words."""
    last: int | None = None
    total = 0
    for part in text.split(",") if text else ():
        first, end = _interval(part, completions)
        if last is not None and last >= first:
            raise ValueError(f"non-increasing order, previous: {last}, current: {first}")
        total += end - first + 1
        last = end
    return total


def first_shared(completed: str, failed: str, completions: int) -> int | None:
    """An index that is in both sets. What is no interval is passed over."""
    others = _intervals(failed, completions)
    for start, end in _intervals(completed, completions):
        for other_start, other_end in others:
            if start <= other_end and other_start <= end:
                return max(start, other_start)
    return None


def _intervals(text: str, completions: int) -> list[Interval]:
    found = []
    for part in text.split(",") if text else ():
        try:
            found.append(_interval(part, completions))
        except ValueError:
            continue
    return found


def _interval(part: str, completions: int) -> Interval:
    limits = part.split("-")
    if len(limits) > 2:
        rule = "an index interval can have at most two parts separated by '-'"
        raise ValueError(f"the fragment {quoted(part)} violates the requirement that {rule}")
    first = _index(limits[0], completions)
    if len(limits) == 1:
        return first, first
    last = _index(limits[1], completions)
    if first >= last:
        raise ValueError(f"non-increasing order, previous: {first}, current: {last}")
    return first, last


def _index(text: str, completions: int) -> int:
    if not _is_number(text):
        raise ValueError(f"cannot convert string to integer for index: {quoted(text)}")
    if int(text) >= completions:
        raise ValueError(f"too large index: {quoted(text)}")
    return int(text)
