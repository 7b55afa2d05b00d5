"""Quantities: `quantity("1Gi").isGreaterThan(quantity("1M"))`.

Follows k8s.io/apiserver/pkg/cel/library/quantity.go.
"""

from __future__ import annotations

from pybernetes.api import quantity
from pybernetes.cel import types
from pybernetes.cel.errors import CelError
from pybernetes.cel.functions import Library
from pybernetes.cel.values import MAX_INT, MIN_INT, Opaque

LIBRARY = Library()
_Q = "kubernetes.Quantity"
_TWO = f"{_Q}, {_Q}"


class Amount(Opaque):
    __slots__ = ("quantity",)
    type = types.opaque(_Q)

    def __init__(self, amount: quantity.Quantity) -> None:
        self.quantity = amount

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Amount) and self.quantity == other.quantity

    def __hash__(self) -> int:
        return hash(self.quantity)


@LIBRARY.method("compareTo", f"{_TWO} -> int")
def compare(one: Amount, other: Amount) -> int:
    if one.quantity == other.quantity:
        return 0
    return -1 if one.quantity < other.quantity else 1


LIBRARY.method("sign", f"{_Q} -> int")(lambda one: compare(one, Amount(quantity.of_value(0))))
LIBRARY.method("isGreaterThan", f"{_TWO} -> bool")(lambda one, other: compare(one, other) > 0)
LIBRARY.method("isLessThan", f"{_TWO} -> bool")(lambda one, other: compare(one, other) < 0)
LIBRARY.method("asApproximateFloat", f"{_Q} -> double")(lambda one: float(one.quantity))
LIBRARY.method("isInteger", f"{_Q} -> bool")(lambda one: _whole(one) is not None)
LIBRARY.method("add", f"{_TWO} -> {_Q}")(lambda one, other: Amount(one.quantity + other.quantity))
LIBRARY.method("sub", f"{_TWO} -> {_Q}")(lambda one, other: Amount(one.quantity - other.quantity))
LIBRARY.method("add", f"{_Q}, int -> {_Q}")(lambda one, units: Amount(one.quantity + quantity.of_value(units)))
LIBRARY.method("sub", f"{_Q}, int -> {_Q}")(lambda one, units: Amount(one.quantity - quantity.of_value(units)))


@LIBRARY.function("quantity", f"string -> {_Q}")
def to_quantity(text: str) -> Amount:
    try:
        return Amount(quantity.parse(text))
    except quantity.QuantityError as error:
        raise CelError(str(error)) from None


@LIBRARY.function("isQuantity", "string -> bool")
def is_quantity(text: str) -> bool:
    try:
        quantity.parse(text)
    except quantity.QuantityError:
        return False
    return True


@LIBRARY.method("asInteger", f"{_Q} -> int")
def as_integer(one: Amount) -> int:
    whole = _whole(one)
    if whole is None:
        raise CelError("cannot convert value to integer")
    return whole


def _whole(one: Amount) -> int | None:
    value = one.quantity.value()
    return value if quantity.of_value(value) == one.quantity and MIN_INT <= value <= MAX_INT else None
