"""What a kubelet tells of containers: as whom they run, and how the devices they were given fare.

Follows validateContainerStatusUsers and validateContainerStatusAllocatedResourcesStatus in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)
from pybernetes.api.models.core_v1 import (
    Container,
    ContainerStatus,
    PodSpec,
    PodStatus,
    ResourceHealth,
    ResourceStatus,
)
from pybernetes.apiserver.validation.security import check_id

HEALTH = ("Healthy", "Unhealthy", "Unknown")
LONGEST_MESSAGE = 1024
_CLAIM = "claim:"
_NO_CLAIM = (
    "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' "
    "or 'claim:<claimName>' if request is empty"
)
_NO_REQUEST = "must match one of the container's resource requests"


def check_container_statuses(status: PodStatus, spec: PodSpec, path: FieldPath) -> Iterator[FieldError]:
    os = spec.os.name if spec.os is not None else "linux"
    yield from _check_users(status.container_statuses, os, path.containerStatuses)
    yield from _check_users(status.init_container_statuses, os, path.initContainerStatuses)
    yield from _check_users(status.ephemeral_container_statuses, os, path.ephemeralContainerStatuses)
    yield from _check_allocated(status.container_statuses, spec.containers, path.containerStatuses)
    yield from _check_allocated(status.init_container_statuses, spec.init_containers, path.initContainerStatuses)
    for index, told in enumerate(status.ephemeral_container_statuses):
        if told.allocated_resources_status:
            where = path.ephemeralContainerStatuses[index].allocatedResourcesStatus
            yield forbidden(where, "must not be specified in container status")


def _check_users(statuses: Sequence[ContainerStatus], os: str, path: FieldPath) -> Iterator[FieldError]:
    for index, status in enumerate(statuses):
        user = status.user.linux if status.user is not None else None
        if user is None:
            continue
        where = path[index].user.linux
        if os == "windows":
            yield forbidden(where, "cannot be set for a windows pod")
        elif os == "linux":
            yield from check_id(user.uid, where.uid)
            yield from check_id(user.gid, where.gid)
            for position, group in enumerate(user.supplemental_groups):
                yield from check_id(group, where.supplementalGroups[position])


def _check_allocated(
    statuses: Sequence[ContainerStatus], containers: Sequence[Container], path: FieldPath
) -> Iterator[FieldError]:
    for index, status in enumerate(statuses):
        container = next((one for one in containers if one.name == status.name), None)
        for position, told in enumerate(status.allocated_resources_status):
            where = path[index].allocatedResourcesStatus[position]
            if container is not None:
                yield from _check_asked_for(told, container, where.name)
            yield from _check_health(told.resources, where.resources)


def _check_asked_for(told: ResourceStatus, container: Container, path: FieldPath) -> Iterator[FieldError]:
    if not told.name.startswith(_CLAIM):
        if told.name not in container.resources.requests:
            yield invalid(path, told.name, _NO_REQUEST)
        return
    claims = (f"{claim.name}/{claim.request}" if claim.request else claim.name for claim in container.resources.claims)
    if told.name.removeprefix(_CLAIM) not in claims:
        yield invalid(path, told.name, _NO_CLAIM)


def _check_health(resources: Sequence[ResourceHealth], path: FieldPath) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, resource in enumerate(resources):
        where = path[index]
        if resource.health not in HEALTH:
            yield not_supported(where.health, resource.health, HEALTH)
        if resource.message == "":
            yield required(where.message, "must be non-empty if specified")
        elif resource.message is not None and len(resource.message.encode()) > LONGEST_MESSAGE:
            yield too_long(where.message, resource.message, LONGEST_MESSAGE)
        if resource.resource_id in seen:
            yield duplicate(where.resourceID, resource.resource_id)
        seen.add(resource.resource_id)
