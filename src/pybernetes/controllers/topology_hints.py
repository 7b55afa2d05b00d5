"""Topology hints: which zone's or node's clients each endpoint of a Service is for.

Two ways lead there. `spread` (the annotation service.kubernetes.io/topology-mode) gives each zone a share of the
endpoints by its share of CPUs, and gives up when that would overload some; `close_hints` (trafficDistribution)
leaves every endpoint to its own zone or node.
Follows staging/src/k8s.io/endpointslice/topologycache and trafficdist.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from pybernetes.api import meta, quantity
from pybernetes.api.models import core_v1, discovery_v1
from pybernetes.controllers.endpoint_slices import Endpoint, Slice

OVERLOAD = 0.2
ZONE = "topology.kubernetes.io/zone"
_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")

NO_ZONE = "One or more endpoints do not have a zone specified"
NO_HINTS = "No hints allocated for zones"
ENABLED = "Topology Aware Hints has been enabled"
DISABLED = "Topology Aware Hints has been disabled"
TOO_LITTLE_KNOWN = "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
TOO_FEW = "Insufficient number of endpoints"
OVERLOADED = "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold"

Shares = Mapping[str, float]
"""The part of the cluster's CPUs that each zone has; empty when that is not known well enough."""


@dataclass(frozen=True, slots=True)
class Slices:
    """The slices of one Service and address type on their way to be written."""

    create: tuple[Slice, ...] = ()
    update: tuple[Slice, ...] = ()
    unchanged: tuple[Slice, ...] = ()

    @property
    def all(self) -> tuple[Slice, ...]:
        return self.create + self.update + self.unchanged


@dataclass(frozen=True, slots=True)
class Spread:
    slices: Slices
    by_zone: Mapping[str, int]
    """How many endpoints each zone got."""


class CannotSpread(Exception):
    """Hints would do harm; its text says why."""


def cpu_shares(nodes: Iterable[core_v1.Node]) -> Shares:
    cpus: Counter[str] = Counter()
    for node in nodes:
        labels = node.metadata.labels
        if any(label in labels for label in _CONTROL_PLANE) or not meta.is_true(node.status, "Ready"):
            continue
        zone, cpu = labels.get(ZONE), quantity.milli(node.status.allocatable.get("cpu", "0"))
        if not zone or not cpu:
            return {}
        cpus[zone] += cpu
    return {zone: cpu / cpus.total() for zone, cpu in cpus.items()} if len(cpus) > 1 else {}


def is_overloaded(by_zone: Mapping[str, int], shares: Shares) -> bool:
    """Whether some zone has fewer endpoints than its CPUs need."""
    if not by_zone:
        return False
    total = sum(by_zone.values())
    return not shares or any(
        zone not in by_zone or by_zone[zone] < math.ceil(total * share / (1 + OVERLOAD))
        for zone, share in shares.items()
    )


def without_hints(slices: Slices) -> Slices:
    """Only slices that are written anyway, or that have hints, are touched."""
    bare = _each(lambda endpoint: None)
    hinted = [one for one in slices.unchanged if any(endpoint.hints is not None for endpoint in one.endpoints)]
    return _rewritten(slices, hinted, bare)


def close_hints(distribution: str, slices: Slices) -> Slices:
    """Every ready endpoint is for its own zone, and with PreferSameNode for its own node."""
    with_nodes = distribution == "PreferSameNode"

    def hints(endpoint: Endpoint) -> discovery_v1.EndpointHints | None:
        if not endpoint.conditions.ready:
            return endpoint.hints
        zones = [discovery_v1.ForZone(name=endpoint.zone)] if endpoint.zone is not None else []
        node = endpoint.node_name if with_nodes else None
        nodes = [discovery_v1.ForNode(name=node)] if node is not None else []
        return discovery_v1.EndpointHints(for_zones=zones, for_nodes=nodes) if zones or nodes else None

    wrong = [
        one
        for one in slices.unchanged
        if any(hints(endpoint) != (endpoint.hints or None) for endpoint in one.endpoints)
    ]
    return _rewritten(slices, wrong, _each(hints))


