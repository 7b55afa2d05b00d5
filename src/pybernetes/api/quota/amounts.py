"""Named amounts of resources, and sums and comparisons of them.

Follows k8s.io/apiserver/pkg/quota/v1/resources.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pybernetes.api import quantity
from pybernetes.api.quantity import ZERO, Quantity

Amounts = dict[str, Quantity]

ONE = quantity.of_value(1)


def read(resources: Mapping[str, str] | None) -> Amounts:
    """From what a document says."""
    return {name: quantity.parse(text) for name, text in (resources or {}).items()}


def written(amounts: Mapping[str, Quantity]) -> dict[str, str]:
    """As a document says it."""
    return {name: str(amount) for name, amount in amounts.items()}


def total(one: Mapping[str, Quantity], other: Mapping[str, Quantity]) -> Amounts:
    result = dict(one)
    for name, amount in other.items():
        result[name] = result[name] + amount if name in result else amount
    return result


def largest(one: Mapping[str, Quantity], other: Mapping[str, Quantity]) -> Amounts:
    result = dict(one)
    for name, amount in other.items():
        if name not in result or result[name] < amount:
            result[name] = amount
    return result


def growth(new: Mapping[str, Quantity], old: Mapping[str, Quantity]) -> Amounts:
    """How much more ``new`` is; what is less counts as nothing."""
    result: Amounts = {}
    for name in {**new, **old}:
        more = new.get(name, ZERO) - old.get(name, ZERO)
        result[name] = more if more > ZERO else ZERO
    return result


def masked(amounts: Mapping[str, Quantity], names: Iterable[str]) -> Amounts:
    kept = set(names)
    return {name: amount for name, amount in amounts.items() if name in kept}


def without_zeros(amounts: Mapping[str, Quantity]) -> Amounts:
    return {name: amount for name, amount in amounts.items() if amount}


def exceeding(amounts: Mapping[str, Quantity], limits: Mapping[str, Quantity]) -> list[str]:
    """The names whose amount is above its limit, sorted."""
    return sorted(name for name, amount in amounts.items() if name in limits and amount > limits[name])


def negative(amounts: Mapping[str, Quantity]) -> list[str]:
    return sorted(name for name, amount in amounts.items() if amount < ZERO)


def shown(amounts: Mapping[str, Quantity]) -> str:
    """`cpu=2,pods=1`, sorted by name."""
    return ",".join(f"{name}={amounts[name]}" for name in sorted(amounts))
