"""Optional values: `object.?field.orValue(1)`, `optional.of(x)`.

Follows github.com/google/cel-go/cel/library.go.
"""

from __future__ import annotations

from typing import Any

from pybernetes.cel.functions import Library
from pybernetes.cel.values import NONE, Optional, kind_of

LIBRARY = Library()

LIBRARY.function("optional.of", "A -> optional(A)")(Optional)
LIBRARY.function("optional.none", "-> optional(A)")(lambda: NONE)
LIBRARY.method("hasValue", "optional(A) -> bool")(lambda value: value.present)
LIBRARY.method("value", "optional(A) -> A")(lambda value: value.value)
LIBRARY.method("or", "optional(A), optional(A) -> optional(A)")(lambda value, other: value if value.present else other)
LIBRARY.method("orValue", "optional(A), A -> A")(lambda value, other: value.value if value.present else other)
LIBRARY.function("_?._", "dyn, string -> optional(A)")(lambda value, name: NONE)


@LIBRARY.function("optional.ofNonZeroValue", "A -> optional(A)")
def of_non_zero(value: Any) -> Optional:
    return NONE if value is None or (kind_of(value) in _EMPTY and not value) else Optional(value)


_EMPTY = frozenset({"bool", "int", "uint", "double", "string", "bytes", "list", "map", "duration"})


@LIBRARY.function("_[?_]", "list(A), int -> optional(A)")
def maybe_element(values: list[Any], index: int) -> Optional:
    return Optional(values[index]) if 0 <= index < len(values) else NONE


@LIBRARY.function("_[?_]", "map(A, B), A -> optional(B)")
def maybe_entry(values: dict[Any, Any], key: Any) -> Optional:
    return Optional(values[key]) if key in values else NONE


@LIBRARY.function("_[?_]", "optional(list(A)), int -> optional(A)", "optional(map(A, B)), A -> optional(B)")
@LIBRARY.function("_[_]", "optional(list(A)), int -> optional(A)", "optional(map(A, B)), A -> optional(B)")
def within(value: Optional, key: Any) -> Optional:
    if not value.present:
        return NONE
    return maybe_element(value.value, key) if isinstance(value.value, list) else maybe_entry(value.value, key)


@LIBRARY.method("last", "list(A) -> optional(A)")
def last(values: list[Any]) -> Optional:
    return Optional(values[-1]) if values else NONE


@LIBRARY.method("first", "list(A) -> optional(A)")
def first(values: list[Any]) -> Optional:
    return Optional(values[0]) if values else NONE


@LIBRARY.function("optional.unwrap", "list(optional(A)) -> list(A)")
@LIBRARY.method("unwrapOpt", "list(optional(A)) -> list(A)")
def unwrapped(values: list[Optional]) -> list[Any]:
    return [one.value for one in values if one.present]
