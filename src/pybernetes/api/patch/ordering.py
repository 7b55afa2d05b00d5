"""The order of a list whose elements have identities, when two sides have a say in it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

KeyOf = Callable[[Any], Hashable]
_Row = tuple[Hashable, Any]


def arranged(items: Sequence[Any], wanted: Sequence[Any], before: Sequence[Any], key_of: KeyOf) -> list[Any]:
    """`items` with those in `wanted` in that order and the others in the order of `before`, merged into each other.

    An item of the others goes ahead of a wanted one only when it stood before it already. What stands in neither list
    comes first, the last of them at the front.
    """
    rows = [(key_of(item), item) for item in items]
    rank = _first_places(wanted, key_of)
    place = _first_places(before, key_of)
    named = sorted((row for row in rows if row[0] in rank), key=lambda row: rank[row[0]])
    others = _by_place([row for row in rows if row[0] not in rank], place)
    result: list[Any] = []
    i = j = 0
    while i < len(others) and j < len(named):
        left, right = place.get(others[i][0]), place.get(named[j][0])
        if left is not None and right is not None and left < right:
            result.append(others[i][1])
            i += 1
        else:
            result.append(named[j][1])
            j += 1
    return result + [item for _, item in others[i:]] + [item for _, item in named[j:]]


def _by_place(rows: list[_Row], place: Mapping[Hashable, int]) -> list[_Row]:
    if all(key in place for key, _ in rows):
        return sorted(rows, key=lambda row: place[row[0]])
    found: list[_Row] = []
    for row in rows:
        index = len(found)
        while index and _goes_ahead(place.get(row[0]), place.get(found[index - 1][0])):
            index -= 1
        found.insert(index, row)
    return found


def _goes_ahead(left: int | None, right: int | None) -> bool:
    return left is None or right is None or left < right


def _first_places(items: Sequence[Any], key_of: KeyOf) -> dict[Hashable, int]:
    return {key: index for index, key in reversed(list(enumerate(map(key_of, items))))}
