"""Demands that a schema makes of numbers: bounds, multiples, the range of a format.

Follows numberValidator in k8s.io/kube-openapi/pkg/validation/validate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from pybernetes.api.digits import shown_float
from pybernetes.api.fields import FieldError, invalid
from pybernetes.apiserver.custom.places import Check, Found, Place, name_of, unplaced, wrong

_INT_RANGES = {"int32": 2**31, "int64": 2**63, "": 2**63}
_BEYOND_SAFE = 2.0**53
"""Fractions from here on stand for several whole numbers."""
_LARGEST_FLOAT32 = 3.4028235677973366e38

Number = int | float
Demand = Callable[[Number, Place | None], Found | None]


def shown(number: Number) -> str:
    """As Go's %v of an int64, or of the float64 that every other number is."""
    return str(number) if _is_int64(number) else shown_float(float(number))


def _is_int64(number: Number) -> bool:
    return isinstance(number, int) and -(2**63) <= number < 2**63


def check_number(schema: Mapping[str, Any], format: str) -> Check | int:
    """1, what a number counts for, where nothing is demanded."""
    type_ = "" if schema.get("x-kubernetes-int-or-string") else schema.get("type") or ""
    format = format if type_ in ("integer", "number") else ""
    demands = tuple(_demands(schema, type_, format))
    if not demands:
        return 1

    def check(value: Any, old: Any, place: Place | None, found: list[Found]) -> int:
        for demand in demands:
            problem = demand(value, place)
            if problem is not None:
                found.append(problem)
        return 1

    return check


def _demands(schema: Mapping[str, Any], type_: str, format: str) -> list[Demand]:
    demands: list[Demand] = []
    if type_ == "integer" or format == "float":
        demands.append(_within("Checked", type_, format))
    for key, label, demand in (
        ("multipleOf", "MultipleOf", _multiple),
        ("minimum", "Minimum boundary", _minimum),
        ("maximum", "Maximum boundary", _maximum),
    ):
        bound = schema.get(key)
        if bound is None:
            continue
        bound = int(bound) if isinstance(bound, float) and bound.is_integer() and abs(bound) < 1e21 else bound
        if not _fits(bound, type_, format):
            demands.append(_never(label, type_, format))
        demands.append(demand(bound, exclusive=bool(schema.get(f"exclusive{key.capitalize()}"))))
    return demands


def _within(label: str, type_: str, format: str) -> Demand:
    return lambda value, place: None if _fits(value, type_, format) else _out_of_range(label, type_, format, place)


def _never(label: str, type_: str, format: str) -> Demand:
    """The schema's own bound is no value of the type."""
    return lambda value, place: _out_of_range(label, type_, format, place)


def _fits(value: Number, type_: str, format: str) -> bool:
    if type_ == "integer":
        limit = _INT_RANGES.get(format, 2**63)
        return float(value).is_integer() and -limit <= Decimal(repr(value)) < limit
    return format != "float" or abs(value) <= _LARGEST_FLOAT32


def _out_of_range(label: str, type_: str, format: str, place: Place | None) -> Found:
    kind = f"with format {format}" if format else "(default format)"
    return unplaced(f"{label} value must be of type {type_} {kind} in {name_of(place)}")


def _bound(value: Number, bound: Number) -> Number:
    """Integers are compared with the bound's whole part."""
    return int(bound) if _is_int64(value) else float(bound)


def _maximum(bound: Number, *, exclusive: bool) -> Demand:
    def demand(value: Number, place: Place | None) -> Found | None:
        most = _bound(value, bound)
        if value < most or (value == most and not exclusive):
            return None
        return wrong(place, value, f"should be less than {'' if exclusive else 'or equal to '}{shown(most)}")

    return demand


def _minimum(bound: Number, *, exclusive: bool) -> Demand:
    def demand(value: Number, place: Place | None) -> Found | None:
        least = _bound(value, bound)
        if value > least or (value == least and not exclusive):
            return None
        return wrong(place, value, f"should be greater than {'' if exclusive else 'or equal to '}{shown(least)}")

    return demand


def _not_positive(place: Place | None, factor: Number) -> Found:
    def make(path: str, name: str) -> FieldError:
        return invalid(path, factor, f"factor MultipleOf declared for {name} must be positive: {shown(factor)}")

    return Found(name_of(place), make)


def _multiple(factor: Number, *, exclusive: bool) -> Demand:
    def demand(value: Number, place: Place | None) -> Found | None:
        of = _bound(value, factor)
        if of <= 0:
            return _not_positive(place, of)
        if isinstance(value, int) and isinstance(of, int):
            met = value % of == 0
        else:
            quotient = 1 / of * value if of < 1 else value / of
            met = abs(quotient) < _BEYOND_SAFE and math.isclose(quotient, round(quotient), rel_tol=1e-9, abs_tol=0)
        return None if met else wrong(place, value, f"should be a multiple of {shown(of)}")

    return demand
