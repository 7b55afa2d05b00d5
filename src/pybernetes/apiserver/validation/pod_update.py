"""What an update may change in a pod.

Follows ValidatePodUpdate and ValidatePodEphemeralContainersUpdate in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from pybernetes.api.fields import FieldError, FieldPath, at, forbidden, invalid, quoted, required
from pybernetes.api.models.core_v1 import (
    Affinity,
    Container,
    NodeAffinity,
    NodeSelectorTerm,
    Pod,
    PodSchedulingGate,
    PodSpec,
    Toleration,
)
from pybernetes.apiserver.validation.containers import check_image_spacing
from pybernetes.apiserver.validation.internal_form import difference, internal_form
from pybernetes.apiserver.validation.pod_annotations import MIRROR
from pybernetes.apiserver.validation.scheduling import check_tolerations
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
        path = getattr(at.spec, field)
        if len(fresh) != len(known):
            yield forbidden(path, "pod updates may not add or remove containers")
            return
        for index, container in enumerate(fresh):
            if not container.image:
                yield required(path[index].image)
            yield from check_image_spacing(container, path[index])
    if errors := list(_check_deadline(after.active_deadline_seconds, before.active_deadline_seconds)):
        yield from errors
        if after.active_deadline_seconds is not None:
            return
    yield from _check_only_added(after.tolerations, before.tolerations, at.spec.tolerations)
    yield from _check_only_lifted(after.scheduling_gates, before.scheduling_gates, at.spec.schedulingGates)
    if after == before:
        return
    if before.scheduling_gates:
        yield from _check_placement(after, before)
    munged = _without_allowed_changes(after, before)
    if munged != before:
        message = f"pod updates may not change fields other than {','.join(_UPDATABLE)}\n"
        yield forbidden(at.spec, message + difference(before, munged))


def _check_deadline(new: int | None, old: int | None) -> Iterator[FieldError]:
    path = at.spec.activeDeadlineSeconds
    if new is None:
        if old is not None:
            yield invalid(path, None, "must not update from a positive integer to nil value")
    elif not 0 <= new <= _MAXIMUM:
        yield invalid(path, new, in_range(0, _MAXIMUM))
    elif old is not None and old < new:
        yield invalid(path, new, "must be less than or equal to previous value")


def _check_only_added(new: Sequence[Toleration], old: Sequence[Toleration], path: FieldPath) -> Iterator[FieldError]:
    if new != old:
        kept = [_timeless(toleration) for toleration in new]
        if any(_timeless(toleration) not in kept for toleration in old):
            yield forbidden(path, "existing toleration can not be modified except its tolerationSeconds")
            return
    yield from check_tolerations(new, path)


def _timeless(toleration: Toleration) -> Toleration:
    return msgspec.structs.replace(toleration, toleration_seconds=None)


def _check_only_lifted(
    new: Sequence[PodSchedulingGate], old: Sequence[PodSchedulingGate], path: FieldPath
) -> Iterator[FieldError]:
    known = {gate.name for gate in old}
    for index, gate in enumerate(new):
        if gate.name not in known:
            message = f"only deletion is allowed, but found new scheduling gate '{gate.name}'"
            yield forbidden(path[index].name, message)


def _check_placement(new: PodSpec, old: PodSpec) -> Iterator[FieldError]:
    """Where a gated pod may go can become narrower."""
    if not old.node_selector.items() <= new.node_selector.items():
        message = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        yield invalid(at.spec.nodeSelector, new.node_selector or None, message)
    before, after = _node_affinity(old), _node_affinity(new)
    if before != after:
        yield from _check_node_affinity(after, before, at.spec.affinity.nodeAffinity)


def _node_affinity(spec: PodSpec) -> NodeAffinity | None:
    return spec.affinity.node_affinity if spec.affinity is not None else None


def _check_node_affinity(new: NodeAffinity | None, old: NodeAffinity | None, path: FieldPath) -> Iterator[FieldError]:
    wanted = old.required_during_scheduling_ignored_during_execution if old is not None else None
    if wanted is None:
        return
    path = path.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms
    found = new.required_during_scheduling_ignored_during_execution if new is not None else None
    before = wanted.node_selector_terms
    after = found.node_selector_terms if found is not None else []
    if before and len(after) != len(before):
        yield invalid(
            path, internal_form(after), "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        )
        return
    for index, (fresh, known) in enumerate(zip(after, before, strict=True)):
        if not _only_narrower(fresh, known):
            message = "only additions are allowed (no mutations or deletions)"
            yield invalid(path[index], internal_form(fresh), message)


def _only_narrower(new: NodeSelectorTerm, old: NodeSelectorTerm) -> bool:
    if not old.match_expressions and not old.match_fields:
        return not new.match_expressions and not new.match_fields
    pairs = ((new.match_expressions, old.match_expressions), (new.match_fields, old.match_fields))
    return all(fresh[: len(known)] == known for fresh, known in pairs)


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
        munged.node_selector = old.node_selector
        munged.affinity = _with_node_affinity(new.affinity, old.affinity)
    return munged


def _with_images(new: Sequence[Container], old: Sequence[Container]) -> list[Container]:
    return [msgspec.structs.replace(fresh, image=known.image) for fresh, known in zip(new, old, strict=True)]


def _with_node_affinity(new: Affinity | None, old: Affinity | None) -> Affinity | None:
    known = old.node_affinity if old is not None else None
    if new is None:
        return Affinity(node_affinity=known) if known is not None else None
    if new.node_affinity == known:
        return new
    munged = msgspec.structs.replace(new, node_affinity=known)
    return None if old is None and munged == Affinity() else munged


def check_ephemeral_containers_update(new: Pod, old: Pod) -> Iterator[FieldError]:
    path = at.spec.ephemeralContainers
    fresh = {container.name: container for container in new.spec.ephemeral_containers}
    for container in old.spec.ephemeral_containers:
        name = quoted(container.name)
        if container.name not in fresh:
            yield forbidden(path, f"existing ephemeral containers {name} may not be removed\n")
        elif fresh[container.name] != container:
            changes = difference(container, fresh[container.name])
            yield forbidden(path, f"existing ephemeral containers {name} may not be changed\n{changes}")


def is_mirror(pod: Pod) -> bool:
    """The image of a static pod, which only its kubelet changes."""
    return MIRROR in pod.metadata.annotations
