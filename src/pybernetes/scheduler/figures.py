"""What the scheduler counts of itself, in plain numbers; ``metrics.py`` tells them under upstream's names.

Guarantees  Nothing here costs a decision more than a few additions, and labels are not put together for each pod.

Follows the names and bounds of pkg/scheduler/metrics/metrics.go.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum
from time import perf_counter
from typing import Final, Protocol

from pybernetes.api.clock import Clock
from pybernetes.api.figures import Histogram, Histograms, doubling
from pybernetes.scheduler.pod_info import PodInfo

MILLISECONDS: Final = doubling(0.001, 15)
POINT_SECONDS: Final = doubling(0.0001, 12)
PLUGIN_SECONDS: Final = doubling(0.00001, 20, 1.5)
OBJECTIVE_SECONDS: Final = doubling(0.01, 20)
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
PRE_FILTER, FILTER, POST_FILTER, SCORE = "PreFilter", "Filter", "PostFilter", "Score"


class ProfileFigures:
    """Of the decisions of one profile."""

    def __init__(self) -> None:
        self.attempts = {one: Histogram(MILLISECONDS) for one in Result}
        self.points = Histograms(POINT_SECONDS)
        """By extension point and status."""
        self.filtered: Counter[str] = Counter()
        self.scored: Counter[str] = Counter()
        """How often each plugin was asked."""

    def reached(self, point: str, status: str, began: float) -> float:
        """``began`` is what ``perf_counter`` said; gives what it says now."""
        now = perf_counter()
        self.points[point, status].observe(now - began)
        return now


class Attempted(Protocol):
    """A pod that is tried, or was."""

    pod: PodInfo
    attempts: int
    began: float
    first_active: float | None
    was_flushed: bool


class SchedulerFigures:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
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
        self._decisions = 0

    def profile(self, name: str) -> ProfileFigures:
        found = self.profiles.get(name)
        if found is None:
            found = self.profiles[name] = ProfileFigures()
        return found

    def is_sampled(self) -> bool:
        """Asked once for each decision."""
        self._decisions += 1
        return self._decisions % SAMPLE == 0

    def scheduled(self, one: Attempted) -> None:
        now = self._clock.monotonic()
        self.profile(one.pod.scheduler_name).attempts[Result.SCHEDULED].observe(now - one.began)
        self.tries.observe(one.attempts)
        since = now if one.first_active is None else one.first_active
        self.objective[attempts_label(one.attempts),].observe(now - since)
        self.after_flush += one.was_flushed

    def failed(self, one: Attempted, *, is_rejected: bool) -> None:
        """An attempt that ended without a node: the pod was rejected, or else something went wrong."""
        result = Result.UNSCHEDULABLE if is_rejected else Result.ERROR
        self.profile(one.pod.scheduler_name).attempts[result].observe(self._clock.monotonic() - one.began)

    def planned(self, victims: int | None) -> None:
        """A preemption was thought about; None: nobody would have to go."""
        self.preemptions += 1
        if victims is not None:
            self.victims.observe(victims)


def attempts_label(attempts: int) -> str:
    """Upstream tells no more than fifteen apart."""
    return f"{MOST_ATTEMPTS}+" if attempts >= MOST_ATTEMPTS else str(attempts)
