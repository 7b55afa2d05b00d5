"""Constraints of a claim: the devices of some requests share an attribute, or each has another.

A set grows and shrinks with the search: ``admits`` asks, ``add`` and ``remove`` keep it.
Follows the constraints of k8s.io/dynamic-resource-allocation/structured.
"""

from __future__ import annotations

from typing import Any

from pybernetes.api.models import resource_v1
from pybernetes.scheduler.devices.pools import Found
from pybernetes.scheduler.devices.requests import AllocationFailed, Wanted


class AttributeConstraint:
    """All devices of the requests have the attribute: the same value, or each its own where ``distinct``."""

    def __init__(self, requests: list[str], attribute: str, *, distinct: bool) -> None:
        self._requests = frozenset(requests)
        self._attribute = attribute
        self._distinct = distinct
        self._values: list[Any] = []

    def admits(self, wanted: Wanted, found: Found) -> bool:
        if not self._concerns(wanted):
            return True
        value = _value(found, self._attribute)
        if value is None:
            return False
        if not self._values:
            return True
        return value not in self._values if self._distinct else value == self._values[0]

    def add(self, wanted: Wanted, found: Found) -> None:
        if self._concerns(wanted):
            self._values.append(_value(found, self._attribute))

    def remove(self, wanted: Wanted) -> None:
        """What was added last for the claim goes first."""
        if self._concerns(wanted):
            self._values.pop()

    def _concerns(self, wanted: Wanted) -> bool:
        return not self._requests or wanted.request in self._requests or wanted.reference in self._requests


def constraints_of(claim: resource_v1.ResourceClaim) -> list[AttributeConstraint]:
    """Raises AllocationFailed."""
    made = []
    for index, one in enumerate(claim.spec.devices.constraints):
        attribute = one.match_attribute if one.match_attribute is not None else one.distinct_attribute
        if attribute is None:
            place = f"claim {claim.metadata.namespace}/{claim.metadata.name}, constraint #{index}"
            raise AllocationFailed(f"{place}: empty constraint (unsupported constraint type?)")
        made.append(AttributeConstraint(one.requests, attribute, distinct=one.match_attribute is None))
    return made


def _value(found: Found, name: str) -> tuple[str, Any] | None:
    """With its type; an attribute without a domain is in that of the device's driver."""
    attribute = found.device.attributes.get(name)
    if attribute is None:
        domain, _, own = name.partition("/")
        attribute = found.device.attributes.get(own) if domain == found.id.driver and own else None
    if attribute is None:
        return None
    for kind, value in (
        ("string", attribute.string),
        ("int", attribute.int_),
        ("bool", attribute.bool_),
        ("version", attribute.version),
    ):
        if value is not None:
            return kind, value
    return None
