"""TakenDevices: which devices, and which shares of devices, claims have been given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pybernetes.api import quantity
from pybernetes.api.models import resource_v1
from pybernetes.api.quantity import Quantity
from pybernetes.scheduler.devices.pools import DeviceId


class TakenDevices:
    """An administrator's access takes nothing from others."""

    def __init__(self) -> None:
        self._whole: Counter[DeviceId] = Counter()
        self._shares: dict[DeviceId, dict[str, Mapping[str, Quantity]]] = {}

    def add(self, allocation: resource_v1.AllocationResult) -> None:
        for one in allocation.devices.results:
            id = DeviceId(one.driver, one.pool, one.device)
            if one.admin_access:
                continue
            if one.share_id is not None:
                amounts = {name: quantity.parse(text) for name, text in one.consumed_capacity.items()}
                self._shares.setdefault(id, {})[one.share_id] = amounts
            else:
                self._whole[id] += 1

    def remove(self, allocation: resource_v1.AllocationResult) -> None:
        for one in allocation.devices.results:
            id = DeviceId(one.driver, one.pool, one.device)
            if one.admin_access:
                continue
            if one.share_id is not None:
                self._shares.get(id, {}).pop(one.share_id, None)
                if not self._shares.get(id):
                    self._shares.pop(id, None)
                continue
            self._whole[id] -= 1
            if self._whole[id] <= 0:
                del self._whole[id]

    def is_taken(self, id: DeviceId) -> bool:
        return id in self._whole

    def shares_of(self, id: DeviceId) -> list[Mapping[str, Quantity]]:
        return list(self._shares.get(id, {}).values())
