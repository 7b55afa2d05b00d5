"""The claims of a StatefulSet's pods: their names, and who owns them by the retention policy.

Follows pkg/controller/statefulset/stateful_set_utils.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from pybernetes.api import meta
from pybernetes.api.models import apps_v1, core_v1, meta_v1

DELETE = "Delete"


@dataclass(frozen=True, slots=True)
class Retention:
    deletes_with_set: bool
    deletes_with_pod: bool

    @classmethod
    def of(cls, stateful_set: apps_v1.StatefulSet) -> Retention:
        policy = stateful_set.spec.persistent_volume_claim_retention_policy
        if policy is None:
            return cls(False, False)
        return cls(policy.when_deleted == DELETE, policy.when_scaled == DELETE)


def claim_name(stateful_set: apps_v1.StatefulSet, template: core_v1.PersistentVolumeClaim, ordinal: int) -> str:
    return f"{template.metadata.name}-{stateful_set.metadata.name}-{ordinal}"


def claims_for(stateful_set: apps_v1.StatefulSet, ordinal: int) -> Iterator[core_v1.PersistentVolumeClaim]:
    """The claims that the pod of an ordinal needs, as they are to be created."""
    selector = stateful_set.spec.selector
    selected = {} if selector is None else selector.match_labels
    for template in stateful_set.spec.volume_claim_templates:
        metadata = meta_v1.ObjectMeta(
            name=claim_name(stateful_set, template, ordinal),
            namespace=stateful_set.metadata.namespace,
            labels={**template.metadata.labels, **selected},
            annotations=dict(template.metadata.annotations),
            finalizers=list(template.metadata.finalizers),
        )
        yield core_v1.PersistentVolumeClaim(metadata=metadata, spec=template.spec)


def is_of_former_pod(claim: core_v1.PersistentVolumeClaim, pod_name: str, uid: str = "") -> bool:
    """It goes with a pod of this name that was another one."""
    return any(_refers(one, "v1", "Pod", pod_name) and one.uid != uid for one in claim.metadata.owner_references)


def has_conflicting_controller(
    claim: core_v1.PersistentVolumeClaim, stateful_set: apps_v1.StatefulSet, pod: core_v1.Pod
) -> bool:
    """Somebody else decides when it goes: another set or pod of the same name, or another controller."""
    retention = Retention.of(stateful_set)
    if not retention.deletes_with_pod and not retention.deletes_with_set:
        return False
    for one in claim.metadata.owner_references:
        owner = _named(one, stateful_set, pod)
        if owner is None:
            if one.controller:
                return True
        elif one.uid != owner.metadata.uid:
            return True
    return False


def owners_wanted(
    claim: core_v1.PersistentVolumeClaim,
    stateful_set: apps_v1.StatefulSet,
    pod: core_v1.Pod,
    *,
    is_condemned: bool,
) -> list[meta_v1.OwnerReference] | None:
    """The owners that the claim must be given; None where it has the right ones.

    ``is_condemned``: the pod is one too many.
    """
    present = claim.metadata.owner_references
    for one in present:
        owner = _named(one, stateful_set, pod)
        if owner is not None and one.uid != owner.metadata.uid:
            return None
    others = [one for one in present if _named(one, stateful_set, pod) is None]
    wanted = others
    if not has_conflicting_controller(claim, stateful_set, pod):
        retention = Retention.of(stateful_set)
        if retention.deletes_with_pod and is_condemned:
            wanted = [*others, meta.owner_reference(pod)]
        elif retention.deletes_with_set:
            wanted = [*others, meta.owner_reference(stateful_set)]
    return None if _ties(wanted) == _ties(present) else wanted


def owned_by(
    claim: core_v1.PersistentVolumeClaim, owners: list[meta_v1.OwnerReference]
) -> core_v1.PersistentVolumeClaim:
    return msgspec.structs.replace(claim, metadata=msgspec.structs.replace(claim.metadata, owner_references=owners))


def _ties(owners: list[meta_v1.OwnerReference]) -> set[tuple[str, bool]]:
    return {(one.uid, bool(one.controller)) for one in owners}


def _named(
    reference: meta_v1.OwnerReference, stateful_set: apps_v1.StatefulSet, pod: core_v1.Pod
) -> apps_v1.StatefulSet | core_v1.Pod | None:
    """Which of the two a reference names, whether it means this very one or a former one."""
    if _refers(reference, "apps/v1", "StatefulSet", stateful_set.metadata.name):
        return stateful_set
    return pod if _refers(reference, "v1", "Pod", pod.metadata.name) else None


def _refers(reference: meta_v1.OwnerReference, api_version: str, kind: str, name: str) -> bool:
    return (reference.api_version, reference.kind, reference.name) == (api_version, kind, name)
