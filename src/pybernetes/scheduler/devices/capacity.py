"""Shares of a device that several claims may have: what a request takes of each capacity, and whether it is there.

Follows consumable_capacity.go of k8s.io/dynamic-resource-allocation/structured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pybernetes.api import quantity
from pybernetes.api.models import resource_v1
from pybernetes.api.quantity import NANO, Format, Quantity

Amounts = Mapping[str, Quantity]


def consumed(asked: Amounts, device: resource_v1.Device) -> dict[str, Quantity]:
    """What a request takes: of what it does not name, the default or everything."""
    return {name: _taken(asked.get(name), given) for name, given in device.capacity.items()}


def fits(asked: Amounts, device: resource_v1.Device, taken: Iterable[Amounts]) -> bool:
    """Whether a request is within the policies of the device's capacities, and beside ``taken`` within them."""
    if not asked.keys() <= device.capacity.keys():
        return False
    others = list(taken)
    for name, given in device.capacity.items():
        amount = _taken(asked.get(name), given)
        if _violates(amount, given.request_policy):
            return False
        total = amount.nano + sum(one[name].nano for one in others if name in one)
        if total > quantity.parse(given.value).nano:
            return False
    return True


def _taken(asked: Quantity | None, given: resource_v1.DeviceCapacity) -> Quantity:
    policy = given.request_policy
    if asked is None:
        return quantity.parse(policy.default if policy is not None and policy.default is not None else given.value)
    if policy is None:
        return asked
    if policy.valid_range is not None and policy.valid_range.min is not None:
        return _in_range(asked, policy.valid_range, quantity.parse(policy.valid_range.min))
    return min((one for one in map(quantity.parse, policy.valid_values) if one >= asked), default=asked)


def _in_range(asked: Quantity, allowed: resource_v1.CapacityRequestPolicyRange, lowest: Quantity) -> Quantity:
    """The smallest step that is enough."""
    if asked < lowest:
        return lowest
    if allowed.step is None:
        return asked
    step, start = quantity.parse(allowed.step).value(), lowest.value()
    return Quantity((start + -(-(asked.value() - start) // step) * step) * NANO, Format.BINARY)


def _violates(amount: Quantity, policy: resource_v1.CapacityRequestPolicy | None) -> bool:
    if policy is None or (policy.default is not None and amount == quantity.parse(policy.default)):
        return False
    if policy.valid_range is not None:
        return _is_out_of_range(amount, policy.valid_range)
    return bool(policy.valid_values) and amount not in map(quantity.parse, policy.valid_values)


def _is_out_of_range(amount: Quantity, allowed: resource_v1.CapacityRequestPolicyRange) -> bool:
    if allowed.max is not None and amount > quantity.parse(allowed.max):
        return True
    if allowed.step is None or allowed.min is None:
        return False
    return (amount.value() - quantity.parse(allowed.min).value()) % quantity.parse(allowed.step).value() != 0
