"""Volumes in use stay: a deleted volume goes only when it is bound to no claim.

Follows pkg/controller/volume/pvprotection.
"""

from __future__ import annotations

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.controllers.controller import DONE, Controller, For, Result
from pybernetes.controllers.finalizers import Need, need_of, with_finalizer, without_finalizer

FINALIZER = "kubernetes.io/pv-protection"


class PvProtectionController(Controller):
    name = "persistentvolume-protection-controller"
    watches = (For(core_v1.PersistentVolume),)

    async def reconcile(self, key: Key) -> Result:
        volume = self.informer(core_v1.PersistentVolume).get(key)
        if volume is None:
            return DONE
        match need_of(volume.metadata, FINALIZER):
            case Need.ADD:
                await self.client.update(with_finalizer(volume, FINALIZER))
            case Need.JUDGE:
                if volume.status.phase != "Bound":
                    await self.client.update(without_finalizer(volume, FINALIZER))
        return DONE
