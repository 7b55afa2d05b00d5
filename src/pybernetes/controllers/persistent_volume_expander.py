"""Claims that ask for more than they have get it, where this can be done without a driver.

Directories of nodes have no size of their own: there it is written down at once. For all other volumes the claim is
told that somebody else must do it: CSI's resizer, or nobody.
Follows pkg/controller/volume/expand, and the last steps of pkg/volume/util/operationexecutor's expansion.
"""

from __future__ import annotations

import msgspec

from pybernetes.api import quantity, storage
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.client.events import NORMAL
from pybernetes.controllers.controller import DONE, Context, Controller, For, Reads, Requeue, Result

RESIZE_CONDITIONS = ("Resizing", "FileSystemResizePending", "ControllerResizeError", "NodeResizeError")
REMIND_SECONDS = 600.0


def wants_more(claim: core_v1.PersistentVolumeClaim) -> bool:
    if claim.status.phase != "Bound":
        return False
    return storage.requested(claim) > quantity.parse(claim.status.capacity.get("storage", "0"))


def expanded_volume(volume: core_v1.PersistentVolume, claim: core_v1.PersistentVolumeClaim) -> core_v1.PersistentVolume:
    """The same object when it is large enough."""
    if storage.capacity(volume) >= storage.requested(claim):
        return volume
    capacity = {**volume.spec.capacity, "storage": claim.spec.resources.requests["storage"]}
    return msgspec.structs.replace(volume, spec=msgspec.structs.replace(volume.spec, capacity=capacity))


def expanded_status(claim: core_v1.PersistentVolumeClaim) -> core_v1.PersistentVolumeClaimStatus:
    size, status = claim.spec.resources.requests["storage"], claim.status
    statuses = {name: one for name, one in status.allocated_resource_statuses.items() if name != "storage"}
    return msgspec.structs.replace(
        status,
        capacity={**status.capacity, "storage": size},
        allocated_resources={**status.allocated_resources, "storage": size},
        allocated_resource_statuses=statuses,
        conditions=[one for one in status.conditions if one.type not in RESIZE_CONDITIONS],
    )


class PersistentVolumeExpander(Controller):
    name = "persistentvolume-expander-controller"
    watches = (For(core_v1.PersistentVolumeClaim), Reads(core_v1.PersistentVolume))

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.recorder = context.recorder("volume_expand")

    async def reconcile(self, key: Key) -> Result:
        claim = self.informer(core_v1.PersistentVolumeClaim).get(key)
        if claim is None or not wants_more(claim):
            return DONE
        volume = await self.client.get(core_v1.PersistentVolume, claim.spec.volume_name)
        reference = volume.spec.claim_ref
        if reference is None or reference.uid != claim.metadata.uid:
            return DONE
        if volume.metadata.annotations.get(storage.PROVISIONED_BY) != storage.NODE_LOCAL:
            message = "waiting for an external controller to expand this PVC"
            self.recorder.event(claim, NORMAL, "ExternalExpanding", message)
            return Requeue(REMIND_SECONDS)
        larger = expanded_volume(volume, claim)
        if larger is not volume:
            await self.client.update(larger)
        await self.client.update_status(msgspec.structs.replace(claim, status=expanded_status(claim)))
        message = f"ExpandVolume succeeded for volume {key}"
        self.recorder.event(claim, NORMAL, "VolumeResizeSuccessful", message)
        return DONE
