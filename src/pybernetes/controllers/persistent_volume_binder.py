"""Claims and persistent volumes are bound to each other, and volumes whose claims have gone are reclaimed.

Guarantees
  The volume is written before the claim: whatever fails in between, the next pass goes on with the same pair.
  Two claims never get one volume: whoever is second is refused by the volume's resource version.
  A volume is released only when the API server says that its claim has gone, however late the informer is.
Not built: recycling (a volume with that policy fails and says so). Volumes are provisioned and deleted by others: the
nodes for `pybernetes.io/node-local` and for host paths below /tmp, CSI's own controllers for theirs.
Follows pkg/controller/volume/persistentvolume. `persistent_claim_plan` and `persistent_volume_plan` decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import msgspec

from pybernetes.api import storage
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, storage_v1
from pybernetes.client import key_of
from pybernetes.controllers.claim_users import USERS, claims_of_pod, is_over
from pybernetes.controllers.controller import DONE, Context, Controller, For, Maps, Reads, Requeue, Result
from pybernetes.controllers.persistent_claim_plan import (
    Bind,
    Provision,
    SetPhase,
    Surroundings,
    UseClass,
    bound_claim,
    plan_claim,
    provisioned_by,
    status_with,
    status_without_volume,
)
from pybernetes.controllers.persistent_volume_plan import AVAILABLE, BOUND, in_phase, plan_volume, unbound

RESYNC_SECONDS = 15.0
"""After so long a claim that waits is looked at again, and says again what it waits for."""
NAMING = "volume-of-claim"
RESERVED = "claim-of-volume"


def affected(controller: Controller, volume: core_v1.PersistentVolume) -> Iterable[Key]:
    """The claim that it names, or every claim of its class that might want it."""
    claims, reference = controller.informer(core_v1.PersistentVolumeClaim), volume.spec.claim_ref
    yield from map(key_of, claims.by_index(NAMING, volume.metadata.name))
    if reference is not None:
        yield Key(reference.namespace, reference.name)
    elif volume.status.phase == AVAILABLE:
        wanted = storage.class_of_volume(volume)
        waiting = claims.by_index(NAMING, "")
        yield from (key_of(claim) for claim in waiting if storage.class_of_claim(claim) == wanted)


def volumes_of(controller: Controller, claim: core_v1.PersistentVolumeClaim) -> Iterable[Key]:
    """The volume that it names, and those that name it: what becomes of them depends on the claim."""
    if claim.spec.volume_name:
        yield Key("", claim.spec.volume_name)
    yield from map(key_of, controller.informer(core_v1.PersistentVolume).by_index(RESERVED, str(key_of(claim))))


def unbound_claims(controller: Controller, _: storage_v1.StorageClass) -> Iterable[Key]:
    return map(key_of, controller.informer(core_v1.PersistentVolumeClaim).by_index(NAMING, ""))


def _reserved_for(volume: core_v1.PersistentVolume) -> Iterable[str]:
    reference = volume.spec.claim_ref
    return () if reference is None else (str(Key(reference.namespace, reference.name)),)


class PersistentVolumeBinder(Controller):
    """Keys without a namespace are volumes'."""

    name = "persistentvolume-binder-controller"
    workers = 1
    watches = (
        For(core_v1.PersistentVolumeClaim),
        For(core_v1.PersistentVolume),
        Maps(core_v1.PersistentVolume, affected),
        Maps(core_v1.PersistentVolumeClaim, volumes_of),
        Maps(storage_v1.StorageClass, unbound_claims),
        Reads(core_v1.Pod),
    )

    def __init__(self, context: Context) -> None:
        self.claims = context.informers.get(core_v1.PersistentVolumeClaim)
        self.volumes = context.informers.get(core_v1.PersistentVolume)
        self.pods = context.informers.get(core_v1.Pod)
        self.claims.add_index(NAMING, lambda claim: (claim.spec.volume_name,))
        self.volumes.add_index(RESERVED, _reserved_for)
        self.pods.add_index(USERS, claims_of_pod)
        super().__init__(context)
        self.recorder = context.recorder("persistentvolume-controller")

    async def reconcile(self, key: Key) -> Result:
        if key.namespace:
            claim = self.claims.get(key)
            return DONE if claim is None else await self._claim(claim)
        volume = self.volumes.get(key)
        if volume is not None:
            await self._volume(volume)
        return DONE

    # ---- claims

    async def _claim(self, claim: core_v1.PersistentVolumeClaim) -> Result:
        classes = self.informer(storage_v1.StorageClass).list()
        named = self.volumes.get(Key("", claim.spec.volume_name))
        around = Surroundings(named, self.volumes.list, classes, partial(self._waiting_pods, claim))
        planned = plan_claim(claim, around)
        for told in planned.events:
            self.recorder.event(claim, told.type, told.reason, told.message)
        match planned.step:
            case Bind(volume):
                await self._bind(claim, volume)
                return DONE
            case SetPhase(phase, event):
                if event is not None and claim.status.phase != phase:
                    self.recorder.event(claim, event.type, event.reason, event.message)
                await self._write_status(claim, status_without_volume(claim, phase))
            case UseClass(name):
                spec = msgspec.structs.replace(claim.spec, storage_class_name=name)
                await self.client.update(msgspec.structs.replace(claim, spec=spec))
            case Provision(provisioner):
                wanted = provisioned_by(claim, provisioner)
                if wanted is not claim:
                    await self.client.update(wanted)
            case None:
                pass
        return Requeue(RESYNC_SECONDS) if claim.status.phase != "Lost" else DONE

    async def _bind(self, claim: core_v1.PersistentVolumeClaim, volume: core_v1.PersistentVolume) -> None:
        reserved = storage.bound_to(volume, claim)
        if reserved is not volume:
            reserved = await self.client.update(reserved)
        in_use = in_phase(reserved, BOUND)
        if in_use is not reserved:
            await self.client.update_status(in_use)
        bound = bound_claim(claim, volume)
        if bound is not claim:
            bound = await self.client.update(bound)
        await self._write_status(bound, status_with(bound, volume))

    async def _write_status(
        self, claim: core_v1.PersistentVolumeClaim, status: core_v1.PersistentVolumeClaimStatus
    ) -> None:
        if status != claim.status:
            await self.client.update_status(msgspec.structs.replace(claim, status=status))

    def _waiting_pods(self, claim: core_v1.PersistentVolumeClaim) -> Sequence[str]:
        users = self.pods.by_index(USERS, str(key_of(claim)))
        return [pod.metadata.name for pod in users if not pod.spec.node_name and not is_over(pod)]

    # ---- volumes

    async def _volume(self, volume: core_v1.PersistentVolume) -> None:
        claim = await self._claim_of(volume)
        planned = plan_volume(volume, claim)
        if planned.claim_event is not None:
            told = planned.claim_event
            self.recorder.event(claim, told.type, told.reason, told.message)
        is_new = planned.phase != volume.status.phase
        if planned.unbind:
            volume = await self.client.update(unbound(volume))
        wanted = in_phase(volume, planned.phase, planned.message)
        if wanted is not volume:
            volume = await self.client.update_status(wanted)
        if planned.event is not None and (is_new or planned.claim_event is not None):
            self.recorder.event(volume, planned.event.type, planned.event.reason, planned.event.message)

    async def _claim_of(self, volume: core_v1.PersistentVolume) -> core_v1.PersistentVolumeClaim | None:
        reference = volume.spec.claim_ref
        if reference is None or not reference.uid:
            return None
        known = self.claims.get(Key(reference.namespace, reference.name))
        if known is not None and known.metadata.uid == reference.uid:
            return known
        if known is None and volume.status.phase in ("Released", "Failed"):
            return None
        live = await self._live(reference)
        return live if live is not None and live.metadata.uid == reference.uid else None

    async def _live(self, reference: core_v1.ObjectReference) -> core_v1.PersistentVolumeClaim | None:
        try:
            return await self.client.get(core_v1.PersistentVolumeClaim, reference.name, reference.namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise
