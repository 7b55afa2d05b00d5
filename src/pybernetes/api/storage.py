"""What claims and persistent volumes say of each other, as values of the API say it.

The annotations by which binder, scheduler and provisioners agree, and the rules by which a volume fits a claim.
Follows k8s.io/component-helpers/storage/volume and pkg/volume/util/storageclass.go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime

import msgspec

from pybernetes.api import quantity
from pybernetes.api.meta import object_reference
from pybernetes.api.models import core_v1, meta_v1, storage_v1
from pybernetes.api.placement import matches_term
from pybernetes.api.selectors import LabelSelector

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
MIGRATED_TO = "pv.kubernetes.io/migrated-to"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
BETA_STORAGE_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"
BETA_STORAGE_CLASS = "volume.beta.kubernetes.io/storage-class"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
BETA_DEFAULT_CLASS = "storageclass.beta.kubernetes.io/is-default-class"

NO_PROVISIONER = "kubernetes.io/no-provisioner"
NODE_LOCAL = "pybernetes.io/node-local"
"""The provisioner whose volumes are directories of nodes."""

WAIT_FOR_FIRST_CONSUMER = "WaitForFirstConsumer"

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_NOT_SOURCES = frozenset(
    {
        "capacity",
        "access_modes",
        "claim_ref",
        "persistent_volume_reclaim_policy",
        "storage_class_name",
        "mount_options",
        "volume_mode",
        "node_affinity",
        "volume_attributes_class_name",
    }
)


def claim_of(pod: core_v1.Pod, volume: core_v1.Volume) -> str | None:
    """The name of the claim that a volume of a pod is, or that is made for it; None for other volumes."""
    if volume.persistent_volume_claim is not None:
        return volume.persistent_volume_claim.claim_name
    return f"{pod.metadata.name}-{volume.name}" if volume.ephemeral is not None else None


def claims_of(pod: core_v1.Pod) -> Iterator[str]:
    for volume in pod.spec.volumes:
        name = claim_of(pod, volume)
        if name is not None:
            yield name


def class_of_claim(claim: core_v1.PersistentVolumeClaim) -> str:
    return claim.metadata.annotations.get(BETA_STORAGE_CLASS, claim.spec.storage_class_name or "")


def has_class(claim: core_v1.PersistentVolumeClaim) -> bool:
    """An empty name is a class too: that of volumes without one."""
    return BETA_STORAGE_CLASS in claim.metadata.annotations or claim.spec.storage_class_name is not None


def class_of_volume(volume: core_v1.PersistentVolume) -> str:
    return volume.metadata.annotations.get(BETA_STORAGE_CLASS, volume.spec.storage_class_name)


def default_class(classes: Iterable[storage_v1.StorageClass]) -> storage_v1.StorageClass | None:
    """The newest of those that are marked; of equally new ones the first by name."""
    marked = sorted((one for one in classes if _is_default(one)), key=lambda one: one.metadata.name)
    return max(marked, key=lambda one: one.metadata.creation_timestamp or _LONG_AGO, default=None)


def _is_default(one: storage_v1.StorageClass) -> bool:
    annotations = one.metadata.annotations
    return "true" in (annotations.get(DEFAULT_CLASS), annotations.get(BETA_DEFAULT_CLASS))


def waits_for_consumer(known: storage_v1.StorageClass | None) -> bool:
    return known is not None and known.volume_binding_mode == WAIT_FOR_FIRST_CONSUMER


def source_of(spec: core_v1.PersistentVolumeSpec) -> str:
    """The field of the volume's source, in Python's case; empty when there is none."""
    fields = (one for one in spec.__struct_fields__ if one not in _NOT_SOURCES and getattr(spec, one) is not None)
    return next(fields, "")


def is_fully_bound(claim: core_v1.PersistentVolumeClaim) -> bool:
    return bool(claim.spec.volume_name) and BIND_COMPLETED in claim.metadata.annotations


def is_bound_to(volume: core_v1.PersistentVolume, claim: core_v1.PersistentVolumeClaim) -> bool:
    """Whether the volume names the claim; one that a user reserved names it without a uid."""
    reference = volume.spec.claim_ref
    return (
        reference is not None
        and reference.name == claim.metadata.name
        and reference.namespace == claim.metadata.namespace
        and reference.uid in ("", claim.metadata.uid)
    )


def bound_to(volume: core_v1.PersistentVolume, claim: core_v1.PersistentVolumeClaim) -> core_v1.PersistentVolume:
    """The volume as it is when it names the claim; the same object when it does so already."""
    reference = volume.spec.claim_ref
    was_bound = is_bound_to(volume, claim)
    if was_bound and reference is not None and reference.uid == claim.metadata.uid:
        return volume
    spec = msgspec.structs.replace(volume.spec, claim_ref=object_reference(claim))
    metadata = volume.metadata if was_bound else with_annotation(volume.metadata, BOUND_BY_CONTROLLER, "yes")
    return msgspec.structs.replace(volume, metadata=metadata, spec=spec)


def with_annotation(metadata: meta_v1.ObjectMeta, name: str, value: str) -> meta_v1.ObjectMeta:
    if metadata.annotations.get(name) == value:
        return metadata
    return msgspec.structs.replace(metadata, annotations={**metadata.annotations, name: value})


def requested(claim: core_v1.PersistentVolumeClaim) -> quantity.Quantity:
    return quantity.parse(claim.spec.resources.requests.get("storage", "0"))


def capacity(volume: core_v1.PersistentVolume) -> quantity.Quantity:
    return quantity.parse(volume.spec.capacity.get("storage", "0"))


def modes_differ(claim: core_v1.PersistentVolumeClaim, volume: core_v1.PersistentVolume) -> bool:
    return (claim.spec.volume_mode or "Filesystem") != (volume.spec.volume_mode or "Filesystem")


def allows_access(claim: core_v1.PersistentVolumeClaim, volume: core_v1.PersistentVolume) -> bool:
    return set(claim.spec.access_modes) <= set(volume.spec.access_modes)


def attributes_differ(claim: core_v1.PersistentVolumeClaim, volume: core_v1.PersistentVolume) -> bool:
    return (claim.spec.volume_attributes_class_name or "") != (volume.spec.volume_attributes_class_name or "")


def reaches(volume: core_v1.PersistentVolume, node: core_v1.Node) -> bool:
    """Whether the volume's node affinity lets pods on the node use it."""
    affinity = volume.spec.node_affinity
    if affinity is None or affinity.required is None:
        return True
    return any(matches_term(term, node) for term in affinity.required.node_selector_terms)


