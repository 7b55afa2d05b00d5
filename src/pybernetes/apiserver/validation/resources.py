"""Quantities, resource names, and the requests and limits of containers and pods.

Follows ValidateContainerResourceRequirements in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pybernetes.api import quantity
from pybernetes.api.fields import FieldError, FieldPath, forbidden, invalid, required
from pybernetes.api.models.core_v1 import ResourceRequirements
from pybernetes.apiserver.validation.metadata import label_key_messages
from pybernetes.apiserver.validation.simple import NOT_NEGATIVE

CONTAINER_RESOURCES = frozenset(("cpu", "memory", "ephemeral-storage"))
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
HUGEPAGES = "hugepages-"
_EXTENDED_LIMIT = 63

ResourceNameCheck = Callable[[str, FieldPath], Iterator[FieldError]]


def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    return not is_native(name) and not name.startswith("requests.") and not label_key_messages(f"requests.{name}")


def check_resource_name(name: str, path: FieldPath) -> Iterator[FieldError]:
    """A resource name that may stand in a limit range, a quota or a node."""
    messages = label_key_messages(name)
    yield from (invalid(path, name, message) for message in messages)
    standard = name in STANDARD_RESOURCES or HUGEPAGES in name or name.startswith("count/")
    if not messages and "/" not in name and not standard:
        yield invalid(path, name, "must be a standard resource type or fully qualified")


def check_quota_resource_name(name: str, path: FieldPath) -> Iterator[FieldError]:
    errors = list(check_resource_name(name, path))
    yield from errors
    counted = name in QUOTA_RESOURCES or name.startswith(("count/", "requests.", "limits.", HUGEPAGES))
    if not errors and "/" not in name and not counted:
        yield invalid(path, name, "must be a standard resource for quota")


def check_container_resource_name(name: str, path: FieldPath) -> Iterator[FieldError]:
    if name in CONTAINER_RESOURCES:
        return
    yield from check_resource_name(name, path)
    if "/" not in name:
        if not name.startswith(HUGEPAGES):
            yield invalid(path, name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        yield invalid(path, name, "doesn't follow extended resource name standard")


def check_quantity(text: str, path: FieldPath) -> Iterator[FieldError]:
    if text.startswith("-"):
        yield invalid(path, text, NOT_NEGATIVE)


def check_resource_quantity(name: str, text: str, path: FieldPath) -> Iterator[FieldError]:
    yield from check_quantity(text, path)
    if (name in _INTEGER or is_extended(name)) and quantity.milli(text) % 1000:
        yield invalid(path, text, "must be an integer")


def check_requirements(resources: ResourceRequirements | None, path: FieldPath) -> Iterator[FieldError]:
    if resources is None or not (resources.limits or resources.requests):
        return
    limits, requests = resources.limits, resources.requests
    if limits:
        yield from check_resource_list(limits, path.limits)
    if requests:
        yield from check_resource_list(requests, path.requests)
    for name in limits:
        if not _overcommits(name) and name not in requests:
            yield required(path.requests, "Limit must be set for non overcommitable resources")
    for name, request in requests.items():
        yield from _check_against_limit(name, request, limits.get(name), path)
    huge = any(name.startswith(HUGEPAGES) for name in (*limits, *requests))
    if huge and not any(name in given for name in ("cpu", "memory") for given in (limits, requests)):
        yield forbidden(path, "HugePages require cpu or memory")
    for index, claim in enumerate(resources.claims):
        if not claim.name:
            yield required(path.claims[index].name)


def check_resource_list(
    resources: Mapping[str, str], path: FieldPath, name_check: ResourceNameCheck = check_container_resource_name
) -> Iterator[FieldError]:
    for name, text in resources.items():
        if name in CONTAINER_RESOURCES and text[:1] != "-":
            continue
        yield from name_check(name, path[name])
        yield from check_resource_quantity(name, text, path[name])


def _overcommits(name: str) -> bool:
    return is_native(name) and HUGEPAGES not in name


def _check_against_limit(name: str, request: str, limit: str | None, path: FieldPath) -> Iterator[FieldError]:
    if limit is None:
        if not _overcommits(name):
            yield required(path.limits, "Limit must be set for non overcommitable resources")
    elif request == limit:
        return
    elif quantity.parse(request) != quantity.parse(limit) and not _overcommits(name):
        yield invalid(path.requests, request, f"must be equal to {name} limit of {limit}")
    elif quantity.parse(request) > quantity.parse(limit):
        yield invalid(path.requests, request, f"must be less than or equal to {name} limit of {limit}")
