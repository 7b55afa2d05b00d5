"""The search for devices: a set for each request of each claim of a pod on one node, first fit with backtracking.

Guarantees  Devices are tried in the order of their pools, slices and places; an alternative is taken only where those
            before it cannot be had. The same objects give the same answer.
            Nothing is taken: what was found is a value.
Follows allocator_incubating.go of k8s.io/dynamic-resource-allocation/structured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from pybernetes.api.models import core_v1
from pybernetes.api.quantity import Quantity
from pybernetes.client import key_of
from pybernetes.scheduler.devices import capacity
from pybernetes.scheduler.devices.constraints import AttributeConstraint, constraints_of
from pybernetes.scheduler.devices.counters import FreeCounters
from pybernetes.scheduler.devices.pools import DeviceId, Found, Pool
from pybernetes.scheduler.devices.requests import ALL, AllocationFailed, Wanted, WantedClaim
from pybernetes.scheduler.devices.selection import Selection, is_repelled
from pybernetes.scheduler.devices.taken import TakenDevices

MOST_DEVICES = 32
"""That one claim can have."""
MOST_STEPS = 100_000
"""Devices that a search may try: there are questions that no patience answers."""


class InvalidPools(Exception):
    """Nothing was found, and some of the pools that were looked at contradict themselves."""

    def __init__(self) -> None:
        super().__init__("invalid resource pools were encountered")


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """A device for a request; ``consumed`` is set where it is shared."""

    wanted: Wanted
    found: Found
    consumed: Mapping[str, Quantity] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ClaimDevices:
    claim: WantedClaim
    chosen: tuple[Wanted, ...]
    """The alternative taken of each request."""
    devices: tuple[Given, ...]


def find_devices(
    node: core_v1.Node,
    claims: Sequence[WantedClaim],
    pools: Sequence[Pool],
    taken: TakenDevices,
    selection: Selection,
    most_steps: int = MOST_STEPS,
) -> tuple[ClaimDevices, ...] | None:
    """For each claim its devices; None when not all can be had. Raises AllocationFailed and InvalidPools."""
    search = _Search(node, claims, pools, taken, selection, most_steps)
    if search.run():
        return search.found()
    if any(pool.is_invalid for pool in pools):
        raise InvalidPools
    return None


@dataclass(slots=True)
class _Progress:
    """What one claim has got so far."""

    constraints: list[AttributeConstraint]
    chosen: list[Wanted]
    devices: list[Given]


class _Search:
    def __init__(
        self,
        node: core_v1.Node,
        claims: Sequence[WantedClaim],
        pools: Sequence[Pool],
        taken: TakenDevices,
        selection: Selection,
        steps: int,
    ) -> None:
        self._steps = steps
        self._node = node
        self._claims = claims
        self._pools = pools
        self._taken = taken
        self._selection = selection
        self._counters = FreeCounters(taken)
        self._progress = [_Progress(constraints_of(one.claim), [], []) for one in claims]
        self._holders: dict[DeviceId, list[int]] = {}
        """The claims of this search that have a device for themselves."""
        self._shares: dict[DeviceId, list[Mapping[str, Quantity]]] = {}
        self._everything: dict[int, list[Found]] = {}

    def run(self) -> bool:
        for one in self._claims:
            fewest = sum(min(map(self._amount, alternatives)) for alternatives in one.requests)
            if fewest > MOST_DEVICES:
                limit = f"number of requested devices {fewest} exceeds the claim limit of {MOST_DEVICES}"
                raise AllocationFailed(f"claim {key_of(one.claim)}: {limit}")
        return self._request(0, 0)

    def found(self) -> tuple[ClaimDevices, ...]:
        return tuple(
            ClaimDevices(claim, tuple(one.chosen), tuple(one.devices))
            for claim, one in zip(self._claims, self._progress, strict=True)
        )

    def _amount(self, wanted: Wanted) -> int:
        return len(self._all(wanted)) if wanted.mode == ALL else wanted.count

    def _request(self, claim: int, request: int) -> bool:
        if claim >= len(self._claims):
            return True
        if request >= len(self._claims[claim].requests):
            return self._request(claim + 1, 0)
        chosen = self._progress[claim].chosen
        for wanted in self._claims[claim].requests[request]:
            amount = self._amount(wanted)
            too_many = len(self._progress[claim].devices) + amount > MOST_DEVICES
            if too_many or (wanted.mode == ALL and not amount):
                continue
            chosen.append(wanted)
            if self._device(claim, request, wanted, amount, 0):
                return True
            chosen.pop()
        return False

    def _device(self, claim: int, request: int, wanted: Wanted, missing: int, start: int) -> bool:
        """Gives the request ``missing`` more devices, from the start-th candidate on, and goes on."""
        if not missing:
            return self._request(claim, request + 1)
        for place, found in enumerate(islice(self._choices(wanted), start, None), start):
            given = self._take(claim, wanted, found)
            if given is not None:
                if self._device(claim, request, wanted, missing - 1, place + 1):
                    return True
                self._give_back(claim, given)
            if wanted.mode == ALL:
                return False
        return False

    def _choices(self, wanted: Wanted) -> Sequence[Found]:
        return self._all(wanted) if wanted.mode == ALL else self._within_reach

    @cached_property
    def _within_reach(self) -> list[Found]:
        usable = (pool for pool in self._pools if not pool.is_incomplete and not pool.is_invalid)
        return [found for pool in usable for found in pool.devices()]

    def _all(self, wanted: Wanted) -> list[Found]:
        known = self._everything.get(id(wanted))
        if known is None:
            known = self._everything[id(wanted)] = list(self._matching_all(wanted))
        return known

    def _matching_all(self, wanted: Wanted) -> Iterator[Found]:
        place = f"claim {wanted.claim}, request {wanted.alternative or wanted.request}"
        for pool in self._pools:
            for is_so, what in ((pool.is_incomplete, "being updated"), (pool.is_invalid, "invalid")):
                if is_so:
                    why = f"asks for all devices, but resource pool {pool.id} is currently {what}"
                    raise AllocationFailed(f"{place}: {why}")
            for found in pool.devices():
                if self._selection.matches(wanted, found, self._node) and self._has_capacity(wanted, found):
                    yield found

    def _has_capacity(self, wanted: Wanted, found: Found) -> bool:
        shares = (*self._taken.shares_of(found.id), *self._shares.get(found.id, ()))
        return capacity.fits(wanted.capacity, found.device, shares)

    def _take(self, claim: int, wanted: Wanted, found: Found) -> Given | None:
        """None when the request cannot have the device as things stand. Raises AllocationFailed."""
        self._steps -= 1
        if self._steps < 0:
            raise AllocationFailed(f"node {self._node.metadata.name}: timed out trying to allocate devices")
        holders = self._holders.get(found.id, ())
        in_use = claim in holders if wanted.admin else bool(holders) or self._taken.is_taken(found.id)
        if in_use or not self._selection.matches(wanted, found, self._node):
            return None
        if not self._has_capacity(wanted, found) or is_repelled(wanted, found.device):
            return None
        is_counted = self._is_counted(found)
        if is_counted and not self._counters.suffice(found):
            return None
        progress = self._progress[claim]
        if not all(one.admits(wanted, found) for one in progress.constraints):
            if wanted.mode == ALL:
                place = f"claim {wanted.claim}, request {wanted.alternative or wanted.request}"
                why = f"cannot add device {found.id} because a claim constraint would not be satisfied"
                raise AllocationFailed(f"{place}: {why}")
            return None
        if is_counted:
            self._counters.take(found)
        for one in progress.constraints:
            one.add(wanted, found)
        given = Given(wanted, found, self._consumed(wanted, found))
        if given.consumed is not None:
            self._shares.setdefault(found.id, []).append(given.consumed)
        else:
            self._holders.setdefault(found.id, []).append(claim)
        progress.devices.append(given)
        return given

    def _give_back(self, claim: int, given: Given) -> None:
        found, progress = given.found, self._progress[claim]
        progress.devices.pop()
        if given.consumed is not None:
            self._shares[found.id].pop()
        else:
            self._holders[found.id].pop()
        for one in progress.constraints:
            one.remove(given.wanted)
        if self._is_counted(found):
            self._counters.give_back(found)

    def _is_counted(self, found: Found) -> bool:
        """The shares of one device take what it counts once."""
        shared = bool(found.device.allow_multiple_allocations)
        in_use = shared and bool(self._shares.get(found.id) or self._taken.shares_of(found.id))
        return bool(found.device.consumes_counters) and not in_use

    def _consumed(self, wanted: Wanted, found: Found) -> Mapping[str, Quantity] | None:
        if not found.device.allow_multiple_allocations:
            return None
        return capacity.consumed(wanted.capacity, found.device)
