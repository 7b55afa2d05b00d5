"""What a claim asks for now: pure decisions of `persistent_volume_binder.py`.

Follows syncUnboundClaim and syncBoundClaim in pkg/controller/volume/persistentvolume/pv_controller.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from pybernetes.api import storage
from pybernetes.api.fields import quoted
from pybernetes.api.models import core_v1, storage_v1
from pybernetes.client.events import NORMAL, WARNING
from pybernetes.controllers.told import Told

PENDING, BOUND, LOST = "Pending", "Bound", "Lost"
PRE_RESIZE_CAPACITY = "volume.alpha.kubernetes.io/pre-resize-capacity"
IN_TREE = "kubernetes.io/"
MIGRATED = {
    "kubernetes.io/aws-ebs": "ebs.csi.aws.com",
    "kubernetes.io/azure-disk": "disk.csi.azure.com",
    "kubernetes.io/azure-file": "file.csi.azure.com",
    "kubernetes.io/cinder": "cinder.csi.openstack.org",
    "kubernetes.io/gce-pd": "pd.csi.storage.gke.io",
    "kubernetes.io/portworx-volume": "pxd.portworx.com",
    "kubernetes.io/vsphere-volume": "csi.vsphere.vmware.com",
}
"""What was built into Kubernetes once, and the drivers that provision for it now."""


@dataclass(frozen=True, slots=True)
class Bind:
    """Claim and volume are to name each other."""

    volume: core_v1.PersistentVolume


@dataclass(frozen=True, slots=True)
class SetPhase:
    """The claim has no volume; `event` is told only when the phase is new."""

    phase: str
    event: Told | None = None


@dataclass(frozen=True, slots=True)
class UseClass:
    """The claim was made before there was a default class."""

    name: str


@dataclass(frozen=True, slots=True)
class Provision:
    """Somebody else makes a volume for the claim: it is told who."""

    provisioner: str


Step = Bind | SetPhase | UseClass | Provision | None


@dataclass(frozen=True, slots=True)
class ClaimPlan:
    step: Step
    events: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else there is, as far as a plan asks for it."""

    named: core_v1.PersistentVolume | None
    """The volume that the claim names."""
    volumes: Callable[[], Sequence[core_v1.PersistentVolume]]
    classes: Sequence[storage_v1.StorageClass]
    waiting: Callable[[], Sequence[str]]
    """The pods with the claim that have no node yet."""

    def class_named(self, name: str) -> storage_v1.StorageClass | None:
        return next((one for one in self.classes if one.metadata.name == name), None)


def plan_claim(claim: core_v1.PersistentVolumeClaim, around: Surroundings) -> ClaimPlan:
    if storage.BIND_COMPLETED in claim.metadata.annotations:
        return _bound(claim, around)
    if claim.spec.volume_name:
        return _asking_for_one(claim, around.named)
    return _asking_for_any(claim, around)


def _asking_for_any(claim: core_v1.PersistentVolumeClaim, around: Surroundings) -> ClaimPlan:
    name = storage.class_of_claim(claim)
    delayed = storage.waits_for_consumer(around.class_named(name))
    volume = _best_volume(claim, around.volumes(), reserved_only=delayed)
    if volume is not None:
        return ClaimPlan(Bind(volume))
    if not storage.has_class(claim):
        default = storage.default_class(around.classes)
        if default is not None:
            return ClaimPlan(UseClass(default.metadata.name))
    if delayed and storage.SELECTED_NODE not in claim.metadata.annotations:
        return ClaimPlan(SetPhase(PENDING), (_waits(around.waiting()),))
    if name:
        return _provision(name, around.class_named(name))
    message = "no persistent volumes available for this claim and no storage class is set"
    return ClaimPlan(SetPhase(PENDING), (Told(NORMAL, "FailedBinding", message),))


def _best_volume(
    claim: core_v1.PersistentVolumeClaim, volumes: Iterable[core_v1.PersistentVolume], *, reserved_only: bool
) -> core_v1.PersistentVolume | None:
    """Volumes with no more access modes than needed come first."""
    by_modes: dict[frozenset[str], list[core_v1.PersistentVolume]] = {}
    for volume in volumes:
        if storage.allows_access(claim, volume):
            by_modes.setdefault(frozenset(volume.spec.access_modes), []).append(volume)
    groups = (by_modes[modes] for modes in sorted(by_modes, key=len))
    found = (storage.best_volume(claim, group, reserved_only=reserved_only) for group in groups)
    return next((one for one in found if one is not None), None)


def _waits(pods: Sequence[str]) -> Told:
    if not pods:
        return Told(NORMAL, "WaitForFirstConsumer", "waiting for first consumer to be created before binding")
    which = f"pod {pods[0]}" if len(pods) == 1 else f"pods {','.join(pods)}"
    return Told(NORMAL, "WaitForPodScheduled", f"waiting for {which} to be scheduled")


def _provision(name: str, known: storage_v1.StorageClass | None) -> ClaimPlan:
    if known is None:
        message = f"storageclass.storage.k8s.io {quoted(name)} not found"
        return ClaimPlan(None, (Told(WARNING, "ProvisioningFailed", message),))
    provisioner = MIGRATED.get(known.provisioner, known.provisioner)
    if provisioner.startswith(IN_TREE):
        message = f"no volume plugin matched name: {provisioner}"
        return ClaimPlan(None, (Told(WARNING, "ProvisioningFailed", message),))
    message = (
        f"Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the "
        "system administrator. If volume creation is delayed, please verify that the provisioner is running and "
        "correctly registered."
    )
    return ClaimPlan(Provision(provisioner), (Told(NORMAL, "ExternalProvisioning", message),))