def is_candidate(volume: core_v1.PersistentVolume, claim: core_v1.PersistentVolumeClaim) -> bool:
    """Whether the volume would do for the claim if it is free; nodes and access modes are not looked at."""
    if volume.spec.claim_ref is not None and not is_bound_to(volume, claim):
        return False
    if capacity(volume) < requested(claim) or modes_differ(claim, volume) or attributes_differ(claim, volume):
        return False
    return volume.metadata.deletion_timestamp is None


def is_free_for(volume: core_v1.PersistentVolume, claim: core_v1.PersistentVolumeClaim) -> bool:
    """Whether a candidate that is nobody's is of the claim's class and has the labels that it asks for."""
    if volume.status.phase != "Available" or class_of_volume(volume) != class_of_claim(claim):
        return False
    selector = claim.spec.selector
    return selector is None or LabelSelector.from_model(selector).matches(volume.metadata.labels)


def best_volume(
    claim: core_v1.PersistentVolumeClaim,
    volumes: Iterable[core_v1.PersistentVolume],
    *,
    node: core_v1.Node | None = None,
    taken: Collection[str] = (),
    reserved_only: bool = False,
) -> core_v1.PersistentVolume | None:
    """The volume that is reserved for the claim, or else the smallest that would do.

    With a node only volumes that it reaches and that allow the access; `taken` are names that others have;
    `reserved_only` leaves the choice among free volumes to somebody else.
    """
    smallest: core_v1.PersistentVolume | None = None
    for volume in volumes:
        if volume.metadata.name in taken or not is_candidate(volume, claim):
            continue
        if is_bound_to(volume, claim):
            return volume if node is None or reaches(volume, node) else None
        if reserved_only or not is_free_for(volume, claim):
            continue
        if node is not None and not (reaches(volume, node) and allows_access(claim, volume)):
            continue
        if smallest is None or capacity(volume) < capacity(smallest):
            smallest = volume
    return smallest
