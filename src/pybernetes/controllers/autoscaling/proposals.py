"""How many replicas a metric proposes: pure functions of samples and pods.

Rule  Replicas follow the ratio of what is used to what is aimed at, unless it is near enough to one. Pods that say
nothing count against a change: as fully used when it would be fewer, as idle when it would be more; so do pods that
are not ready yet, when it would be more.
Units  Values are in thousandths, as quantities have them.
Follows pkg/controller/podautoscaler/replica_calculator.go.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pybernetes.api import meta, quantity
from pybernetes.api.models import core_v1
from pybernetes.controllers.pods import is_ready

CPU_INITIALIZATION = timedelta(minutes=5)
INITIAL_READINESS_DELAY = timedelta(seconds=30)
MOST = 2**31 - 1


class NoProposal(Exception):
    """The text is upstream's."""


@dataclass(frozen=True, slots=True)
class Sample:
    value: int
    at: datetime | None = None
    window: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Tolerances:
    down: float = 0.1
    up: float = 0.1

    def cover(self, ratio: float) -> bool:
        """Whether a ratio is near enough to one."""
        return 1 - self.down <= ratio <= 1 + self.up


@dataclass(frozen=True, slots=True)
class Measured:
    ratio: float
    average: int
    utilization: int | None = None
    """Percent of what was requested."""


@dataclass(frozen=True, slots=True)
class Proposal:
    replicas: int
    average: int
    utilization: int | None = None


@dataclass(frozen=True, slots=True)
class Sorted:
    ready: int
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]


Measure = Callable[[Mapping[str, Sample]], Measured]


def sort_out(pods: Iterable[core_v1.Pod], samples: Mapping[str, Sample], resource: str, now: datetime) -> Sorted:
    ready = 0
    unready, missing, ignored = set(), set(), set()
    for pod in pods:
        name = pod.metadata.name
        if pod.metadata.deletion_timestamp is not None or pod.status.phase == "Failed":
            ignored.add(name)
        elif pod.status.phase == "Pending":
            unready.add(name)
        elif name not in samples:
            missing.add(name)
        elif resource == "cpu" and _is_warming_up(pod, samples[name], now):
            unready.add(name)
        else:
            ready += 1
    return Sorted(ready, frozenset(unready), frozenset(missing), frozenset(ignored))


def _is_warming_up(pod: core_v1.Pod, sample: Sample, now: datetime) -> bool:
    """What it uses says nothing yet."""
    condition, started = meta.condition(pod.status, "Ready"), pod.status.start_time
    if condition is None or started is None or condition.last_transition_time is None:
        return True
    since: datetime = condition.last_transition_time
    if started + CPU_INITIALIZATION > now:
        return condition.status == "False" or (sample.at is not None and sample.at < since + sample.window)
    return condition.status == "False" and started + INITIAL_READINESS_DELAY > since


def by_utilization(target: int, requests: Callable[[], Mapping[str, int]]) -> tuple[Measure, Callable[[str], int]]:
    """Against percent of what pods request; and what a silent pod is taken to use at most."""

    def measure(samples: Mapping[str, Sample]) -> Measured:
        asked = requests()
        known = [(sample.value, asked[name]) for name, sample in samples.items() if name in asked]
        requested = sum(request for _, request in known)
        if requested == 0:
            raise NoProposal("no metrics returned matched known pods")
        used = sum(value for value, _ in known)
        utilization = used * 100 // requested
        return Measured(utilization / target, used // len(known), utilization)

    return measure, lambda name: requests()[name] * max(100, target) // 100


def by_average(target: int) -> tuple[Measure, Callable[[str], int]]:
    """Against so much a pod."""

    def measure(samples: Mapping[str, Sample]) -> Measured:
        average = sum(sample.value for sample in samples.values()) // len(samples)
        return Measured(average / target, average)

    return measure, lambda _: target


def propose(
    pods: Sequence[core_v1.Pod],
    samples: Mapping[str, Sample],
    resource: str,
    current: int,
    tolerances: Tolerances,
    how: tuple[Measure, Callable[[str], int]],
    now: datetime,
) -> Proposal:
    """``resource`` is "" for metrics that are no resource of pods. Raises NoProposal."""
    measure, at_most = how
    if not pods:
        raise NoProposal("no pods returned by selector while calculating replica count")
    found = sort_out(pods, samples, resource, now)
    counted = {
        name: sample for name, sample in samples.items() if name not in found.ignored and name not in found.unready
    }
    if not counted:
        raise NoProposal("did not receive metrics for targeted pods (pods might be unready)")
    first = measure(counted)
    unready = found.unready if first.ratio > 1 else frozenset()
    if not unready and not found.missing:
        if tolerances.cover(first.ratio):
            return Proposal(current, first.average, first.utilization)
        return Proposal(math.ceil(first.ratio * found.ready), first.average, first.utilization)
    if first.ratio < 1:
        counted |= {name: Sample(at_most(name)) for name in found.missing}
    elif first.ratio > 1:
        counted |= {name: Sample(0) for name in (*found.missing, *unready)}
    ratio = measure(counted).ratio
    replicas = math.ceil(ratio * len(counted))
    turns = (first.ratio < 1 < ratio) or (ratio < 1 < first.ratio)
    contradicts = (ratio < 1 and replicas > current) or (ratio > 1 and replicas < current)
    if tolerances.cover(ratio) or turns or contradicts:
        replicas = current
    return Proposal(replicas, first.average, first.utilization)


def by_ratio(ratio: float, current: int, tolerances: Tolerances, pods: Sequence[core_v1.Pod]) -> int:
    """Of a metric that belongs to no pod. Raises NoProposal."""
    if current == 0:
        return math.ceil(ratio)
    if tolerances.cover(ratio):
        return current
    if not pods:
        reason = "no pods returned by selector while calculating replica count"
        raise NoProposal(f"unable to calculate ready pods: {reason}")
    ready = sum(pod.status.phase == "Running" and is_ready(pod) for pod in pods)
    return min(MOST, math.ceil(ratio * ready))


def per_pod(usage: int, target: int, current: int, tolerances: Tolerances) -> Proposal:
    """Of a metric that is to be shared evenly; ``current`` is what there is, by the status."""
    if current == 0 or not tolerances.cover(usage / (target * current)):
        replicas = min(MOST, math.ceil(usage / target))
    else:
        replicas = current
    return Proposal(replicas, math.ceil(usage / current) if current else usage)


def requests_of(pods: Iterable[core_v1.Pod], container: str, resource: str) -> dict[str, int]:
    """What each pod asks for; of one container, if one is named. Raises NoProposal."""
    return {pod.metadata.name: _request(pod, container, resource) for pod in pods}


def _request(pod: core_v1.Pod, container: str, resource: str) -> int:
    name = pod.metadata.name
    stated = pod.spec.resources
    if not container and stated is not None and stated.requests:
        if resource not in stated.requests:
            raise NoProposal(f"missing pod-level request for {resource} in Pod {name}")
        return quantity.milli(stated.requests[resource])
    sidecars = [one for one in pod.spec.init_containers if one.restart_policy == "Always"]
    total = 0
    for one in (*pod.spec.containers, *sidecars):
        if container in ("", one.name):
            if resource not in one.resources.requests:
                raise NoProposal(f"missing request for {resource} in container {one.name} of Pod {name}")
            total += quantity.milli(one.resources.requests[resource])
            if container:
                return total
    if container:
        raise NoProposal(f"container {container} not found in Pod {name}")
    return total