def _asking_for_one(claim: core_v1.PersistentVolumeClaim, volume: core_v1.PersistentVolume | None) -> ClaimPlan:
    if volume is None:
        return ClaimPlan(SetPhase(PENDING))
    if volume.spec.claim_ref is None:
        why = why_unfit(volume, claim)
        if not why:
            return ClaimPlan(Bind(volume))
        message = f"Cannot bind to requested volume {quoted(volume.metadata.name)}: {why}"
        return ClaimPlan(SetPhase(PENDING), (Told(WARNING, "VolumeMismatch", message),))
    if storage.is_bound_to(volume, claim):
        return ClaimPlan(Bind(volume))
    message = f"volume {quoted(volume.metadata.name)} already bound to a different claim."
    return ClaimPlan(SetPhase(PENDING), (Told(WARNING, "FailedBinding", message),))


def why_unfit(volume: core_v1.PersistentVolume, claim: core_v1.PersistentVolumeClaim) -> str:
    """Why the volume that a claim names cannot be its own; empty when it can."""
    if volume.metadata.deletion_timestamp is not None:
        return f"the volume is marked for deletion {quoted(volume.metadata.name)}"
    if storage.capacity(volume).value() < storage.requested(claim).value():
        return "requested PV is too small"
    if storage.class_of_volume(volume) != storage.class_of_claim(claim):
        return "storageClassName does not match"
    if storage.attributes_differ(claim, volume):
        return "volumeAttributesClassName does not match"
    if storage.modes_differ(claim, volume):
        return "incompatible volumeMode"
    return "" if storage.allows_access(claim, volume) else "incompatible accessMode"


def _bound(claim: core_v1.PersistentVolumeClaim, around: Surroundings) -> ClaimPlan:
    if not claim.spec.volume_name:
        message = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
        return ClaimPlan(SetPhase(LOST, Told(WARNING, "ClaimLost", message)))
    volume = around.named
    if volume is None:
        message = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
        return ClaimPlan(SetPhase(LOST, Told(WARNING, "ClaimLost", message)))
    reference = volume.spec.claim_ref
    if reference is None or reference.uid == claim.metadata.uid:
        return ClaimPlan(Bind(volume))
    message = "Two claims are bound to the same volume, this one is bound incorrectly"
    return ClaimPlan(SetPhase(LOST, Told(WARNING, "ClaimMisbound", message)))


# ---- how a claim reads when something has been decided


def bound_claim(
    claim: core_v1.PersistentVolumeClaim, volume: core_v1.PersistentVolume
) -> core_v1.PersistentVolumeClaim:
    """The claim when it names its volume; the same object when it does so already."""
    spec, metadata = claim.spec, claim.metadata
    if spec.volume_name != volume.metadata.name:
        spec = msgspec.structs.replace(spec, volume_name=volume.metadata.name)
        if storage.BOUND_BY_CONTROLLER not in metadata.annotations:
            metadata = storage.with_annotation(metadata, storage.BOUND_BY_CONTROLLER, "yes")
    if storage.BIND_COMPLETED not in metadata.annotations:
        metadata = storage.with_annotation(metadata, storage.BIND_COMPLETED, "yes")
    if spec is claim.spec and metadata is claim.metadata:
        return claim
    return msgspec.structs.replace(claim, metadata=metadata, spec=spec)


def provisioned_by(claim: core_v1.PersistentVolumeClaim, provisioner: str) -> core_v1.PersistentVolumeClaim:
    """The claim when it says who makes its volume; the same object when it does so already."""
    if claim.metadata.annotations.get(storage.STORAGE_PROVISIONER) == provisioner:
        return claim
    metadata = storage.with_annotation(claim.metadata, storage.BETA_STORAGE_PROVISIONER, provisioner)
    metadata = storage.with_annotation(metadata, storage.STORAGE_PROVISIONER, provisioner)
    return msgspec.structs.replace(claim, metadata=metadata)


def status_without_volume(claim: core_v1.PersistentVolumeClaim, phase: str) -> core_v1.PersistentVolumeClaimStatus:
    return msgspec.structs.replace(
        claim.status, phase=phase, access_modes=[], capacity={}, current_volume_attributes_class_name=None
    )


def status_with(
    claim: core_v1.PersistentVolumeClaim, volume: core_v1.PersistentVolume
) -> core_v1.PersistentVolumeClaimStatus:
    """Bound. A claim that was bound before keeps its capacity, which resizing changes later than the volume's."""
    status = msgspec.structs.replace(claim.status, phase=BOUND, access_modes=list(volume.spec.access_modes))
    if claim.status.phase == BOUND:
        return status
    before = volume.metadata.annotations.get(PRE_RESIZE_CAPACITY)
    capacity = {"storage": before} if before is not None else dict(volume.spec.capacity)
    attributes = status.current_volume_attributes_class_name
    if claim.status.phase == PENDING:
        attributes = volume.spec.volume_attributes_class_name
    return msgspec.structs.replace(status, capacity=capacity, current_volume_attributes_class_name=attributes)
