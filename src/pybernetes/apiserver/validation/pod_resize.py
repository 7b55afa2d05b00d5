"""What the resize of a pod in place may change.

Follows ValidatePodResize in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from pybernetes.api.fields import FieldError, FieldPath, at, forbidden, invalid
from pybernetes.api.models.core_v1 import Container, ContainerResizePolicy, Pod, PodSpec, ResourceRequirements
from pybernetes.apiserver.resources.pod_quality import quality_of_service

_RESIZABLE = ("cpu", "memory")
_RESTARTS = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"
_ONLY = "only cpu and memory resources are mutable"


def check_resize(new: Pod, old: Pod) -> Iterator[FieldError]:
    if _quality(new.spec) != (old.status.qos_class or _quality(old.spec)):
        yield invalid(at.spec, new.status.qos_class, "Pod QOS Class may not change as a result of resizing")
    if not _node_can_resize(old):
        yield forbidden(at.spec, "Pod running on node without support for resize")
    if _has_own_resources(new.spec) or _has_own_resources(old.spec):
        yield from _check_whole(new.spec.resources, old.spec.resources)
    if errors := [*_check_order(new, old, "containers"), *_check_order(new, old, "initContainers")]:
        yield from errors
        return
    errors = [*_check_removals(new.spec, old.spec), *_check_changes(new.spec, old.spec)]
    yield from errors
    if not errors and _with_old_amounts(new.spec, old.spec) != old.spec:
        yield forbidden(at.spec, _ONLY)


def _quality(spec: PodSpec) -> str:
    return quality_of_service(msgspec.to_builtins(spec))


def _has_own_resources(spec: PodSpec) -> bool:
    return spec.resources is not None and bool(spec.resources.requests or spec.resources.limits)


def _node_can_resize(pod: Pod) -> bool:
    running = (status for status in pod.status.container_statuses if status.state.running is not None)
    first = next(running, None)
    return first is None or first.resources is not None


def _check_whole(new: ResourceRequirements | None, old: ResourceRequirements | None) -> Iterator[FieldError]:
    path = at.spec.resources
    if old is not None and new is None:
        yield forbidden(path, "pod-level resources cannot be removed")
        return
    if old is not None and new is not None:
        for table in ("requests", "limits"):
            if _removed(getattr(new, table), getattr(old, table)):
                yield forbidden(path.child(table), f"pod-level resource {table} cannot be removed")
    if new is not None and _amounts_as_in(new, old or ResourceRequirements()) != (old or ResourceRequirements()):
        yield forbidden(at.spec, f"{_ONLY} at pod-level")


def _containers(pod: Pod, field: str) -> Sequence[Container]:
    return pod.spec.containers if field == "containers" else pod.spec.init_containers


def _check_order(new: Pod, old: Pod, field: str) -> Iterator[FieldError]:
    fresh, known, path = _containers(new, field), _containers(old, field), at.spec.child(field)
    if len(fresh) != len(known):
        yield forbidden(path, f"{field} may not be added or removed on resize")
        return
    for index, (after, before) in enumerate(zip(fresh, known, strict=True)):
        if after.name != before.name:
            yield forbidden(path[index].name, f"{field} may not be renamed or reordered on resize")


def _check_removals(new: PodSpec, old: PodSpec) -> Iterator[FieldError]:
    for index, (after, before) in enumerate(zip(new.init_containers, old.init_containers, strict=True)):
        yield from _check_removed(after, before, at.spec.initContainers[index].resources)
    for index, (after, before) in enumerate(zip(new.containers, old.containers, strict=True)):
        yield from _check_removed(after, before, at.spec.containers[index].resources)


def _check_removed(new: Container, old: Container, path: FieldPath) -> Iterator[FieldError]:
    for table in ("requests", "limits"):
        if _removed(getattr(new.resources, table), getattr(old.resources, table)):
            yield forbidden(path.child(table), f"resource {table} cannot be removed")


def _removed(new: Mapping[str, str], old: Mapping[str, str]) -> bool:
    return not old.keys() <= new.keys()


def _check_changes(new: PodSpec, old: PodSpec) -> Iterator[FieldError]:
    for after, before in zip(new.containers, old.containers, strict=True):
        if _sized_as(after, before) != before:
            yield forbidden(at.spec, _ONLY)
    for index, (after, before) in enumerate(zip(new.init_containers, old.init_containers, strict=True)):
        path = at.spec.initContainers[index]
        if _sized_as(after, before) != before:
            yield forbidden(path, "only cpu and memory resources for init or sidecar containers are mutable")
        if after != before and after.restart_policy != "Always":
            for _ in filter(_restarts, after.resize_policy):
                yield forbidden(path, _RESTARTS)


def _restarts(policy: ContainerResizePolicy) -> bool:
    return policy.restart_policy == "RestartContainer"


def _sized_as(new: Container, old: Container) -> Container:
    return msgspec.structs.replace(new, resources=_amounts_as_in(new.resources, old.resources))


def _amounts_as_in(new: ResourceRequirements, old: ResourceRequirements) -> ResourceRequirements:
    """``new`` with the old amounts of what may change, and no claims."""
    return ResourceRequirements(
        limits=_with_amounts(new.limits, old.limits), requests=_with_amounts(new.requests, old.requests)
    )


def _with_amounts(new: Mapping[str, str], old: Mapping[str, str]) -> dict[str, str]:
    kept = {name: amount for name, amount in new.items() if name not in _RESIZABLE}
    return kept | {name: old[name] for name in _RESIZABLE if name in old}


def _with_old_amounts(new: PodSpec, old: PodSpec) -> PodSpec:
    whole = old.resources if _has_own_resources(new) or _has_own_resources(old) else new.resources
    return msgspec.structs.replace(new, containers=old.containers, init_containers=old.init_containers, resources=whole)
