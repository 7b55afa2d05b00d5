"""Device taint eviction: pods that use a device with a NoExecute taint that their claim does not tolerate are deleted.

Guarantees
  A pod goes when the taint was added and its shortest toleration is over; one that is tolerated for ever keeps nobody
  from staying. A pod goes once, however the informer lags.
  Only pods that are on a node and for which the claim is reserved. Slices of an outdated generation say nothing.
Not built: DeviceTaintRules (beta, off by default), which the API server does not serve.
Follows pkg/controller/devicetainteviction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from pybernetes.api.device_taints import tolerates
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, resource_v1
from pybernetes.client.events import NORMAL
from pybernetes.controllers.controller import DONE, Context, Controller, For, Maps, Requeue, Result
from pybernetes.controllers.eviction import evict
from pybernetes.controllers.resource_claim_plan import is_for, recorded_name

NO_EXECUTE = "NoExecute"
POOL = "device-pool"
EVENT = "DeviceTaintManagerEviction"

Allocated = resource_v1.DeviceRequestAllocationResult


def ends_at(taint: resource_v1.DeviceTaint, tolerations: Iterable[resource_v1.DeviceToleration]) -> datetime | None:
    """When a device with this taint can be used no longer; None is never."""
    if taint.effect != NO_EXECUTE or taint.time_added is None:
        return None
    # A toleration for all effects does not keep a pod from being evicted: it must name the effect.
    matching = [one.toleration_seconds for one in tolerations if one.effect == NO_EXECUTE and tolerates(one, taint)]
    if None in matching:
        return None
    limits = [max(0, seconds) for seconds in matching if seconds is not None]
    return taint.time_added + timedelta(seconds=min(limits, default=0))


def pool_of(driver: str, pool: str) -> str:
    return f"{driver}/{pool}"


def device_in(slices: Sequence[resource_v1.ResourceSlice], name: str) -> resource_v1.Device | None:
    """As the newest generation of its pool's slices has it."""
    newest = max((one.spec.pool.generation for one in slices), default=0)
    current = (one for one in slices if one.spec.pool.generation == newest)
    return next((device for one in current for device in one.spec.devices if device.name == name), None)


def _pool_of_slice(found: resource_v1.ResourceSlice) -> Iterable[str]:
    return (pool_of(found.spec.driver, found.spec.pool.name),)


def _pools_of_claim(claim: resource_v1.ResourceClaim) -> Iterable[str]:
    return {pool_of(one.driver, one.pool) for one in _allocated(claim)}


def _allocated(claim: resource_v1.ResourceClaim) -> Sequence[Allocated]:
    allocation = claim.status.allocation
    return () if allocation is None else allocation.devices.results


def consumers(_: Controller, claim: resource_v1.ResourceClaim) -> Iterator[Key]:
    for one in claim.status.reserved_for:
        if not one.api_group and one.resource == "pods":
            yield Key(claim.metadata.namespace, one.name)


def users_of_pool(controller: Controller, found: resource_v1.ResourceSlice) -> Iterator[Key]:
    for pool in _pool_of_slice(found):
        for claim in controller.informer(resource_v1.ResourceClaim).by_index(POOL, pool):
            yield from consumers(controller, claim)


class DeviceTaintEvictionController(Controller):
    """Keys are pods."""

    name = "device-taint-eviction-controller"
    watches = (
        For(core_v1.Pod),
        Maps(resource_v1.ResourceClaim, consumers),
        Maps(resource_v1.ResourceSlice, users_of_pool),
    )

    def __init__(self, context: Context) -> None:
        self.claims = context.informers.get(resource_v1.ResourceClaim)
        self.slices = context.informers.get(resource_v1.ResourceSlice)
        self.claims.add_index(POOL, _pools_of_claim)
        self.slices.add_index(POOL, _pool_of_slice)
        super().__init__(context)
        self.pods = self.informer(core_v1.Pod)
        self._awaited: dict[Key, str] = {}
        """Uids of pods that will have to go."""
        self._evicted: dict[Key, str] = {}
        """Uids of pods that were deleted here, until the informer knows of it."""

    async def reconcile(self, key: Key) -> Result:
        pod = self.pods.get(key)
        if pod is None or pod.metadata.deletion_timestamp is not None:
            self._awaited.pop(key, None)
            self._evicted.pop(key, None)
            return DONE
        if self._evicted.get(key) == pod.metadata.uid:
            return DONE
        end = self._end_of(pod)
        if end is None:
            self._stays(key, pod)
            return DONE
        left = (end - self.clock.now()).total_seconds()
        if left > 0:
            self._awaited[key] = pod.metadata.uid
            return Requeue(left)
        self._awaited.pop(key, None)
        self.recorder.event(pod, NORMAL, EVENT, "Marking for deletion")
        await evict(self, pod, "DeletionByDeviceTaintManager", "Device Taint manager: deleting due to NoExecute taint")
        self._evicted[key] = pod.metadata.uid
        return DONE

    def _stays(self, key: Key, pod: core_v1.Pod) -> None:
        if self._awaited.pop(key, None) == pod.metadata.uid:
            self.recorder.event(pod, NORMAL, EVENT, "Cancelling deletion")

    def _end_of(self, pod: core_v1.Pod) -> datetime | None:
        """When the first of its devices can be used no longer."""
        if not pod.spec.node_name or not pod.spec.resource_claims:
            return None
        ends = (self._end_of_device(one) for claim in self._claims_of(pod) for one in _allocated(claim))
        return min((end for end in ends if end is not None), default=None)

    def _end_of_device(self, allocated: Allocated) -> datetime | None:
        slices = self.slices.by_index(POOL, pool_of(allocated.driver, allocated.pool))
        device = device_in(slices, allocated.device)
        ends = (ends_at(taint, allocated.tolerations) for taint in (device.taints if device else ()))
        return min((end for end in ends if end is not None), default=None)

    def _claims_of(self, pod: core_v1.Pod) -> Iterator[resource_v1.ResourceClaim]:
        for wanted in pod.spec.resource_claims:
            name = recorded_name(pod, wanted)
            claim = self.claims.get(Key(pod.metadata.namespace, name)) if name else None
            if claim is None or (wanted.resource_claim_name is None and not is_for(pod, claim)):
                continue
            if any(one.uid == pod.metadata.uid for one in claim.status.reserved_for):
                yield claim
