"""LimitRange: bounds and defaults for what pods of a namespace ask for.

Follows SetDefaults_LimitRangeItem and ValidateLimitRange in pkg/apis/core.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, at, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import LimitRange
from pybernetes.apiserver.columns import NAME
from pybernetes.apiserver.resource import Context, Document, Resource
from pybernetes.apiserver.resources.cells import CREATED_AT
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults
from pybernetes.apiserver.validation.limits import check_limits
from pybernetes.apiserver.validation.metadata import check_metadata


def default_item(item: Document) -> None:
    """For containers: limits default to the maximum, requests to the limits or the minimum."""
    if item.get("type") != "Container":
        return
    limits = {**item.get("max", {}), **item.get("default", {})}
    requests = {**item.get("min", {}), **limits, **item.get("defaultRequest", {})}
    for name, resources in (("default", limits), ("defaultRequest", requests)):
        if resources:
            item[name] = resources


def prepare_create(limit_range: Document, context: Context) -> None:
    """One without a name is called by its uid."""
    metadata = limit_range["metadata"]
    if not metadata.get("name"):
        metadata["name"] = metadata["uid"]


def validate(limit_range: LimitRange) -> Iterator[FieldError]:
    yield from check_metadata(limit_range.metadata, is_dns_subdomain)
    yield from check_limits(limit_range.spec, at.spec)


LIMIT_RANGES = Resource(
    info=info_of(LimitRange),
    short_names=("limits",),
    defaults=compile_defaults({"spec.limits[]": Rule(default_item)}),
    prepare_create=prepare_create,
    validate=validate,
    validate_update=lambda new, old: validate(new),
    judges_updates_alone=True,
    null_lists=("spec.limits",),
    columns=(NAME, CREATED_AT),
    allows_create_on_update=True,
)

RESOURCES = (LIMIT_RANGES,)