def spread(slices: Slices, shares: Shares) -> Spread:
    """Raises CannotSpread."""
    ready = sum(bool(endpoint.conditions.ready) for one in slices.all for endpoint in one.endpoints)
    allocations = _allocations(ready, shares)
    by_zone: Counter[str] = Counter()
    stale = []
    for one in slices.unchanged:
        present = _hints_of(one, by_zone, allocations)
        if present is None:
            stale.append(one)
        else:
            by_zone.update(present)
    written = Slices(
        slices.create, (*slices.update, *stale), tuple(one for one in slices.unchanged if one not in stale)
    )
    open_endpoints = [
        endpoint
        for one in (*written.create, *written.update)
        for endpoint in one.endpoints
        if endpoint.conditions.ready
    ]
    if not all(endpoint.zone for endpoint in open_endpoints):
        raise CannotSpread(NO_ZONE)
    by_zone.update(endpoint.zone or "" for endpoint in open_endpoints)
    giving, receiving = _givers_and_receivers(allocations, by_zone)
    chosen = iter(_redistributed([endpoint.zone or "" for endpoint in open_endpoints], giving, receiving, by_zone))
    if not by_zone:
        raise CannotSpread(NO_HINTS)

    def hints(endpoint: Endpoint) -> discovery_v1.EndpointHints | None:
        if not endpoint.conditions.ready:
            return endpoint.hints
        return discovery_v1.EndpointHints(for_zones=[discovery_v1.ForZone(name=next(chosen))])

    return Spread(_rewritten(written, (), _each(hints)), dict(by_zone))


@dataclass(frozen=True, slots=True)
class _Allocation:
    minimum: int
    desired: float
    maximum: int = 0


def _allocations(endpoints: int, shares: Shares) -> dict[str, _Allocation]:
    counts = f"({endpoints} endpoints, {len(shares)} zones)"
    if not shares:
        raise CannotSpread(TOO_LITTLE_KNOWN)
    if len(shares) > endpoints:
        raise CannotSpread(f"{TOO_FEW} {counts}")
    made = {}
    for zone, share in shares.items():
        desired = share * endpoints
        minimum = math.ceil(desired / (1 + OVERLOAD))
        made[zone] = _Allocation(minimum, max(desired, minimum))
    spare = endpoints - sum(one.minimum for one in made.values())
    if spare < 0:
        raise CannotSpread(f"{OVERLOADED} {counts}")
    return {zone: replace(one, maximum=one.minimum + spare) for zone, one in made.items()}


def _hints_of(one: Slice, by_zone: Mapping[str, int], allocations: Mapping[str, _Allocation]) -> Counter[str] | None:
    """The zones its endpoints are for; None when that cannot stay."""
    found: Counter[str] = Counter()
    for endpoint in one.endpoints:
        if endpoint.conditions.ready:
            if endpoint.hints is None or not endpoint.hints.for_zones:
                return None
            found.update(zone.name for zone in endpoint.hints.for_zones)
    if any(
        zone not in allocations or count + by_zone.get(zone, 0) > allocations[zone].maximum
        for zone, count in found.items()
    ):
        return None
    return found


def _givers_and_receivers(
    allocations: Mapping[str, _Allocation], by_zone: Mapping[str, int]
) -> tuple[Counter[str], Counter[str]]:
    """How many endpoints each zone gives to, and gets from, others."""
    surplus = {zone: by_zone.get(zone, 0) - one.desired for zone, one in sorted(allocations.items())}
    have = {zone: number for zone, number in surplus.items() if number > 0}
    need = {zone: -number for zone, number in surplus.items() if number < 0}
    giving: Counter[str] = Counter()
    receiving: Counter[str] = Counter()
    while have and need:
        giver, receiver = max(have, key=have.__getitem__), max(need, key=need.__getitem__)
        most, least = max(have[giver], need[receiver]), min(have[giver], need[receiver])
        if most < 1 or least < 0.5:
            break
        giving[giver] += 1
        have[giver] -= 1
        receiving[receiver] += 1
        need[receiver] -= 1
    return giving, receiving


def _redistributed(
    zones: Sequence[str], giving: Counter[str], receiving: Counter[str], by_zone: Counter[str]
) -> list[str]:
    """The zone that each endpoint is for, by its own; `by_zone` is kept."""
    result = []
    for zone in zones:
        receiver = next((one for one in sorted(receiving) if receiving[one] > 0), None)
        if receiver is None or giving[zone] <= 0:
            result.append(zone)
            continue
        giving[zone] -= 1
        receiving[receiver] -= 1
        by_zone[zone] -= 1
        by_zone[receiver] += 1
        result.append(receiver)
    return result


Rewrite = Callable[[Slice], Slice]


def _each(hints: Callable[[Endpoint], discovery_v1.EndpointHints | None]) -> Rewrite:
    def rewrite(one: Slice) -> Slice:
        endpoints = [msgspec.structs.replace(endpoint, hints=hints(endpoint)) for endpoint in one.endpoints]
        return msgspec.structs.replace(one, endpoints=endpoints)

    return rewrite


def _rewritten(slices: Slices, also: Iterable[Slice], rewrite: Rewrite) -> Slices:
    """Those that are written anyway, and these of the unchanged ones."""
    more = tuple(also)
    return Slices(
        tuple(map(rewrite, slices.create)),
        tuple(map(rewrite, (*slices.update, *more))),
        tuple(one for one in slices.unchanged if one not in more),
    )
