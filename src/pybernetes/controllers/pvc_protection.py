"""Claims in use stay: a deleted claim goes only when no pod on a node uses it.

Guarantees  The pods are listed from the server before a claim is let go, because informers lag behind.
Follows pkg/controller/volume/pvcprotection.
"""

from __future__ import annotations

from collections.abc import Iterable

from pybernetes.api import meta, storage
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.controllers.controller import DONE, Controller, For, Maps, Result
from pybernetes.controllers.finalizers import Need, need_of, with_finalizer, without_finalizer

FINALIZER = "kubernetes.io/pvc-protection"


def claims_of(_: Controller, pod: core_v1.Pod) -> Iterable[Key]:
    """Those of its volumes, and those that were made for its ephemeral volumes."""
    return (Key(pod.metadata.namespace, name) for name in storage.claims_of(pod))


def uses(pod: core_v1.Pod, claim: core_v1.PersistentVolumeClaim) -> bool:
    """A pod without a node uses nothing: no kubelet starts it with a claim that is to go."""
    if not pod.spec.node_name:
        return False
    name = claim.metadata.name
    for volume in pod.spec.volumes:
        if volume.persistent_volume_claim is not None and volume.persistent_volume_claim.claim_name == name:
            return True
        made_for_it = volume.ephemeral is not None and f"{pod.metadata.name}-{volume.name}" == name
        if made_for_it and not _is_shut_down(pod) and _is_controlled_by(claim, pod):
            return True
    return False


def _is_shut_down(pod: core_v1.Pod) -> bool:
    return pod.metadata.deletion_timestamp is not None and pod.metadata.deletion_grace_period_seconds == 0


def _is_controlled_by(claim: core_v1.PersistentVolumeClaim, pod: core_v1.Pod) -> bool:
    owner = meta.controller_of(claim)
    return owner is not None and owner.uid == pod.metadata.uid


class PvcProtectionController(Controller):
    name = "persistentvolumeclaim-protection-controller"
    watches = (For(core_v1.PersistentVolumeClaim), Maps(core_v1.Pod, claims_of))

    async def reconcile(self, key: Key) -> Result:
        claim = self.informer(core_v1.PersistentVolumeClaim).get(key)
        if claim is None:
            return DONE
        match need_of(claim.metadata, FINALIZER):
            case Need.ADD:
                await self.client.update(with_finalizer(claim, FINALIZER))
            case Need.JUDGE:
                if not await self._is_used(claim):
                    await self.client.update(without_finalizer(claim, FINALIZER))
        return DONE

    async def _is_used(self, claim: core_v1.PersistentVolumeClaim) -> bool:
        namespace = claim.metadata.namespace
        if any(uses(pod, claim) for pod in self.informer(core_v1.Pod).list(namespace)):
            return True
        return any(uses(pod, claim) for pod in (await self.client.list(core_v1.Pod, namespace)).items)
