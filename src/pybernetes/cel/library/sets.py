"""Lists as sets: `sets.contains(a, b)`.

Follows github.com/google/cel-go/ext/sets.go.
"""

from __future__ import annotations

from typing import Any

from pybernetes.cel.functions import Library
from pybernetes.cel.values import contains

LIBRARY = Library()


@LIBRARY.function("sets.contains", "list(A), list(A) -> bool")
def includes(values: list[Any], others: list[Any]) -> bool:
    return all(contains(values, one) for one in others)


@LIBRARY.function("sets.equivalent", "list(A), list(A) -> bool")
def equivalent(values: list[Any], others: list[Any]) -> bool:
    return includes(values, others) and includes(others, values)


@LIBRARY.function("sets.intersects", "list(A), list(A) -> bool")
def intersects(values: list[Any], others: list[Any]) -> bool:
    return any(contains(values, one) for one in others)
