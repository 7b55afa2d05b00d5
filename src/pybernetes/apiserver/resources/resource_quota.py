"""ResourceQuota: how much a namespace may hold.

Follows ValidateResourceQuota in pkg/apis/core/validation and printResourceQuota in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from pybernetes.api.fields import FieldError, FieldPath, at, invalid, is_dns_subdomain, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import ResourceQuota, ResourceQuotaSpec, ScopeSelector
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Document, Resource, StatusSubresource
from pybernetes.apiserver.resources.cells import at_path
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.metadata import IMMUTABLE, check_metadata, check_metadata_update
from pybernetes.apiserver.validation.resources import check_quota_list, is_quota_resource

SCOPES = (
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
)
_WITH_VALUES = ("PriorityClass", "VolumeAttributesClass")
_MUST_EXIST = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)
_EXCLUSIVE = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
_PODS = frozenset(("pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"))
_COUNTED: Mapping[str, frozenset[str]] = {
    "Terminating": _PODS,
    "NotTerminating": _PODS,
    "NotBestEffort": _PODS,
    "PriorityClass": _PODS,
    "CrossNamespacePodAffinity": _PODS,
    "BestEffort": frozenset(("pods",)),
    "VolumeAttributesClass": frozenset(("persistentvolumeclaims", "requests.storage")),
}
"""What can be counted within a scope."""


def validate(quota: ResourceQuota) -> Iterator[FieldError]:
    yield from check_metadata(quota.metadata, is_dns_subdomain)
    yield from _check_spec(quota.spec, at.spec)


def _check_spec(spec: ResourceQuotaSpec, path: FieldPath) -> Iterator[FieldError]:
    yield from check_quota_list(spec.hard, path.hard)
    for scope in spec.scopes:
        if scope not in SCOPES:
            yield invalid(path.scopes, spec.scopes, "unsupported scope")
        yield from _check_counted(scope, spec, path.scopes, spec.scopes)
    yield from _check_exclusive(spec.scopes, spec, path.scopes)
    if spec.scope_selector is not None:
        yield from _check_scope_selector(spec, spec.scope_selector, path.scopeSelector.matchExpressions)


def _check_counted(scope: str, spec: ResourceQuotaSpec, path: FieldPath, shown: object) -> Iterator[FieldError]:
    if scope not in SCOPES:
        return
    for name in sorted(spec.hard):
        if is_quota_resource(name) and name not in _COUNTED[scope]:
            yield invalid(path, shown, "unsupported scope applied to resource")


def _check_exclusive(scopes: Iterable[str], spec: ResourceQuotaSpec, path: FieldPath) -> Iterator[FieldError]:
    for pair in _EXCLUSIVE:
        if pair <= set(scopes):
            yield invalid(path, spec.scopes or None, "conflicting scopes")


def _check_scope_selector(spec: ResourceQuotaSpec, selector: ScopeSelector, path: FieldPath) -> Iterator[FieldError]:
    for requirement in selector.match_expressions:
        name, operator = requirement.scope_name, requirement.operator
        if name not in SCOPES:
            yield invalid(path.scopeName, name, "unsupported scope")
        yield from _check_counted(name, spec, path, internal_form(selector))
        if name in SCOPES and name not in _WITH_VALUES and operator != "Exists":
            yield invalid(path.operator, operator, _MUST_EXIST)
        if operator in ("In", "NotIn"):
            if not requirement.values:
                message = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                yield required(path.values, message)
        elif operator in ("Exists", "DoesNotExist"):
            if requirement.values:
                message = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                yield invalid(path.values, requirement.values, message)
        else:
            yield invalid(path.operator, operator, "not a valid selector operator")
    names = [requirement.scope_name for requirement in selector.match_expressions]
    yield from _check_exclusive(names, spec, path)


def validate_update(new: ResourceQuota, old: ResourceQuota) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from _check_spec(new.spec, at.spec)
    if set(new.spec.scopes) != set(old.spec.scopes):
        yield invalid(at.spec.scopes, new.spec.scopes or None, IMMUTABLE)


def validate_status(new: ResourceQuota, old: ResourceQuota) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_quota_list(new.status.hard, at.status.hard)
    yield from check_quota_list(new.status.used, at.status.used)


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
    judges_updates_alone=True,
    columns=(NAME, Column("Request", _requests), Column("Limit", _limits), AGE),
    subresources=(StatusSubresource(validate=validate_status),),
)

RESOURCES = (RESOURCE_QUOTAS,)
