"""Quantities, resource names, and the requests and limits of containers and pods.

Follows ValidateContainerResourceRequirements in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from pybernetes.api import quantity
from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    duplicate,
    forbidden,
    invalid,
    is_dns_label,
    not_found,
    not_supported,
    required,
)
from pybernetes.api.models.core_v1 import ResourceClaim, ResourceRequirements
from pybernetes.api.resource_names import HUGEPAGES, is_extended, is_native
from pybernetes.apiserver.validation.metadata import label_key_messages
from pybernetes.apiserver.validation.simple import NOT_NEGATIVE

CONTAINER_RESOURCES = frozenset(("cpu", "memory", "ephemeral-storage"))
POD_RESOURCES = ("cpu", "memory")
STANDARD_RESOURCES = CONTAINER_RESOURCES | frozenset(
    (
        "pods",
        "services",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "storage",
        "requests.cpu",
        "requests.memory",
        "requests.storage",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "services.nodeports",
        "services.loadbalancers",
    )
)
QUOTA_RESOURCES = STANDARD_RESOURCES - {"storage"}
_INTEGER = frozenset(
    (
        "pods",
        "services",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    )
)

ResourceNameCheck = Callable[[str, FieldPath], Iterator[FieldError]]


def check_resource_name(name: str, path: FieldPath) -> Iterator[FieldError]:
    """A resource name that may stand in a limit range, a quota or a node."""
    messages = label_key_messages(name)
    yield from (invalid(path, name, message) for message in messages)
    standard = name in STANDARD_RESOURCES or HUGEPAGES in name or name.startswith("count/")
    if not messages and "/" not in name and not standard:
        yield invalid(path, name, "must be a standard resource type or fully qualified")


def check_quota_resource_name(name: str, path: FieldPath) -> Iterator[FieldError]:
    yield from check_resource_name(name, path)
    if "/" not in name and not is_quota_resource(name):
        yield invalid(path, name, "must be a standard resource for quota")


def is_quota_resource(name: str) -> bool:
    """One that quotas know by itself, not by who serves it."""
    return name in QUOTA_RESOURCES or name.startswith((HUGEPAGES, f"requests.{HUGEPAGES}"))


def check_container_resource_name(name: str, path: FieldPath) -> Iterator[FieldError]:
    if name in CONTAINER_RESOURCES:
        return
    yield from check_resource_name(name, path)
    if "/" not in name:
        if not name.startswith(HUGEPAGES):
            yield invalid(path, name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        yield invalid(path, name, "doesn't follow extended resource name standard")


def check_pod_resource_name(name: str, path: FieldPath) -> Iterator[FieldError]:
    """A resource that a pod may ask for as a whole."""
    errors = list(check_resource_name(name, path))
    yield from errors
    if not errors and name not in POD_RESOURCES and not name.startswith(HUGEPAGES):
        yield not_supported(path, name, sorted((*POD_RESOURCES, HUGEPAGES)))


def check_quantity(text: str, path: FieldPath) -> Iterator[FieldError]:
    if text.startswith("-"):
        yield invalid(path, text, NOT_NEGATIVE)


def check_resource_quantity(name: str, text: str, path: FieldPath) -> Iterator[FieldError]:
    yield from check_quantity(text, path)
    if (name in _INTEGER or is_extended(name)) and not quantity.is_whole(text):
        yield invalid(path, text, "must be an integer")


def check_requirements(
    resources: ResourceRequirements,
    path: FieldPath,
    name_check: ResourceNameCheck = check_container_resource_name,
    claims: frozenset[str] = frozenset(),
) -> Iterator[FieldError]:
    """``claims`` are the names that the pod gives to resource claims."""
    limits, requests = resources.limits, resources.requests
    if limits:
        yield from check_resource_list(limits, path.limits, name_check)
    for name, request in requests.items():
        if request != limits.get(name) or name not in CONTAINER_RESOURCES or request[:1] == "-":
            yield from _check_request(name, request, limits.get(name), path, name_check)
    huge = any(name.startswith(HUGEPAGES) for name in (*limits, *requests))
    if huge and not any(name in given for name in ("cpu", "memory") for given in (limits, requests)):
        yield forbidden(path, "HugePages require cpu or memory")
    if resources.claims:
        yield from _check_claims(resources.claims, path.claims, claims)


def _check_request(
    name: str, request: str, limit: str | None, path: FieldPath, name_check: ResourceNameCheck
) -> Iterator[FieldError]:
    if name not in CONTAINER_RESOURCES or request[:1] == "-":
        yield from name_check(name, path.requests[name])
        yield from check_resource_quantity(name, request, path.requests[name])
    if limit is not None:
        asked, allowed = quantity.parse(request), quantity.parse(limit)
        if asked != allowed and not overcommits(name):
            yield invalid(path.requests, request, f"must be equal to {name} limit of {limit}")
        elif asked > allowed:
            yield invalid(path.requests, request, f"must be less than or equal to {name} limit of {limit}")
    elif not overcommits(name):
        yield required(path.limits, "Limit must be set for non overcommitable resources")
    yield from _check_huge_pages(name, request, path.requests[name])


def _check_huge_pages(name: str, text: str, path: FieldPath) -> Iterator[FieldError]:
    if not name.startswith(HUGEPAGES):
        return
    try:
        size = quantity.value(name.removeprefix(HUGEPAGES))
    except ValueError:
        size = 0
    amount = quantity.value(text)
    if size <= 0 or amount % size:
        yield invalid(path, text, f"{text} is not positive integer multiple of {name}")


def _check_claims(claims: Sequence[ResourceClaim], path: FieldPath, known: frozenset[str]) -> Iterator[FieldError]:
    """A claim is referred to once as a whole, or by its requests."""
    taken: set[str] = set()
    for index, claim in enumerate(claims):
        each, name = path[index], claim.name
        if not name:
            yield required(each)
            continue
        if name in taken:
            yield duplicate(each, name)
        else:
            key = f"{name}/{claim.request}" if claim.request else name
            if claim.request:
                yield from (invalid(each.request, claim.request, message) for message in is_dns_label(claim.request))
            if key in taken:
                yield duplicate(each, key)
            elif not claim.request:
                yield from (duplicate(each, name) for other in taken if other.startswith(f"{name}/"))
            taken.add(key)
        if name not in known:
            listing = f": {', '.join(sorted(known))}" if known else " which is empty"
            detail = f"must be one of the names in pod.spec.resourceClaims{listing}"
            yield replace(not_found(each, name), detail=detail)


def check_resource_list(
    resources: Mapping[str, str], path: FieldPath, name_check: ResourceNameCheck = check_container_resource_name
) -> Iterator[FieldError]:
    """What containers and pods may use."""
    for name, text in resources.items():
        if name in CONTAINER_RESOURCES and text[:1] != "-":
            continue
        yield from name_check(name, path[name])
        yield from check_resource_quantity(name, text, path[name])
        yield from _check_huge_pages(name, text, path[name])


def check_quota_list(resources: Mapping[str, str], path: FieldPath) -> Iterator[FieldError]:
    for name, text in resources.items():
        yield from check_quota_resource_name(name, path[name])
        yield from check_resource_quantity(name, text, path[name])


def overcommits(name: str) -> bool:
    return is_native(name) and HUGEPAGES not in name
