"""LimitRange: bounds and defaults for what pods of a namespace ask for.

Follows SetDefaults_LimitRangeItem and ValidateLimitRange in pkg/apis/core.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pybernetes.api import quantity
from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    duplicate,
    forbidden,
    invalid,
    is_dns_subdomain,
    is_qualified_name,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import LimitRange, LimitRangeItem
from pybernetes.apiserver.columns import NAME
from pybernetes.apiserver.resource import Document, Resource
from pybernetes.apiserver.resources.cells import CREATED_AT
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults
from pybernetes.apiserver.validation.metadata import check_metadata, check_only_metadata
from pybernetes.apiserver.validation.resources import (
    check_container_resource_name,
    check_resource_list,
    check_resource_name,
)

_BOUNDED_TYPES = ("Container", "Pod", "PersistentVolumeClaim")


def default_item(item: Document) -> None:
    """For containers: limits default to the maximum, requests to the limits or the minimum."""
    if item.get("type") != "Container":
        return
    limits = {**item.get("max", {}), **item.get("default", {})}
    requests = {**item.get("min", {}), **limits, **item.get("defaultRequest", {})}
    item["default"], item["defaultRequest"] = limits, requests


def validate(limit_range: LimitRange) -> Iterator[FieldError]:
    yield from check_metadata(limit_range.metadata, is_dns_subdomain)
    types: set[str] = set()
    for index, item in enumerate(limit_range.spec.limits):
        path = at.spec.limits[index]
        yield from _check_item(item, path)
        if item.type in types:
            yield duplicate(path.type, item.type)
        types.add(item.type)


def _check_item(item: LimitRangeItem, path: FieldPath) -> Iterator[FieldError]:
    if not item.type:
        yield required(path.type)
    elif item.type not in _BOUNDED_TYPES:
        yield from (invalid(path.type, item.type, message) for message in is_qualified_name(item.type))
        if "/" not in item.type:
            yield invalid(path.type, item.type, "must be a standard limit type or fully qualified")
    tables: Mapping[str, Mapping[str, str]] = {
        "max": item.max,
        "min": item.min,
        "default": item.default,
        "defaultRequest": item.default_request,
        "maxLimitRequestRatio": item.max_limit_request_ratio,
    }
    name_check = check_container_resource_name if item.type in ("Pod", "Container") else check_resource_name
    for name, resources in tables.items():
        yield from check_resource_list(resources, path.child(name), name_check)
    if item.type == "Pod":
        for name in ("default", "defaultRequest"):
            if tables[name]:
                yield forbidden(path.child(name), "may not be specified when `type` is 'Pod'")
    for lower, upper in (
        ("min", "max"),
        ("min", "default"),
        ("min", "defaultRequest"),
        ("default", "max"),
        ("defaultRequest", "max"),
        ("defaultRequest", "default"),
    ):
        yield from _check_order(lower, upper, tables, path)


_SHOWN = {"defaultRequest": "default request"}


def _check_order(
    lower: str, upper: str, tables: Mapping[str, Mapping[str, str]], path: FieldPath
) -> Iterator[FieldError]:
    for name in tables[lower].keys() & tables[upper].keys():
        low, high = tables[lower][name], tables[upper][name]
        if quantity.parse(low) > quantity.parse(high):
            message = f"{_SHOWN.get(lower, lower)} value {low} is greater than {_SHOWN.get(upper, upper)} value {high}"
            yield invalid(path.child(lower)[name], low, message)


LIMIT_RANGES = Resource(
    info=info_of(LimitRange),
    short_names=("limits",),
    defaults=compile_defaults({"spec.limits[]": Rule(default_item)}),
    validate=validate,
    null_lists=("spec.limits",),
    validate_update=check_only_metadata,
    columns=(NAME, CREATED_AT),
    allows_create_on_update=True,
)

RESOURCES = (LIMIT_RANGES,)
