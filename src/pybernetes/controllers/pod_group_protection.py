"""Pod groups in use stay: a deleted group goes only when no pod that has not ended refers to it.

Follows pkg/controller/scheduling/podgroupprotection. Runs where the feature GenericWorkload is on.
"""

from __future__ import annotations

from collections.abc import Iterable

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.api.models.scheduling_v1alpha2 import PodGroup
from pybernetes.controllers.controller import DONE, Controller, For, Maps, Result
from pybernetes.controllers.finalizers import Need, need_of, without_finalizer

FINALIZER = "scheduling.k8s.io/podgroup-protection"
_ENDED = ("Succeeded", "Failed")


def group_of(_: Controller, pod: core_v1.Pod) -> Iterable[Key]:
    group = pod.spec.scheduling_group
    if group is None or group.pod_group_name is None:
        return ()
    return (Key(pod.metadata.namespace, group.pod_group_name),)


class PodGroupProtectionController(Controller):
    name = "podgroup-protection-controller"
    watches = (For(PodGroup), Maps(core_v1.Pod, group_of))
    enabled_by_default = False
    workers = 1

    async def reconcile(self, key: Key) -> Result:
        """The finalizer is given at creation: only whether it is still needed is judged here."""
        group = self.informer(PodGroup).get(key)
        if group is not None and need_of(group.metadata, FINALIZER) is Need.JUDGE and not self._is_used(key):
            await self.client.update(without_finalizer(group, FINALIZER))
        return DONE

    def _is_used(self, key: Key) -> bool:
        pods = self.informer(core_v1.Pod).list(key.namespace)
        return any(key in group_of(self, pod) and pod.status.phase not in _ENDED for pod in pods)
