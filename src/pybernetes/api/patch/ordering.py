"""The order of a list whose elements have identities, when two sides have a say in it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

KeyOf = Callable[[Any], Hashable]


def ordered(items: Sequence[Any], wanted: Sequence[Any], before: Sequence[Any], key_of: KeyOf) -> list[Any]:
    """`items` with those in `wanted` in that order and the others in the order of `before`, merged into each other.

    An item of the others goes ahead of a wanted one only when it stood before it already.
    """
    rank = _first_places(wanted, key_of)
    place = _first_places(before, key_of)
    named = sorted((item for item in items if key_of(item) in rank), key=lambda item: rank[key_of(item)])
    others = [item for item in items if key_of(item) not in rank]
    others.sort(key=lambda item: place.get(key_of(item), len(place)))
    result: list[Any] = []
    i = j = 0
    while i < len(others) and j < len(named):
        left, right = place.get(key_of(others[i])), place.get(key_of(named[j]))
        if left is not None and right is not None and left < right:
            result.append(others[i])
            i += 1
        else:
            result.append(named[j])
            j += 1
    return result + others[i:] + named[j:]


def _first_places(items: Sequence[Any], key_of: KeyOf) -> dict[Hashable, int]:
    return {key: index for index, key in reversed(list(enumerate(map(key_of, items))))}
