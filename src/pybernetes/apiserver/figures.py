"""Plain numbers in which the parts of the server count what they do; `/metrics` reads them when somebody asks.

Guarantees  To count is an addition of integers, to time something two additions and a search among a few bounds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

Labels = tuple[str, ...]
Values = Mapping[Any, float]
"""By labels, of whatever number."""
Family = TypeVar("Family", CounterMetricFamily, GaugeMetricFamily)

REQUEST_SECONDS = (
    0.005,
    0.025,
    0.05,
    0.1,
    0.2,
    0.4,
    0.6,
    0.8,
    1.0,
    1.25,
    1.5,
    2,
    3,
    4,
    5,
    6,
    8,
    10,
    15,
    20,
    30,
    45,
    60,
)


class Histogram:
    """How often a value was in each of some ranges; the last count is of what is over all bounds."""

    __slots__ = ("_first", "bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self._first = bounds[0] if bounds else float("inf")
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[0 if value <= self._first else bisect_left(self.bounds, value)] += 1
        self.total += value

    def include(self, other: Histogram) -> None:
        """``other`` has the same bounds."""
        self.counts = [one + more for one, more in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    @property
    def count(self) -> int:
        return sum(self.counts)


class Histograms(dict[Labels, Histogram]):
    """A histogram for each combination of labels that has been seen."""

    def __init__(self, bounds: Sequence[float]) -> None:
        super().__init__()
        self.bounds = bounds

    def __missing__(self, labels: Labels) -> Histogram:
        found = self[labels] = Histogram(self.bounds)
        return found

    def reset(self) -> None:
        """Counts from nothing on; whoever holds one of the histograms goes on with it."""
        for one in self.values():
            one.counts = [0] * (len(self.bounds) + 1)
            one.total = 0.0


class Counts(dict[Labels, int]):
    """A number for each combination of labels that has been seen."""

    def __missing__(self, labels: Labels) -> int:
        return 0

    def add(self, *labels: str) -> None:
        self[labels] += 1


def cumulative(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """As Prometheus wants a histogram; ``counts`` has one more, for what is over all bounds."""
    return list(zip((*(f"{bound:g}" for bound in bounds), "+Inf"), accumulate(counts), strict=True))


def counter(name: str, text: str, labels: Sequence[str], values: Values) -> CounterMetricFamily:
    return _filled(CounterMetricFamily(name.removesuffix("_total"), text, labels=labels), values)


def gauge(name: str, text: str, labels: Sequence[str], values: Values) -> GaugeMetricFamily:
    return _filled(GaugeMetricFamily(name, text, labels=labels), values)


def histogram(name: str, text: str, labels: Sequence[str], values: Mapping[Any, Histogram]) -> HistogramMetricFamily:
    found = HistogramMetricFamily(name, text, labels=labels)
    for one, value in values.items():
        found.add_metric(one, buckets=cumulative(value.bounds, value.counts), sum_value=value.total)
    return found


def single(number: float) -> Mapping[Labels, float]:
    """The values of a metric without labels."""
    return {(): number}


def _filled(family: Family, values: Values) -> Family:
    for labels, number in values.items():
        family.add_metric(labels, number)
    return family


class Lists:
    """Lists that were served, and the objects that were looked at and shown for them."""

    __slots__ = ("looked_at", "served", "shown")

    def __init__(self) -> None:
        self.served = self.looked_at = self.shown = 0

    def count(self, looked_at: int, shown: int) -> None:
        self.served += 1
        self.looked_at += looked_at
        self.shown += shown


ACCESS_SECONDS = tuple(0.001 * 2**power for power in range(15))
WELL_KNOWN = frozenset(("admin", "client", "kube_proxy", "kubelet", "system:serviceaccount:kube-system:default"))


class AccessFigures:
    """How long it took to know who asks and whether they may, by what came of it."""

    __slots__ = ("allowed", "denied", "known", "no_opinion", "refused", "unknown", "users")

    def __init__(self) -> None:
        self.users = dict.fromkeys((*WELL_KNOWN, "email_id", "other"), 0)
        self.known = Histogram(ACCESS_SECONDS)
        self.unknown = Histogram(ACCESS_SECONDS)
        self.refused = Histogram(ACCESS_SECONDS)
        self.allowed = Histogram(ACCESS_SECONDS)
        self.denied = Histogram(ACCESS_SECONDS)
        self.no_opinion = Histogram(ACCESS_SECONDS)

    def knows(self, name: str, seconds: float) -> None:
        """There are too many names to tell each one apart."""
        self.known.observe(seconds)
        self.users[name if name in WELL_KNOWN else "email_id" if "@" in name else "other"] += 1
