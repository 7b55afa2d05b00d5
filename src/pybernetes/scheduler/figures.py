"""What the scheduler counts of itself, in plain numbers; ``metrics.py`` tells them under upstream's names.

Guarantees  Nothing here costs a decision more than a few additions, and labels are not put together for each pod.

Follows the names and bounds of pkg/scheduler/metrics/metrics.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from time import perf_counter
from typing import Final

from pybernetes.api.figures import Counts, Histogram, Histograms, doubling

MILLISECONDS: Final = doubling(0.001, 15)
POINT_SECONDS: Final = doubling(0.0001, 12)
PLUGIN_SECONDS: Final = doubling(0.00001, 20, 1.5)
OBJECTIVE_SECONDS: Final = doubling(0.01, 20)
CONDITION_SECONDS: Final = doubling(0.1, 14)
SAMPLE = 10
"""One in so many decisions times each plugin."""
MOST_ATTEMPTS = 15


class Result(Enum):
    """What came of an attempt to schedule a pod."""

    SCHEDULED = "scheduled"
    UNSCHEDULABLE = "unschedulable"
    ERROR = "error"


SUCCESS, UNSCHEDULABLE, UNRESOLVABLE = "Success", "Unschedulable", "UnschedulableAndUnresolvable"
"""How an extension point or a plugin ended."""


class ProfileFigures:
    """Of the decisions of one profile."""

    def __init__(self) -> None:
        self.attempts = {one: Histogram(MILLISECONDS) for one in Result}
        self.points = Histograms(POINT_SECONDS)
        """By extension point and status."""
        self.evaluations: Counts = Counts()
        """By plugin and extension point."""
        self.groups = Histograms(MILLISECONDS)

    def reached(self, point: str, status: str, began: float) -> None:
        """``began`` is what ``perf_counter`` said."""
        self.points[point, status].observe(perf_counter() - began)


class SchedulerFigures:
    def __init__(self) -> None:
        self.profiles: dict[str, ProfileFigures] = {}
        self.algorithm = Histogram(MILLISECONDS)
        self.objective = Histograms(OBJECTIVE_SECONDS)
        """Until a pod was scheduled, by how many attempts it took."""
        self.tries = Histogram(doubling(1, 5))
        self.after_flush = 0
        self.plugins = Histograms(PLUGIN_SECONDS)
        """By plugin, extension point and status, of one decision in ten."""
        self.preemptions = 0
        self.victims = Histogram(doubling(1, 7))
        self.evictions = Histograms(OBJECTIVE_SECONDS)
        self.permits = Histograms(MILLISECONDS)
        self.claims_created = Counts()
        self.volume_errors = Counts()
        self._decisions = 0

    def profile(self, name: str) -> ProfileFigures:
        return self.profiles.setdefault(name, ProfileFigures())

    def is_sampled(self) -> bool:
        """Asked once for each decision."""
        self._decisions += 1
        return self._decisions % SAMPLE == 0

    def scheduled(self, profile: str, seconds: float, attempts: int, since: float) -> None:
        """``since``: seconds from the moment at which it could first be tried."""
        self.profile(profile).attempts[Result.SCHEDULED].observe(seconds)
        self.tries.observe(attempts)
        self.objective[attempts_label(attempts),].observe(since)

    @contextmanager
    def plugin(self, name: str, point: str) -> Iterator[None]:
        began = perf_counter()
        yield
        self.plugins[name, point, SUCCESS].observe(perf_counter() - began)


def attempts_label(attempts: int) -> str:
    """Upstream tells no more than fifteen apart."""
    return f"{MOST_ATTEMPTS}+" if attempts >= MOST_ATTEMPTS else str(attempts)
