"""Lists, sets and maps of things that have rules of their own, bounded in size.

A collection that is too large is not looked at any further. Follows validateSlice, validateSet and validateMap in
pkg/apis/resource/validation.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from pybernetes.api.fields import FieldError, FieldPath, duplicate, too_many

T = TypeVar("T")
Check = Callable[[T, FieldPath], Iterable[FieldError]]

_SHORTEST_KEY = 16


def check_list(items: Sequence[T], path: FieldPath, check: Check[T], *, most: int | None) -> Iterator[FieldError]:
    if most is not None and len(items) > most:
        yield too_many(path, len(items), most)
        return
    for index, item in enumerate(items):
        yield from check(item, path[index])


def check_set(
    items: Sequence[T], path: FieldPath, check: Check[T], key: Callable[[T], Hashable], *, most: int | None
) -> Iterator[FieldError]:
    """No two items may have the same key."""
    yield from check_list(items, path, check, most=most)
    if most is not None and len(items) > most:
        return
    seen: set[Hashable] = set()
    for index, item in enumerate(items):
        identity = key(item)
        if identity in seen:
            yield duplicate(path[index], identity)
        seen.add(identity)


def check_map(
    items: Mapping[str, T],
    path: FieldPath,
    check_key: Check[str],
    check: Check[T],
    *,
    longest_key: int,
    most: int | None = None,
) -> Iterator[FieldError]:
    """Keys beyond ``longest_key`` are shortened in the paths of what is wrong with their values."""
    if most is not None and len(items) > most:
        yield too_many(path, len(items), most)
        return
    for key, item in items.items():
        yield from check_key(key, path)
        yield from check(item, path[_shortened(key, longest_key)])


def _shortened(key: str, longest: int) -> str:
    longest = max(longest, _SHORTEST_KEY)
    if len(key) <= longest:
        return key
    kept = longest - len("...")
    return key[: (kept + 1) // 2] + "..." + key[len(key) - kept // 2 :]
