"""Functions on lists, Kubernetes' own and those of the common extension.

Follows k8s.io/apiserver/pkg/cel/library/lists.go and github.com/google/cel-go/ext/lists.go, version 3.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from pybernetes.cel.errors import CelError
from pybernetes.cel.functions import Library
from pybernetes.cel.values import Duration, checked_int, checked_uint, contains, equal, kind_of

LIBRARY = Library()
_COMPARABLE = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")
_SUMMABLE = ("int", "uint", "double", "duration")
_ORDERED = [f"list({one}) -> {one}" for one in _COMPARABLE]

LIBRARY.method("isSorted", *(f"list({one}) -> bool" for one in _COMPARABLE))(
    lambda values: all(left <= right for left, right in pairwise(values))
)
LIBRARY.method("reverse", "list(A) -> list(A)")(lambda values: values[::-1])


@LIBRARY.method("sum", *(f"list({one}) -> {one}" for one in _SUMMABLE))
def total(values: list[Any]) -> Any:
    found = sum(map(float if values and isinstance(values[0], float) else int, values))
    kind = kind_of(values[0]) if values else "int"
    if kind == "uint":
        return checked_uint(int(found))
    if kind == "duration":
        return Duration(found)
    return found if kind == "double" else checked_int(int(found))


@LIBRARY.method("max", *_ORDERED)
def greatest(values: list[Any]) -> Any:
    if not values:
        raise CelError("max called on empty list")
    return max(values)


@LIBRARY.method("min", *_ORDERED)
def least(values: list[Any]) -> Any:
    if not values:
        raise CelError("min called on empty list")
    return min(values)


@LIBRARY.method("indexOf", "list(A), A -> int")
def index_of(values: list[Any], sought: Any) -> int:
    return next((index for index, one in enumerate(values) if equal(one, sought)), -1)


@LIBRARY.method("lastIndexOf", "list(A), A -> int")
def last_index_of(values: list[Any], sought: Any) -> int:
    return next((index for index in range(len(values) - 1, -1, -1) if equal(values[index], sought)), -1)


@LIBRARY.method("slice", "list(A), int, int -> list(A)")
def part(values: list[Any], start: int, end: int) -> list[Any]:
    if start < 0 or end < 0:
        raise CelError(f"cannot slice({start}, {end}), negative indexes not supported")
    if start > end:
        raise CelError(f"cannot slice({start}, {end}), start index must be less than or equal to end index")
    if end > len(values):
        raise CelError(f"cannot slice({start}, {end}), list is length {len(values)}")
    return values[start:end]


@LIBRARY.method("flatten", "list(list(A)) -> list(A)", "list(dyn), int -> list(dyn)")
def flatten(values: list[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise CelError("level must be non-negative")
    if depth == 0:
        return values
    return [inner for one in values for inner in (flatten(one, depth - 1) if isinstance(one, list) else [one])]


@LIBRARY.method("sort", *(f"list({one}) -> list({one})" for one in _COMPARABLE))
def ordered(values: list[Any]) -> list[Any]:
    _require_one_type(values)
    return sorted(values)


@LIBRARY.function("@sortByAssociatedKeys", *(f"list(A), list({one}) -> list(A)" for one in _COMPARABLE))
def ordered_by(values: list[Any], keys: list[Any]) -> list[Any]:
    _require_one_type(keys)
    return [values[index] for index in sorted(range(len(values)), key=keys.__getitem__)]


@LIBRARY.function("lists.range", "int -> list(int)")
def numbers(count: int) -> list[int]:
    if count < 0:
        raise CelError(f"lists.range: size must be non-negative, got {count}")
    return list(range(min(count, 1_000_001)))


@LIBRARY.method("distinct", "list(A) -> list(A)")
def distinct(values: list[Any]) -> list[Any]:
    found: list[Any] = []
    for one in values:
        if not contains(found, one):
            found.append(one)
    return found


def _require_one_type(values: list[Any]) -> None:
    if len({kind_of(one) for one in values}) > 1:
        raise CelError("list elements must have the same type")
