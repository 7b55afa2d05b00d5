"""Pools of devices, as far as a node can reach them.

A pool is what one driver publishes under one name, in slices of one generation. A pool of which slices are missing is
incomplete; one that contradicts itself is invalid. Devices of neither are given out.
Follows pools_incubating.go of k8s.io/dynamic-resource-allocation/structured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pybernetes.api import placement, quantity
from pybernetes.api.models import core_v1, resource_v1
from pybernetes.api.quantity import Quantity

Counters = Mapping[str, Mapping[str, Quantity]]
"""Counter set → counter → amount."""


class PoolId(NamedTuple):
    driver: str
    pool: str

    def __str__(self) -> str:
        return f"{self.driver}/{self.pool}"


class DeviceId(NamedTuple):
    driver: str
    pool: str
    device: str

    def __str__(self) -> str:
        return f"{self.driver}/{self.pool}/{self.device}"


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A device, with what it belongs to."""

    id: DeviceId
    device: resource_v1.Device
    slice: resource_v1.ResourceSlice
    pool: Pool


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    id: PoolId
    here: Sequence[resource_v1.ResourceSlice] = ()
    elsewhere: Sequence[resource_v1.ResourceSlice] = ()
    counters: Counters = field(default_factory=dict)
    is_incomplete: bool = False
    is_invalid: bool = False

    def devices(self) -> Iterator[Found]:
        """Those in slices that the node reaches, in the order in which they are tried."""
        for one in self.here:
            for device in one.spec.devices:
                yield Found(DeviceId(*self.id, device.name), device, one, self)

    def everywhere(self) -> Iterator[tuple[DeviceId, resource_v1.Device]]:
        for one in (*self.here, *self.elsewhere):
            for device in one.spec.devices:
                yield DeviceId(*self.id, device.name), device

    @property
    def binds_late(self) -> bool:
        return any(device.binding_conditions for one in self.here for device in one.spec.devices)


class Slices:
    """All slices, by pool and by the one node that they are for."""

    def __init__(self) -> None:
        self._by_name: dict[str, resource_v1.ResourceSlice] = {}
        self._by_pool: dict[PoolId, dict[str, resource_v1.ResourceSlice]] = {}
        self._by_node: dict[str, dict[str, resource_v1.ResourceSlice]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_name)

    def set(self, name: str, new: resource_v1.ResourceSlice | None) -> None:
        """None removes it."""
        old = self._by_name.pop(name, None)
        if old is not None:
            self._by_pool[_pool_of(old)].pop(name)
            self._by_node[_only_node(old)].pop(name)
        if new is not None:
            self._by_name[name] = new
            self._by_pool.setdefault(_pool_of(new), {})[name] = new
            self._by_node.setdefault(_only_node(new), {})[name] = new

    def of_pool(self, id: PoolId) -> Iterable[resource_v1.ResourceSlice]:
        return self._by_pool.get(id, {}).values()

    def pools_for(self, node: core_v1.Node) -> list[Pool]:
        """In the order in which they are tried: pools whose devices are made ready late come last."""
        found: dict[PoolId, list[resource_v1.ResourceSlice]] = {}
        for table in (self._by_node.get(node.metadata.name, {}), self._by_node.get("", {})):
            for one in table.values():
                if _reaches(one, node):
                    _add_newest(found, one)
        pools = [pool for id, slices in found.items() if (pool := self._pool(id, slices)) is not None]
        return sorted(pools, key=lambda pool: (pool.binds_late, pool.id))

    def _pool(self, id: PoolId, slices: list[resource_v1.ResourceSlice]) -> Pool | None:
        """None for an outdated pool."""
        generation, wanted = slices[0].spec.pool.generation, slices[0].spec.pool.resource_slice_count
        if len(slices) == wanted:
            return _built(id, slices, ())
        every = list(self.of_pool(id))
        if any(one.spec.pool.generation > generation for one in every):
            return None
        every = [one for one in every if one.spec.pool.generation == generation]
        if len(every) != wanted:
            return Pool(id, is_incomplete=True)
        known = {one.metadata.name for one in slices}
        return _built(id, slices, [one for one in every if one.metadata.name not in known])


def _pool_of(one: resource_v1.ResourceSlice) -> PoolId:
    return PoolId(one.spec.driver, one.spec.pool.name)


def _only_node(one: resource_v1.ResourceSlice) -> str:
    """Empty for slices that more than one node must look at."""
    return "" if one.spec.shared_counters else one.spec.node_name or ""


def matches_node(
    node: core_v1.Node, name: str | None, all_nodes: bool | None, selector: core_v1.NodeSelector | None
) -> bool:
    if name:
        return node.metadata.name == name
    if all_nodes:
        return True
    return selector is not None and any(placement.matches_term(term, node) for term in selector.node_selector_terms)


def _reaches(one: resource_v1.ResourceSlice, node: core_v1.Node) -> bool:
    spec = one.spec
    if spec.shared_counters:
        return True
    if spec.node_name or spec.all_nodes or spec.node_selector is not None:
        return matches_node(node, spec.node_name, spec.all_nodes, spec.node_selector)
    return bool(spec.per_device_node_selection) and any(
        matches_node(node, device.node_name, device.all_nodes, device.node_selector) for device in spec.devices
    )


def _add_newest(found: dict[PoolId, list[resource_v1.ResourceSlice]], one: resource_v1.ResourceSlice) -> None:
    id = _pool_of(one)
    known = found.get(id)
    if known is None or one.spec.pool.generation > known[0].spec.pool.generation:
        found[id] = [one]
    elif one.spec.pool.generation == known[0].spec.pool.generation:
        known.append(one)


def _built(
    id: PoolId, slices: Sequence[resource_v1.ResourceSlice], elsewhere: Sequence[resource_v1.ResourceSlice]
) -> Pool:
    ordered = sorted(slices, key=lambda one: one.metadata.name)
    here = [one for one in ordered if not one.spec.shared_counters]
    names = [device.name for one in here for device in one.spec.devices]
    sets = [each for one in ordered for each in one.spec.shared_counters]
    counters = {
        one.name: {name: quantity.parse(counter.value) for name, counter in one.counters.items()} for one in sets
    }
    is_invalid = (
        len(set(names)) != len(names) or len(counters) != len(sets) or not _is_counted(counters, (*here, *elsewhere))
    )
    return Pool(id, is_invalid=True) if is_invalid else Pool(id, here, elsewhere, counters)


def _is_counted(counters: Counters, slices: Iterable[resource_v1.ResourceSlice]) -> bool:
    """Whether there is everything that devices take of."""
    return all(
        one.counter_set in counters and one.counters.keys() <= counters[one.counter_set].keys()
        for each in slices
        for device in each.spec.devices
        for one in device.consumes_counters
    )
