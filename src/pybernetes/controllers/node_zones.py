"""Zones of nodes: how much of each is down, and how quickly its nodes may lose their pods because of it.

Guarantees
  A zone with all nodes down loses pods at the ordinary rate, one with many down at the lower rate, or not at all when
  it is small. When every zone is down, it is probably this side that is cut off: nothing is evicted anywhere.
Follows pkg/controller/nodelifecycle (handleDisruption, ComputeZoneState) and its scheduler/rate_limited_queue.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from pybernetes.api.models import core_v1

EVICTION_RATE = 0.1
SECONDARY_EVICTION_RATE = 0.01
LARGE_ZONE = 50
UNHEALTHY_SHARE = 0.55
FEWEST_UNHEALTHY = 3

_ZONE_LABELS = ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone")
_REGION_LABELS = ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region")


class ZoneState(Enum):
    INITIAL = "Initial"
    NORMAL = "Normal"
    PARTIAL_DISRUPTION = "PartialDisruption"
    FULL_DISRUPTION = "FullDisruption"


@dataclass(frozen=True, slots=True)
class Zone:
    region: str = ""
    zone: str = ""

    @classmethod
    def of(cls, node: core_v1.Node) -> Zone:
        labels = node.metadata.labels
        return cls(_first(labels, _REGION_LABELS), _first(labels, _ZONE_LABELS))


def _first(labels: Mapping[str, str], names: Sequence[str]) -> str:
    return next((labels[name] for name in names if name in labels), "")


def state_of(readiness: Sequence[bool]) -> ZoneState:
    """`readiness` says of each node of a zone whether it is ready."""
    down = readiness.count(False)
    if down and down == len(readiness):
        return ZoneState.FULL_DISRUPTION
    if down >= FEWEST_UNHEALTHY and down / len(readiness) >= UNHEALTHY_SHARE:
        return ZoneState.PARTIAL_DISRUPTION
    return ZoneState.NORMAL


def rate_in(state: ZoneState, nodes: int) -> float:
    """How many nodes a second may be tainted in a zone of so many."""
    if state is not ZoneState.PARTIAL_DISRUPTION:
        return EVICTION_RATE
    return SECONDARY_EVICTION_RATE if nodes > LARGE_ZONE else 0.0


@dataclass(frozen=True, slots=True)
class Disruption:
    states: Mapping[Zone, ZoneState]
    rates: Mapping[Zone, float]
    """Zones whose rate is to be set; the others keep theirs."""
    begins: bool = False
    """Every zone is down since now: taints that would evict are to be taken back."""
    ends: bool = False
    """Not every zone is down any more: all nodes get their grace period anew."""


def disruption(known: Mapping[Zone, ZoneState], readiness: Mapping[Zone, Sequence[bool]]) -> Disruption:
    """What follows from the readiness of all nodes that count, and from what the zones were before."""
    before = {zone: known.get(zone, ZoneState.INITIAL) for zone in readiness}
    now = {zone: state_of(nodes) for zone, nodes in readiness.items()}
    was_over = all(state is ZoneState.FULL_DISRUPTION for state in before.values())
    is_over = all(state is ZoneState.FULL_DISRUPTION for state in now.values())
    if is_over:
        rates = {} if was_over else dict.fromkeys(now, 0.0)
        return Disruption(now, rates, begins=not was_over)
    changed = now if was_over else {zone: state for zone, state in now.items() if state is not before[zone]}
    return Disruption(
        now, {zone: rate_in(state, len(readiness[zone])) for zone, state in changed.items()}, ends=was_over
    )


@dataclass(frozen=True, slots=True)
class Pace:
    """At most `rate` a second, one at a time; a rate of 0 is never."""

    rate: float = EVICTION_RATE
    free_at: float = 0.0

    def wait(self, now: float) -> float | None:
        """Seconds until the next may go; None is never."""
        return max(0.0, self.free_at - now) if self.rate else None

    def taken(self, now: float) -> Pace:
        return replace(self, free_at=now + 1 / self.rate)

    def at(self, rate: float, now: float) -> Pace:
        """The same at another rate: who had to wait waits for the new rate's whole interval."""
        if rate == self.rate:
            return self
        changed = Pace(rate, now)
        return changed.taken(now) if rate and self.wait(now) != 0.0 else changed
