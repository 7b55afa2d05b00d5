"""What the macros of two variables build maps with.

Follows github.com/google/cel-go/ext/comprehensions.go.
"""

from __future__ import annotations

from typing import Any

from pybernetes.cel.errors import CelError
from pybernetes.cel.functions import Library
from pybernetes.cel.macros import MAP_INSERT

LIBRARY = Library()


@LIBRARY.function(MAP_INSERT, "map(A, B), A, B -> map(A, B)")
def insert(values: dict[Any, Any], key: Any, value: Any) -> dict[Any, Any]:
    if key in values:
        raise CelError(f"insert failed: key '{key}' already exists")
    return {**values, key: value}


@LIBRARY.function(MAP_INSERT, "map(A, B), map(A, B) -> map(A, B)")
def insert_all(values: dict[Any, Any], more: dict[Any, Any]) -> dict[Any, Any]:
    for key in more:
        if key in values:
            raise CelError(f"insert failed: key '{key}' already exists")
    return {**values, **more}
