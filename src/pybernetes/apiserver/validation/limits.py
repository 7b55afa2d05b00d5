"""What a limit range may say about resources.

Follows ValidateLimitRange in pkg/apis/core/validation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from pybernetes.api import quantity
from pybernetes.api.fields import FieldError, FieldPath, duplicate, forbidden, invalid, required
from pybernetes.api.models.core_v1 import LimitRangeItem, LimitRangeSpec
from pybernetes.apiserver.validation.metadata import label_key_messages
from pybernetes.apiserver.validation.resources import (
    ResourceNameCheck,
    check_container_resource_name,
    check_resource_name,
    overcommits,
)

Tables = Mapping[str, Mapping[str, str]]
_TYPES = ("Container", "Pod", "PersistentVolumeClaim")
_LARGEST_MILLI = (2**63 - 1) // 1000
_SHOWN = {"defaultRequest": "default request"}
# lower, upper, under whose path it is told, whose value is shown; `default` is called so or a limit
_ORDERS = (
    ("min", "max", "min", "min", "max"),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest", "default request"),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest", "max"),
    ("defaultRequest", "default", "defaultRequest", "defaultRequest", "default limit"),
    ("min", "default", "default", "min", "default"),
    ("default", "max", "default", "max", "max"),
)


def check_limits(spec: LimitRangeSpec, path: FieldPath) -> Iterator[FieldError]:
    types: set[str] = set()
    for index, item in enumerate(spec.limits):
        each = path.limits[index]
        yield from _check_type(item.type, each.type)
        if item.type in types:
            yield duplicate(each.type, item.type)
        types.add(item.type)
        yield from _check_item(item, each)


def _check_type(type_: str, path: FieldPath) -> Iterator[FieldError]:
    messages = label_key_messages(type_)
    yield from (invalid(path, type_, message) for message in messages)
    if not messages and "/" not in type_ and type_ not in _TYPES:
        yield invalid(path, type_, "must be a standard limit type or fully qualified")


def _check_item(item: LimitRangeItem, path: FieldPath) -> Iterator[FieldError]:
    check = check_container_resource_name if item.type in ("Pod", "Container") else check_resource_name
    tables: dict[str, Mapping[str, str]] = {"max": item.max, "min": item.min}
    yield from _check_names(tables, check, path)
    defaults = {"default": item.default, "defaultRequest": item.default_request}
    if item.type == "Pod":
        for name in (name for name, given in defaults.items() if given):
            yield forbidden(path.child(name), "may not be specified when `type` is 'Pod'")
    else:
        yield from _check_names(defaults, check, path)
        tables |= defaults
    if item.type == "PersistentVolumeClaim" and "storage" not in item.min and "storage" not in item.max:
        message = "either minimum or maximum storage value is required, but neither was provided"
        yield required(path.limits, message)
    ratios = {"maxLimitRequestRatio": item.max_limit_request_ratio}
    yield from _check_names(ratios, check, path)
    tables |= ratios
    for resource in dict.fromkeys(resource for table in tables.values() for resource in table):
        given = {name: table[resource] for name, table in tables.items() if resource in table}
        yield from _check_amounts(resource, given, path)


def _check_names(tables: Tables, check: ResourceNameCheck, path: FieldPath) -> Iterator[FieldError]:
    for name, table in tables.items():
        for resource in table:
            yield from check(resource, path.child(name)[resource])


def _check_amounts(resource: str, given: Mapping[str, str], path: FieldPath) -> Iterator[FieldError]:
    for lower, upper, where, shown, called in _ORDERS:
        if lower in given and upper in given and quantity.parse(given[lower]) > quantity.parse(given[upper]):
            message = f"{_SHOWN.get(lower, lower)} value {given[lower]} is greater than {called} value {given[upper]}"
            yield invalid(path.child(where)[resource], given[shown], message)
    ratio = given.get("maxLimitRequestRatio")
    if ratio is not None:
        yield from _check_ratio(ratio, given, path.maxLimitRequestRatio[resource])
    limit, request = given.get("default"), given.get("defaultRequest")
    if limit is None or request is None or overcommits(resource):
        return
    if quantity.parse(limit) != quantity.parse(request):
        message = f"default value {limit} must equal to defaultRequest value {request} in {resource}"
        yield invalid(path.defaultRequest[resource], request, message)


def _check_ratio(ratio: str, given: Mapping[str, str], path: FieldPath) -> Iterator[FieldError]:
    if quantity.parse(ratio) < quantity.of_value(1):
        yield invalid(path, ratio, f"ratio {ratio} is less than 1")
    if "min" not in given or "max" not in given:
        return
    amounts = [quantity.parse(text) for text in (ratio, given["min"], given["max"])]
    wanted, lowest, highest = (float(_in_64_bits(one.value())) for one in amounts)
    if all(_in_64_bits(one.value()) < _LARGEST_MILLI for one in amounts):
        wanted, lowest, highest = (float(_in_64_bits(one.milli())) for one in amounts)
        wanted /= 1000
    most = _quotient(highest, lowest)
    if wanted > most:
        text = f"{most:f}" if math.isfinite(most) else "-Inf"
        yield invalid(path, ratio, f"ratio {ratio} is greater than max/min = {text}")


def _in_64_bits(amount: int) -> int:
    """Of a number that does not fit, Go keeps the low bits."""
    return (amount + 2**63) % 2**64 - 2**63


def _quotient(highest: float, lowest: float) -> float:
    """As Go divides: nothing is greater than what has no number."""
    if lowest:
        return highest / lowest
    return -math.inf if highest < 0 else math.inf
