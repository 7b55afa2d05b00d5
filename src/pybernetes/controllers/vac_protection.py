"""Volume attributes classes in use stay: a deleted class goes only when no claim and no volume names it.

Follows pkg/controller/volume/vacprotection.
"""

from __future__ import annotations

from collections.abc import Iterable

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, storage_v1
from pybernetes.controllers.controller import DONE, Controller, For, Maps, Result
from pybernetes.controllers.finalizers import Need, need_of, with_finalizer, without_finalizer

FINALIZER = "kubernetes.io/vac-protection"


def classes_of_claim(_: Controller, claim: core_v1.PersistentVolumeClaim) -> Iterable[Key]:
    modifying = claim.status.modify_volume_status
    names = (
        claim.spec.volume_attributes_class_name,
        claim.status.current_volume_attributes_class_name,
        modifying.target_volume_attributes_class_name if modifying is not None else None,
    )
    return {Key("", name) for name in names if name}


def classes_of_volume(_: Controller, volume: core_v1.PersistentVolume) -> Iterable[Key]:
    name = volume.spec.volume_attributes_class_name
    return (Key("", name),) if name else ()


class VacProtectionController(Controller):
    name = "volumeattributesclass-protection-controller"
    watches = (
        For(storage_v1.VolumeAttributesClass),
        Maps(core_v1.PersistentVolumeClaim, classes_of_claim),
        Maps(core_v1.PersistentVolume, classes_of_volume),
    )
    workers = 1

    async def reconcile(self, key: Key) -> Result:
        found = self.informer(storage_v1.VolumeAttributesClass).get(key)
        if found is None:
            return DONE
        match need_of(found.metadata, FINALIZER):
            case Need.ADD:
                await self.client.update(with_finalizer(found, FINALIZER))
            case Need.JUDGE:
                if not self._is_used(key):
                    await self.client.update(without_finalizer(found, FINALIZER))
        return DONE

    def _is_used(self, key: Key) -> bool:
        claims = self.informer(core_v1.PersistentVolumeClaim).list()
        volumes = self.informer(core_v1.PersistentVolume).list()
        return any(key in classes_of_claim(self, claim) for claim in claims) or any(
            key in classes_of_volume(self, volume) for volume in volumes
        )
