"""What calls cost at run time, by the function's name: (arguments) → cost; 1 where nothing is said.

Follows github.com/google/cel-go/interpreter/runtimecost.go and k8s.io/apiserver/pkg/cel/library/cost.go.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

STRING_FACTOR = 0.1
"""Cost per letter that is looked at."""
REGEX_FACTOR = 0.25


def size_of(value: Any) -> int:
    return len(value) if isinstance(value, (str, bytes, list, dict)) else 1


def _traversal(value: Any, *_: Any) -> int:
    return ceil(size_of(value) * STRING_FACTOR)


def _both(left: Any, right: Any, *_: Any) -> int:
    return ceil((size_of(left) + size_of(right)) * STRING_FACTOR)


def _shorter(left: Any, right: Any) -> int:
    return ceil(min(size_of(left), size_of(right)) * STRING_FACTOR)


def _product(left: Any, right: Any, *_: Any) -> int:
    return ceil(size_of(left) * STRING_FACTOR) * ceil(size_of(right) * STRING_FACTOR)


def _match(text: Any, pattern: Any, *_: Any) -> int:
    return ceil((1 + size_of(text)) * STRING_FACTOR) * ceil(size_of(pattern) * REGEX_FACTOR)


def _elements(values: Any, *_: Any) -> int:
    return size_of(values)


def _member(_: Any, values: Any) -> int:
    return size_of(values) if isinstance(values, list) else 1


def _concatenation(left: Any, right: Any) -> int:
    return _both(left, right) if isinstance(left, (str, bytes)) else 1


def _pairs(left: Any, right: Any) -> int:
    return size_of(left) * size_of(right)


RUNTIME_COSTS: dict[str, Callable[..., int]] = {
    "_==_": _shorter,
    "_!=_": _shorter,
    "_<_": _shorter,
    "_<=_": _shorter,
    "_>_": _shorter,
    "_>=_": _shorter,
    "_+_": _concatenation,
    "@in": _member,
    "contains": _product,
    "startsWith": lambda _, prefix: ceil(size_of(prefix) * STRING_FACTOR),
    "endsWith": lambda _, suffix: ceil(size_of(suffix) * STRING_FACTOR),
    "matches": _match,
    "find": _match,
    "findAll": _match,
    "bytes": _traversal,
    "string": _traversal,
    "isSorted": _elements,
    "sum": _elements,
    "max": _elements,
    "min": _elements,
    "indexOf": _product,
    "lastIndexOf": _product,
    "url": _traversal,
    "isURL": _traversal,
    "lowerAscii": _traversal,
    "upperAscii": _traversal,
    "substring": _traversal,
    "trim": _traversal,
    "replace": _both,
    "split": _traversal,
    "join": _elements,
    "quantity": _traversal,
    "isQuantity": _traversal,
    "sets.contains": _pairs,
    "sets.intersects": _pairs,
    "sets.equivalent": _pairs,
    "ip": _traversal,
    "isIP": _traversal,
    "cidr": _traversal,
    "isCIDR": _traversal,
    "format.named": lambda *_: 1,
    "validate": lambda _, text: ceil(size_of(text) * STRING_FACTOR),
}
