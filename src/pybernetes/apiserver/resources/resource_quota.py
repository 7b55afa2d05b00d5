"""ResourceQuota: how much a namespace may hold.

Follows ValidateResourceQuota in pkg/apis/core/validation and printResourceQuota in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import FieldError, FieldPath, at, invalid, is_dns_subdomain, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import ResourceQuota, ResourceQuotaSpec
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Document, Resource, StatusSubresource
from pybernetes.apiserver.resources.cells import at_path
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.resources import check_quota_resource_name, check_resource_list
from pybernetes.apiserver.validation.simple import check_unchanged

SCOPES = (
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
)
_EXCLUSIVE = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})


def validate(quota: ResourceQuota) -> Iterator[FieldError]:
    yield from check_metadata(quota.metadata, is_dns_subdomain)
    yield from check_resource_list(quota.spec.hard, at.spec.hard, check_quota_resource_name)
    yield from _check_scopes(quota.spec, at.spec)
    yield from _check_scope_selector(quota.spec, at.spec.scopeSelector.matchExpressions)


def _check_scopes(spec: ResourceQuotaSpec, path: FieldPath) -> Iterator[FieldError]:
    for scope in spec.scopes:
        if scope not in SCOPES:
            yield invalid(path.scopes, spec.scopes, "unsupported scope")
    if any(pair <= set(spec.scopes) for pair in _EXCLUSIVE):
        yield invalid(path.scopes, spec.scopes, "conflicting scopes")


def _check_scope_selector(spec: ResourceQuotaSpec, path: FieldPath) -> Iterator[FieldError]:
    if spec.scope_selector is None:
        return
    for requirement in spec.scope_selector.match_expressions:
        name, operator = requirement.scope_name, requirement.operator
        if name not in SCOPES:
            yield invalid(path.scopeName, name, "unsupported scope")
        if name not in ("PriorityClass", "VolumeAttributesClass") and operator != "Exists":
            message = f"must be 'Exist' when scope is any of {', '.join(SCOPES[:4])} and CrossNamespacePodAffinity"
            yield invalid(path.operator, operator, message)
        if operator in ("In", "NotIn"):
            if not requirement.values:
                message = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                yield required(path.values, message)
        elif operator in ("Exists", "DoesNotExist"):
            if requirement.values:
                message = "must be no value when `operator` is 'Exists' or 'DoesNotExist' for scope selector"
                yield invalid(path.values, requirement.values, message)
        else:
            yield invalid(path.operator, operator, "not a valid selector operator")


def validate_update(new: ResourceQuota, old: ResourceQuota) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_unchanged(sorted(new.spec.scopes), sorted(old.spec.scopes), at.spec.scopes)


def validate_status(new: ResourceQuota, old: ResourceQuota) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_resource_list(new.status.hard, at.status.hard, check_quota_resource_name)
    yield from check_resource_list(new.status.used, at.status.used, check_quota_resource_name)


def _is_limit(name: str) -> bool:
    return name.startswith("limits")


def _usage(quota: Document, *, limits: bool) -> str:
    hard, used = at_path(quota, "status.hard", {}), at_path(quota, "status.used", {})
    return ", ".join(
        f"{name}: {used.get(name, '0')}/{hard[name]}" for name in sorted(hard) if _is_limit(name) is limits
    )


def _requests(quota: Document, now: datetime) -> str:
    return _usage(quota, limits=False)


def _limits(quota: Document, now: datetime) -> str:
    return _usage(quota, limits=True)


RESOURCE_QUOTAS = Resource(
    info=info_of(ResourceQuota),
    returns_deleted=True,
    short_names=("quota",),
    validate=validate,
    validate_update=validate_update,
    columns=(NAME, Column("Request", _requests), Column("Limit", _limits), AGE),
    subresources=(StatusSubresource(validate=validate_status),),
)

RESOURCES = (RESOURCE_QUOTAS,)
