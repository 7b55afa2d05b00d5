"""Plain numbers in which components count what they do; `/metrics` reads them when somebody asks.

Guarantees  To count is an addition of integers, to time something two additions and a search among a few bounds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, repeat
from operator import mul

Labels = tuple[str, ...]


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


def doubling(first: float, count: int, factor: float = 2.0) -> tuple[float, ...]:
    """Bounds that grow by a factor, with the rounding of upstream's ExponentialBuckets."""
    return tuple(accumulate(repeat(factor, count - 1), mul, initial=first))
