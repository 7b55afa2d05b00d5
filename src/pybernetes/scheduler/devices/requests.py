"""What claims ask for, in a form that the search reads: one request may have alternatives, the best first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pybernetes.api import quantity
from pybernetes.api.meta import Key
from pybernetes.api.models import resource_v1
from pybernetes.api.quantity import Quantity
from pybernetes.client import key_of

ALL, EXACT_COUNT = "All", "ExactCount"


class AllocationFailed(Exception):
    """What was asked for cannot be judged; whoever wrote it must change it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request, or one of its alternatives: then ``alternative`` is its own name."""

    claim: Key
    request: str
    alternative: str
    device_class: resource_v1.DeviceClass
    selectors: Sequence[resource_v1.DeviceSelector]
    mode: str
    count: int
    tolerations: Sequence[resource_v1.DeviceToleration]
    capacity: Mapping[str, Quantity]
    admin: bool = False

    @property
    def reference(self) -> str:
        return f"{self.request}/{self.alternative}" if self.alternative else self.request


@dataclass(frozen=True, slots=True)
class WantedClaim:
    claim: resource_v1.ResourceClaim
    requests: tuple[tuple[Wanted, ...], ...]
    """For each request its alternatives; a plain request has one."""


def wanted(claim: resource_v1.ResourceClaim, classes: Mapping[str, resource_v1.DeviceClass]) -> WantedClaim:
    """Raises AllocationFailed."""
    requests = tuple(tuple(_alternatives(claim, one, classes)) for one in claim.spec.devices.requests)
    return WantedClaim(claim, requests)


def _alternatives(
    claim: resource_v1.ResourceClaim,
    request: resource_v1.DeviceRequest,
    classes: Mapping[str, resource_v1.DeviceClass],
) -> list[Wanted]:
    if request.exactly is not None:
        return [_wanted(claim, request.name, "", request.exactly, classes, admin=bool(request.exactly.admin_access))]
    return [_wanted(claim, request.name, one.name, one, classes) for one in request.first_available]


def _wanted(
    claim: resource_v1.ResourceClaim,
    request: str,
    alternative: str,
    given: resource_v1.ExactDeviceRequest | resource_v1.DeviceSubRequest,
    classes: Mapping[str, resource_v1.DeviceClass],
    *,
    admin: bool = False,
) -> Wanted:
    place = f"claim {key_of(claim)}, request {alternative or request}"
    for index, selector in enumerate(given.selectors):
        if selector.cel is None:
            raise AllocationFailed(f"{place}, selector #{index}: CEL expression empty (unsupported selector type?)")
    device_class = classes.get(given.device_class_name)
    if device_class is None:
        why = f'deviceclass.resource.k8s.io "{given.device_class_name}" not found'
        raise AllocationFailed(f"{place}: could not retrieve device class {given.device_class_name}: {why}")
    mode = given.allocation_mode or EXACT_COUNT
    if mode not in (ALL, EXACT_COUNT):
        raise AllocationFailed(f"{place}: unsupported count mode {mode}")
    asked = given.capacity.requests if given.capacity is not None else {}
    return Wanted(
        key_of(claim),
        request,
        alternative,
        device_class,
        given.selectors,
        mode,
        given.count,
        given.tolerations,
        {name: quantity.parse(text) for name, text in asked.items()},
        admin,
    )
