"""What informers tell about devices → ``DeviceObjects`` and wake-up events."""

from __future__ import annotations

from pybernetes.api.models import resource_v1
from pybernetes.client import Informers, key_of
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.extended_devices import owner_of
from pybernetes.scheduler.framework import ClusterEvent
from pybernetes.scheduler.queue import SchedulingQueue


class DeviceFeed:
    def __init__(self, informers: Informers, state: ClusterState, queue: SchedulingQueue) -> None:
        self._state = state
        self._devices = state.devices
        self._queue = queue
        informers.get(resource_v1.DeviceClass).on_change(self._class)
        informers.get(resource_v1.ResourceSlice).on_change(self._slice)
        informers.get(resource_v1.ResourceClaim).on_change(self._claim)

    def _claim(self, old: resource_v1.ResourceClaim | None, new: resource_v1.ResourceClaim | None) -> None:
        """A claim whose status is as before, or that is gone, helps nobody; its controller deallocates it first."""
        if new is None:
            assert old is not None
            self._devices.remove_claim(key_of(old))
            if owner_of(old):
                self._queue.move(ClusterEvent.RESOURCE_CLAIM_CHANGED, old, None)
        elif self._devices.set_claim(new) and (old is None or old.status != new.status):
            self._queue.move(ClusterEvent.RESOURCE_CLAIM_CHANGED, old, new)

    def _class(self, old: resource_v1.DeviceClass | None, new: resource_v1.DeviceClass | None) -> None:
        if old is None or new is None or old.spec.extended_resource_name != new.spec.extended_resource_name:
            # Whether a node lacks an extended resource is another question now.
            self._state.nodes.reconsider()
        if new is None:
            assert old is not None
            self._devices.remove_class(old.metadata.name)
            return
        self._devices.set_class(new)
        self._queue.move(ClusterEvent.DEVICE_CLASS_CHANGED, old, new)

    def _slice(self, old: resource_v1.ResourceSlice | None, new: resource_v1.ResourceSlice | None) -> None:
        one = new or old
        assert one is not None
        self._devices.slices.set(one.metadata.name, new)
        if new is not None:
            self._queue.move(ClusterEvent.RESOURCE_SLICE_CHANGED, old, new)
