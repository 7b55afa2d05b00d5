"""What a device is (attributes) and what it has (capacity), and how capacity may be asked for in parts.

Follows validateDeviceAttribute and validateRequestPolicy in pkg/apis/resource/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from pybernetes.api import quantity
from pybernetes.api.fields import FieldError, FieldPath, forbidden, invalid, required, too_long
from pybernetes.api.models.resource_v1 import (
    CapacityRequestPolicy,
    CapacityRequestPolicyRange,
    DeviceAttribute,
    DeviceCapacity,
)
from pybernetes.apiserver.validation.collections import check_set
from pybernetes.apiserver.validation.internal_form import internal_form

LONGEST_ATTRIBUTE = 64
MOST_VALID_VALUES = 10
_NUMBER = r"(0|[1-9]\d*)"
_PRERELEASE = r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_BUILD = "[0-9a-zA-Z-]+"
_SEMANTIC_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PRERELEASE}(\.{_PRERELEASE})*)?(\+{_BUILD}(\.{_BUILD})*)?", re.ASCII
)


def check_attribute(attribute: DeviceAttribute, path: FieldPath) -> Iterator[FieldError]:
    """Exactly one value. Lists of values are not in force: they are dropped before an attribute is judged."""
    if attribute.string is not None and len(attribute.string.encode()) > LONGEST_ATTRIBUTE:
        yield too_long(path.string, attribute.string, LONGEST_ATTRIBUTE)
    if attribute.version is not None:
        if not _SEMANTIC_VERSION.fullmatch(attribute.version):
            message = "must be a string compatible with semver.org spec 2.0.0"
            yield invalid(path.version, attribute.version, message)
        if len(attribute.version.encode()) > LONGEST_ATTRIBUTE:
            yield too_long(path.version, attribute.version, LONGEST_ATTRIBUTE)
    given = (attribute.int_, attribute.bool_, attribute.string, attribute.version)
    count = sum(1 for value in given if value is not None)
    if count != 1:
        yield invalid(path, internal_form(attribute) if count else "", "exactly one value must be specified")


def check_shared_capacity(capacity: DeviceCapacity, path: FieldPath) -> Iterator[FieldError]:
    """Of a device that several claims may hold at once."""
    policy, at = capacity.request_policy, path.requestPolicy
    if policy is None:
        return
    if policy.valid_values and policy.valid_range is not None:
        message = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'
        yield forbidden(at, message)
    elif policy.valid_values:
        if policy.default is None:
            yield required(at.default, "required when validValues is defined")
        else:
            yield from _check_values(policy, policy.default, capacity.value, at.validValues)
    elif policy.valid_range is not None:
        if policy.default is None:
            yield required(at.default, "required when validRange is defined")
        else:
            yield from _check_range(policy.valid_range, policy.default, capacity.value, at.validRange)


def check_whole_capacity(capacity: DeviceCapacity, path: FieldPath) -> Iterator[FieldError]:
    """Of a device that only one claim may hold."""
    if capacity.request_policy is not None:
        yield forbidden(path.requestPolicy, "allowMultipleAllocations must be true")


def _check_values(policy: CapacityRequestPolicy, default: str, most: str, path: FieldPath) -> Iterator[FieldError]:
    values = policy.valid_values
    for index, (one, following) in enumerate(pairwise(values)):
        if _amount(one) > _amount(following):
            yield invalid(path[index + 1], following, "values must be sorted in ascending order")

    def check_value(value: str, each: FieldPath) -> Iterator[FieldError]:
        if _amount(value) > _amount(most):
            yield invalid(each, value, f"option is larger than capacity value: {most}")

    yield from check_set(values, path, check_value, lambda one: str(quantity.value(one)), most=MOST_VALID_VALUES)
    judged = values if len(values) <= MOST_VALID_VALUES else ()
    if _amount(default) not in [_amount(value) for value in judged]:
        yield invalid(path, default, "default value is not valid according to the requestPolicy")


def _check_range(allowed: CapacityRequestPolicyRange, default: str, most: str, path: FieldPath) -> Iterator[FieldError]:
    low, high, step = allowed.min, allowed.max, allowed.step
    if low is None:
        yield required(path.min, "required when validRange is defined")
        return
    if _amount(low) > _amount(most):
        yield invalid(path.min, low, f"min is larger than capacity value: {most}")
    if _amount(default) < _amount(low):
        yield invalid(path.min, default, f"default is less than min: {low}")
    if high is not None:
        if _amount(low) > _amount(high):
            yield invalid(path.max, low, f"min is larger than max: {high}")
        if _amount(high) > _amount(most):
            yield invalid(path.max, high, f"max is larger than capacity value: {most}")
        if _amount(default) > _amount(high):
            yield invalid(path.max, default, f"default is more than max: {high}")
    if step is not None:
        first = quantity.Quantity(_amount(low) + _amount(step), quantity.parse(low).format)
        if first.nano > _amount(most):
            yield invalid(path.step, step, f"one step {first} is larger than capacity value: {most}")
        for value in (default, *((high,) if high is not None else ())):
            if not quantity.value(step) or (quantity.value(value) - quantity.value(low)) % quantity.value(step):
                message = f"value is not a multiple of a given step ({step}) from ({low})"
                yield invalid(path.step, value, message)


def _amount(text: str) -> int:
    return quantity.parse(text).nano
