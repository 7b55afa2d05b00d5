"""What a persistent volume asks for now: pure decisions of `persistent_volume_binder.py`.

Follows syncVolume and reclaimVolume in pkg/controller/volume/persistentvolume/pv_controller.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from pybernetes.api import storage
from pybernetes.api.fields import quoted
from pybernetes.api.models import core_v1
from pybernetes.client.events import WARNING
from pybernetes.controllers.persistent_claim_plan import IN_TREE, MIGRATED
from pybernetes.controllers.told import Told

AVAILABLE, BOUND, RELEASED, FAILED = "Available", "Bound", "Released", "Failed"
_DELETABLE_PATH = re.compile(r"/tmp/.+")
"""Anchored, unlike upstream's: a `/tmp/` further down the path is nobody's temporary directory."""


@dataclass(frozen=True, slots=True)
class VolumePlan:
    phase: str
    message: str = ""
    unbind: bool = False
    """Whether it is to be nobody's again, or reserved only, before the phase is written."""
    event: Told | None = None
    """Of the volume."""
    claim_event: Told | None = None
    """Of the claim that it names."""


def plan_volume(volume: core_v1.PersistentVolume, claim: core_v1.PersistentVolumeClaim | None) -> VolumePlan:
    """`claim` is the one that the volume names, if it exists with the same uid."""
    reference = volume.spec.claim_ref
    if reference is None or not reference.uid:
        return VolumePlan(AVAILABLE)
    if claim is None:
        return _reclaim(volume)
    if claim.spec.volume_name == volume.metadata.name:
        return VolumePlan(BOUND)
    if not claim.spec.volume_name:
        return _half_bound(volume, claim)
    provisioned = storage.PROVISIONED_BY in volume.metadata.annotations
    if provisioned and volume.spec.persistent_volume_reclaim_policy == "Delete":
        return _reclaim(volume)
    return VolumePlan(AVAILABLE, unbind=True)


def _half_bound(volume: core_v1.PersistentVolume, claim: core_v1.PersistentVolumeClaim) -> VolumePlan:
    """Binding goes on with the claim, unless it never can."""
    if not storage.modes_differ(claim, volume):
        return VolumePlan(volume.status.phase, volume.status.message)
    of_volume = (
        f"Cannot bind PersistentVolume to requested PersistentVolumeClaim {quoted(claim.metadata.name)} due to "
        "incompatible volumeMode."
    )
    of_claim = (
        f"Cannot bind PersistentVolume {quoted(volume.metadata.name)} to requested PersistentVolumeClaim due to "
        "incompatible volumeMode."
    )
    return VolumePlan(
        volume.status.phase,
        volume.status.message,
        event=Told(WARNING, "VolumeMismatch", of_volume),
        claim_event=Told(WARNING, "VolumeMismatch", of_claim),
    )


def _reclaim(volume: core_v1.PersistentVolume) -> VolumePlan:
    """Its claim has gone. A volume that failed stays so, for its users to see."""
    failure = why_not_reclaimed(volume)
    if failure is not None:
        return VolumePlan(FAILED, failure.message, event=failure)
    if volume.status.phase == FAILED:
        return VolumePlan(FAILED, volume.status.message)
    return VolumePlan(RELEASED)


def why_not_reclaimed(volume: core_v1.PersistentVolume) -> Told | None:
    """None: it is kept, or somebody else deletes it: a provisioner, or the node that has the directory."""
    match volume.spec.persistent_volume_reclaim_policy:
        case "Retain" | "":
            return None
        case "Recycle":
            return Told(WARNING, "VolumeFailedRecycle", "No recycler plugin found for the volume!")
        case "Delete":
            why = _why_not_deleted(volume)
            return Told(WARNING, "VolumeFailedDelete", why) if why else None
    message = "Volume has unrecognized PersistentVolumeReclaimPolicy"
    return Told(WARNING, "VolumeUnknownReclaimPolicy", message)


def _why_not_deleted(volume: core_v1.PersistentVolume) -> str:
    annotations, spec = volume.metadata.annotations, volume.spec
    if storage.MIGRATED_TO in annotations:
        return ""
    provisioner = annotations.get(storage.PROVISIONED_BY, "")
    if provisioner:
        built_in = provisioner.startswith(IN_TREE) and provisioner not in MIGRATED
        return f"no volume plugin matched name: {provisioner}" if built_in else ""
    if spec.csi is not None:
        return ""
    if spec.host_path is not None:
        if _DELETABLE_PATH.match(spec.host_path.path):
            return ""
        return f"host_path deleter only supports /tmp/.+ but received provided {spec.host_path.path}"
    name = quoted(volume.metadata.name)
    return f"error getting deleter volume plugin for volume {name}: no deletable volume plugin matched"


def unbound(volume: core_v1.PersistentVolume) -> core_v1.PersistentVolume:
    """What the controller bound is free again; what a user reserved stays reserved by name."""
    spec, metadata = volume.spec, volume.metadata
    if storage.BOUND_BY_CONTROLLER in metadata.annotations:
        annotations = {key: one for key, one in metadata.annotations.items() if key != storage.BOUND_BY_CONTROLLER}
        metadata = msgspec.structs.replace(metadata, annotations=annotations)
        spec = msgspec.structs.replace(spec, claim_ref=None)
    elif spec.claim_ref is not None:
        spec = msgspec.structs.replace(spec, claim_ref=msgspec.structs.replace(spec.claim_ref, uid=""))
    return msgspec.structs.replace(volume, metadata=metadata, spec=spec)


def in_phase(volume: core_v1.PersistentVolume, phase: str, message: str = "") -> core_v1.PersistentVolume:
    """The same object when it is in the phase already."""
    if volume.status.phase == phase:
        return volume
    status = msgspec.structs.replace(volume.status, phase=phase, message=message)
    return msgspec.structs.replace(volume, status=status)
