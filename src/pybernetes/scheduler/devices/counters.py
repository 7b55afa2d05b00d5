"""Counters: what the partitions of one physical device take of it together, so that not all of them can be given out.

Follows checkAvailableCounters in k8s.io/dynamic-resource-allocation/structured.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from pybernetes.api import quantity
from pybernetes.api.models import resource_v1
from pybernetes.scheduler.devices.pools import Found, Pool, PoolId
from pybernetes.scheduler.devices.taken import TakenDevices

_Free = dict[tuple[str, str], int]


class FreeCounters:
    """What is left of the counters of each pool, in billionths; devices are ``taken`` and given ``back``."""

    def __init__(self, taken: TakenDevices) -> None:
        self._taken = taken
        self._free: dict[PoolId, _Free] = {}

    def suffice(self, found: Found) -> bool:
        """No counter of the pool may be overdrawn, whichever device did it."""
        left = dict(self._of(found.pool))
        for counter, amount in _uses(found.device):
            left[counter] -= amount
        return all(amount >= 0 for amount in left.values())

    def take(self, found: Found) -> None:
        free = self._of(found.pool)
        for counter, amount in _uses(found.device):
            free[counter] -= amount

    def give_back(self, found: Found) -> None:
        free = self._of(found.pool)
        for counter, amount in _uses(found.device):
            free[counter] += amount

    def _of(self, pool: Pool) -> _Free:
        free = self._free.get(pool.id)
        if free is None:
            free = self._free[pool.id] = defaultdict(int)
            for name, counters in pool.counters.items():
                free.update({(name, counter): amount.nano for counter, amount in counters.items()})
            for id, device in pool.everywhere():
                if self._taken.is_taken(id) or self._taken.shares_of(id):
                    for counter, amount in _uses(device):
                        free[counter] -= amount
        return free


def _uses(device: resource_v1.Device) -> Iterator[tuple[tuple[str, str], int]]:
    for one in device.consumes_counters:
        for name, counter in one.counters.items():
            yield (one.counter_set, name), quantity.parse(counter.value).nano
