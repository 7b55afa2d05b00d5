"""DeviceObjects: claims, classes and slices of devices, as the API server tells and as this scheduler has just decided.

A claim that was given devices counts from the decision on (``promise``); what was written replaces what informers tell
until they have seen it. ``taken`` has the devices of both.
Follows pkg/scheduler/framework/plugins/dynamicresources/dra_manager.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from pybernetes.api.figures import Counts
from pybernetes.api.meta import Key
from pybernetes.api.models import resource_v1
from pybernetes.client import key_of
from pybernetes.scheduler.devices.pools import Slices
from pybernetes.scheduler.devices.taken import TakenDevices
from pybernetes.scheduler.extended_devices import by_resource, owner_of
from pybernetes.scheduler.wakes import Wakes


@dataclass(slots=True)
class _Promise:
    allocation: resource_v1.AllocationResult
    pods: int = 1


class DeviceObjects(Wakes):
    def __init__(self) -> None:
        super().__init__()
        self.classes: dict[str, resource_v1.DeviceClass] = {}
        self.slices = Slices()
        self.taken = TakenDevices()
        self._claims: dict[Key, resource_v1.ResourceClaim] = {}
        self._promises: dict[str, _Promise] = {}
        self._by_resource: dict[str, resource_v1.DeviceClass] = {}
        self._of_pods: dict[str, Key] = {}
        self.claims_created = Counts()
        """Claims that were written for pods' extended resources, by what came of it."""

    def set_class(self, one: resource_v1.DeviceClass) -> None:
        self.classes[one.metadata.name] = one
        self._by_resource = by_resource(self.classes.values())

    def remove_class(self, name: str) -> None:
        self.classes.pop(name, None)
        self._by_resource = by_resource(self.classes.values())

    def class_for(self, resource: str) -> resource_v1.DeviceClass | None:
        """The class whose devices are what pods call an extended resource."""
        return self._by_resource.get(resource)

    def claim_of_pod(self, uid: str) -> resource_v1.ResourceClaim | None:
        """What was written for a pod's extended resources."""
        key = self._of_pods.get(uid)
        return self._claims.get(key) if key is not None else None

    def claim(self, key: Key) -> resource_v1.ResourceClaim | None:
        return self._claims.get(key)

    def set_claim(self, claim: resource_v1.ResourceClaim) -> bool:
        """False for what is older than what is known already."""
        key = key_of(claim)
        known = self._claims.get(key)
        if known is not None and known.metadata.uid == claim.metadata.uid and _version(claim) < _version(known):
            return False
        self._replace(key, claim)
        return True

    def remove_claim(self, key: Key) -> None:
        self._replace(key, None)

    def promised(self, uid: str) -> resource_v1.AllocationResult | None:
        """What a claim is being given."""
        promise = self._promises.get(uid)
        return promise.allocation if promise is not None else None

    def promise(self, uid: str, allocation: resource_v1.AllocationResult) -> None:
        known = self._promises.get(uid)
        if known is not None:
            known.pods += 1
            return
        self._promises[uid] = _Promise(allocation)
        self.taken.add(allocation)

    def keep(self, claim: resource_v1.ResourceClaim) -> None:
        """A promise has been written: the claim itself counts from now on."""
        self._drop(claim.metadata.uid)
        self.set_claim(claim)

    def release(self, uid: str) -> None:
        """One of the pods that a promise is for does not need it any longer."""
        promise = self._promises.get(uid)
        if promise is not None:
            promise.pods -= 1
            if not promise.pods:
                self._drop(uid)

    def _drop(self, uid: str) -> None:
        promise = self._promises.pop(uid, None)
        if promise is not None:
            self.taken.remove(promise.allocation)

    def _replace(self, key: Key, new: resource_v1.ResourceClaim | None) -> None:
        old = self._claims.pop(key, None)
        if old is not None and old.status.allocation is not None:
            self.taken.remove(old.status.allocation)
        if old is not None and (pod := owner_of(old)):
            self._of_pods.pop(pod, None)
        if new is not None:
            self._claims[key] = new
            if pod := owner_of(new):
                self._of_pods[pod] = key
            if new.status.allocation is not None:
                self.taken.add(new.status.allocation)
        self.wake(key)


def _version(claim: resource_v1.ResourceClaim) -> int:
    return int(claim.metadata.resource_version or 0)
