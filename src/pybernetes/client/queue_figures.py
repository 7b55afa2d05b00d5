"""What a work queue has done, in plain numbers; whoever is asked for metrics reads them off.

Follows k8s.io/component-base/metrics/prometheus/workqueue.
"""

from __future__ import annotations

import time
from collections.abc import Hashable

from pybernetes.api.figures import Histogram

BOUNDS = tuple(float(f"1e{exponent}") for exponent in range(-8, 2))
"""Upper bounds of the histograms, in seconds."""


class QueueFigures:
    __slots__ = ("_since", "_started", "adds", "retries", "waited", "worked")

    def __init__(self) -> None:
        self.adds = 0
        self.retries = 0
        self.waited = Histogram(BOUNDS)
        self.worked = Histogram(BOUNDS)
        self._since: dict[Hashable, float] = {}
        self._started: dict[Hashable, float] = {}

    def added(self, key: Hashable) -> None:
        self.adds += 1
        self._since.setdefault(key, time.perf_counter())

    def started(self, key: Hashable) -> None:
        now = time.perf_counter()
        self._started[key] = now
        self.waited.observe(now - self._since.pop(key, now))

    def done(self, key: Hashable) -> None:
        started = self._started.pop(key, None)
        if started is not None:
            self.worked.observe(time.perf_counter() - started)

    def unfinished(self) -> float:
        """Seconds of work that is under way, all together."""
        now = time.perf_counter()
        return sum(now - started for started in self._started.values())

    def longest(self) -> float:
        """Seconds that the oldest of it has taken."""
        return time.perf_counter() - min(self._started.values()) if self._started else 0.0
