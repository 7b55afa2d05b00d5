"""What an update may change in a pod.

Follows ValidatePodUpdate, ValidatePodEphemeralContainersUpdate and ValidatePodResize in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from pybernetes.api.fields import FieldError, at, forbidden, invalid
from pybernetes.api.models.core_v1 import Affinity, Container, Pod, PodSpec, Toleration
from pybernetes.apiserver.validation.simple import in_range

_UPDATABLE = (
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
)
_MAXIMUM = 2147483647


def check_pod_update(new: Pod, old: Pod) -> Iterator[FieldError]:
    after, before = new.spec, old.spec
    for field, fresh, known in (
        ("containers", after.containers, before.containers),
        ("initContainers", after.init_containers, before.init_containers),
    ):
        if len(fresh) != len(known):
            yield forbidden(getattr(at.spec, field), "pod updates may not add or remove containers")
            return
    deadline = after.active_deadline_seconds
    if deadline is not None:
        if not 0 <= deadline <= _MAXIMUM:
            yield invalid(at.spec.activeDeadlineSeconds, deadline, in_range(0, _MAXIMUM))
            return
        if before.active_deadline_seconds is not None and before.active_deadline_seconds < deadline:
            yield invalid(at.spec.activeDeadlineSeconds, deadline, "must be less than or equal to previous value")
            return
    elif before.active_deadline_seconds is not None:
        yield invalid(at.spec.activeDeadlineSeconds, None, "must not update from a positive integer to nil value")
    if not _only_added(after.tolerations, before.tolerations):
        message = "existing toleration can not be modified except its tolerationSeconds"
        yield forbidden(at.spec.tolerations, message)
    gates = {gate.name for gate in before.scheduling_gates}
    for index, gate in enumerate(after.scheduling_gates):
        if gate.name not in gates:
            message = f"only deletion is allowed, but found new scheduling gate '{gate.name}'"
            yield forbidden(at.spec.schedulingGates[index].name, message)
    munged = _without_allowed_changes(after, before)
    if munged != before:
        fields = ",".join(_UPDATABLE)
        difference = spec_difference(munged, before)
        yield forbidden(at.spec, f"pod updates may not change fields other than {fields}\n{difference}")


def _only_added(new: Sequence[Toleration], old: Sequence[Toleration]) -> bool:
    kept = [_timeless(toleration) for toleration in new]
    return all(_timeless(toleration) in kept for toleration in old)


def _timeless(toleration: Toleration) -> Toleration:
    return msgspec.structs.replace(toleration, toleration_seconds=None)


def _without_allowed_changes(new: PodSpec, old: PodSpec) -> PodSpec:
    munged = msgspec.structs.replace(
        new,
        containers=_with_images(new.containers, old.containers),
        init_containers=_with_images(new.init_containers, old.init_containers),
        active_deadline_seconds=old.active_deadline_seconds,
        tolerations=old.tolerations,
        scheduling_gates=old.scheduling_gates,
    )
    grace = old.termination_grace_period_seconds
    if grace is not None and grace < 0 and new.termination_grace_period_seconds == 1:
        munged.termination_grace_period_seconds = grace
    if old.scheduling_gates:
        _allow_tighter_placement(munged, old)
    return munged


def _with_images(new: Sequence[Container], old: Sequence[Container]) -> list[Container]:
    return [
        msgspec.structs.replace(fresh, image=known.image) if fresh.image else fresh
        for fresh, known in zip(new, old, strict=True)
    ]


def _allow_tighter_placement(munged: PodSpec, old: PodSpec) -> None:
    """A gated pod's placement may become narrower."""
    if old.node_selector.items() <= munged.node_selector.items():
        munged.node_selector = old.node_selector
    if munged.affinity is not None and (old.affinity is None or old.affinity.node_affinity is None):
        others = msgspec.structs.replace(munged.affinity, node_affinity=None)
        munged.affinity = others if others != Affinity() or old.affinity is not None else None


def spec_difference(new: Any, old: Any) -> str:
    """The fields that differ, as lines of a patch."""
    lines = [f"  {type(old).__name__}{{"]
    for field in msgspec.structs.fields(type(old)):
        after, before = getattr(new, field.name), getattr(old, field.name)
        if after != before:
            lines.append(f"- \t{field.encode_name}: {msgspec.json.encode(after).decode()},")
            lines.append(f"+ \t{field.encode_name}: {msgspec.json.encode(before).decode()},")
    return "\n".join([*lines, "  }", ""])


def check_ephemeral_containers_update(new: Pod, old: Pod) -> Iterator[FieldError]:
    path = at.spec.ephemeralContainers
    fresh = {container.name: container for container in new.spec.ephemeral_containers}
    for container in old.spec.ephemeral_containers:
        if container.name not in fresh:
            yield forbidden(path, f'existing ephemeral containers "{container.name}" may not be removed\n')
        elif fresh[container.name] != container:
            message = f'existing ephemeral containers "{container.name}" may not be changed\n'
            yield forbidden(path, message + spec_difference(fresh[container.name], container))


def check_resize(new: Pod, old: Pod) -> Iterator[FieldError]:
    if new.status.qos_class != old.status.qos_class:
        yield invalid(at, new.status.qos_class, "Pod QOS Class may not change as a result of resizing")
    for field, fresh, known in (
        ("containers", new.spec.containers, old.spec.containers),
        ("initContainers", new.spec.init_containers, old.spec.init_containers),
    ):
        if [container.name for container in fresh] != [container.name for container in known]:
            yield forbidden(getattr(at.spec, field), "containers may not be added, removed or renamed")
            return
        for index, (after, before) in enumerate(zip(fresh, known, strict=True)):
            path = getattr(at.spec, field)[index].resources
            for name in ("limits", "requests"):
                gone = set(getattr(before.resources, name)) - set(getattr(after.resources, name))
                if gone:
                    yield forbidden(getattr(path, name), f"resource {name} cannot be removed")
