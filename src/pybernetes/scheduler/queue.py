"""SchedulingQueue: pods that wait for a node.

Guarantees
  A pod is in exactly one place: active (to be tried now), backing off (to be tried at a known time), unschedulable
  (to be tried when something happens that could help it, or after five minutes at the latest) or held back (by a plugin
  that is asked again when it changes or something happens that the plugin cares about).
  ``pop`` gives the highest priority first, and within one priority the one that has waited longest.
  A pod that failed n times waits 2^(n-1) seconds, at most 10 (or as configured), before it is tried again; one that no
  node would do for is tried sooner when there is nobody else to try. Such waits end together, at whole seconds, so that
  priority counts among them.

Follows kube-scheduler's internal/queue.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from time import perf_counter
from typing import Any

from pybernetes.api.clock import Clock
from pybernetes.api.figures import Counts, Histograms
from pybernetes.api.meta import Key
from pybernetes.scheduler.event_names import (
    ATTEMPT_FAILED,
    BACKOFF_COMPLETE,
    NAMES,
    POD_CAME,
    POD_CHANGED,
    UNSCHEDULABLE_TIMEOUT,
)
from pybernetes.scheduler.figures import POINT_SECONDS
from pybernetes.scheduler.framework import ClusterEvent, Plugin
from pybernetes.scheduler.hints import Change, Hints
from pybernetes.scheduler.parked import ParkedPods
from pybernetes.scheduler.pod_info import PodInfo

LONGEST_UNSCHEDULABLE = 300.0
MOST_CHANGES = 256
"""How many changes are kept for pods that are being tried; when more happen, any of them may have helped."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds that a pod waits after its first failure, and after the many-th."""

    initial: float = 1.0
    most: float = 10.0

    def after(self, attempts: int) -> float:
        return min(self.initial * 2.0 ** (attempts - 1), self.most)


@dataclass(slots=True, eq=False)
class Waiting:
    """A pod on its way through the queue. ``attempts`` counts the tries so far."""

    pod: PodInfo
    added: float
    attempts: int = 0
    failed_at: float = 0.0
    rejected_by: frozenset[str] = frozenset()
    seen: int = 0
    """How many changes had happened when it was last taken to be tried."""
    gated_by: str = ""
    """The plugin that holds it back, so that it is not even tried."""
    first_active: float | None = None
    """When it could be tried for the first time."""
    began: float = 0.0
    """When the attempt under way, or the last one, began."""
    was_flushed: bool = False
    """Whether it is tried only because it had waited for so long."""


@dataclass(frozen=True, slots=True)
class QueueLengths:
    active: int
    backoff: int
    unschedulable: int
    gated: int


_UPSTREAM = Backoff()


def by_priority(pod: PodInfo, added: float) -> tuple[int, float]:
    return -pod.priority, added


class SchedulingQueue:
    def __init__(
        self,
        clock: Clock,
        plugins: Iterable[Plugin],
        backoff: Backoff = _UPSTREAM,
        gate: Callable[[PodInfo], str] = lambda pod: "",
        sort_key: Callable[[PodInfo, float], Any] = by_priority,
    ) -> None:
        """``gate`` names the plugin that holds a pod back, if one does."""
        self._gate = gate
        self._sort_key = sort_key
        self._clock = clock
        self._backoffs = backoff
        self._hints = Hints(plugins)
        self._being_tried: set[Key] = set()
        self._changes: deque[Change] = deque(maxlen=MOST_CHANGES)
        self._happened = 0
        self._order = count()
        self._active: list[tuple[Any, int, Waiting]] = []
        self._backoff: list[tuple[int, Any, int, Waiting]] = []
        self._backoff_of_failed: list[tuple[float, int, Waiting]] = []
        self._unschedulable: ParkedPods[Waiting] = ParkedPods()
        self._held_back: ParkedPods[Waiting] = ParkedPods()
        self._waiting: dict[Key, Waiting] = {}
        self._wake = asyncio.Event()
        self.incoming = Counts()
        """How many pods came into which of the queues, and what brought them."""
        self.handling = Histograms(POINT_SECONDS)
        """Seconds that news of the cluster took, by what it was."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, pod: PodInfo) -> None:
        """A pod that was not known, or whose specification changed so that it should be tried anew."""
        waiting = Waiting(pod, self._clock.monotonic())
        self._waiting[pod.key] = waiting
        self._unschedulable.pop(pod.key)
        self._held_back.pop(pod.key)
        self._activate(waiting, POD_CAME)

    def update(self, pod: PodInfo) -> None:
        """New state of a pod; one that was unschedulable is tried again if what matters to plugins changed."""
        waiting = self._waiting.get(pod.key)
        if waiting is None:
            self.add(pod)
            return
        changed = waiting.pod.template != pod.template or waiting.pod.priority != pod.priority
        waiting.pod = pod
        if changed and self._unschedulable.pop(pod.key) is not None:
            self._requeue(waiting, POD_CHANGED)
        elif changed and pod.key in self._being_tried:
            # As if more had happened than is known.
            waiting.seen = self._happened - MOST_CHANGES - 1
        elif self._held_back.pop(pod.key) is not None:
            self._requeue(waiting, POD_CHANGED)

    def remove(self, key: Key) -> None:
        self._waiting.pop(key, None)
        self._end_attempt(key)
        self._unschedulable.pop(key)
        self._held_back.pop(key)

    def pending(self) -> QueueLengths:
        """Counted when somebody asks."""
        active = sum(self._waiting.get(one.pod.key) is one for *_, one in self._active)
        backing_off = (*(one for *_, one in self._backoff), *(one for *_, one in self._backoff_of_failed))
        backoff = sum(self._waiting.get(one.pod.key) is one for one in backing_off)
        return QueueLengths(active, backoff, len(self._unschedulable), len(self._held_back))

    def refused(self) -> Iterator[tuple[PodInfo, frozenset[str]]]:
        """The pods that wait after an attempt, or before the first, with the plugins to which they owe it."""
        for key, waiting in self._waiting.items():
            if key not in self._being_tried:
                yield waiting.pod, waiting.rejected_by | ({waiting.gated_by} if waiting.gated_by else frozenset())

    @property
    def in_flight(self) -> tuple[int, Sequence[Change]]:
        """How many pods are being tried, and what has happened meanwhile."""
        return len(self._being_tried), self._changes

    async def pop(self) -> Waiting:
        """The next pod to try; the caller answers with ``remove``, ``park`` or ``retry``."""
        while True:
            waiting = self.pop_now()
            if waiting is not None:
                return waiting
            self._wake.clear()
            await self._wait_for_work()

    def pop_now(self) -> Waiting | None:
        self._advance()
        while self._active or self._backoff:
            if not self._active:
                # Nobody else wants to be tried: whoever something has happened for need not wait for its time.
                self._end_backoff(heapq.heappop(self._backoff)[-1])
                continue
            waiting = heapq.heappop(self._active)[2]
            if self._waiting.get(waiting.pod.key) is waiting:
                waiting.attempts += 1
                self._begin_attempt(waiting)
                return waiting
        return None

    def take(self, key: Key) -> Waiting | None:
        """A certain pod, to be tried now wherever it waits; None for one that is unknown or held back."""
        waiting = self._waiting.get(key)
        if waiting is None or waiting.gated_by:
            return None
        # The heaps keep what they have: another object makes it void.
        taken = self._waiting[key] = replace(waiting, attempts=waiting.attempts + 1)
        self._unschedulable.pop(key)
        self._begin_attempt(taken)
        return taken

    def park(self, waiting: Waiting, rejected_by: frozenset[str]) -> None:
        """No node would do: wait for a change that could help by one of the plugins which refused.

        What happened while it was being tried counts: the attempt may not have seen it.
        """
        if self._waiting.get(waiting.pod.key) is waiting:
            waiting.failed_at = self._clock.monotonic()
            waiting.rejected_by = rejected_by
            waiting.was_flushed = False
            if self._was_helped(waiting):
                self._requeue(waiting, ATTEMPT_FAILED)
            else:
                self._unschedulable.add(waiting, rejected_by)
                self.incoming.add("unschedulable", ATTEMPT_FAILED)
            self._end_attempt(waiting.pod.key)

    def retry(self, waiting: Waiting) -> None:
        """The attempt failed for a passing cause: try again after the back-off."""
        if self._waiting.get(waiting.pod.key) is waiting:
            waiting.failed_at = self._clock.monotonic()
            ready_at = waiting.failed_at + self._backoffs.after(waiting.attempts)
            heapq.heappush(self._backoff_of_failed, (ready_at, next(self._order), waiting))
            self.incoming.add("backoff", ATTEMPT_FAILED)
            self._wake.set()
            self._end_attempt(waiting.pod.key)

    def hurry(self, key: Key) -> None:
        """A pod that waits for something which will not happen is tried now."""
        waiting = self._unschedulable.pop(key) or self._held_back.pop(key)
        if waiting is not None:
            self._activate(waiting, ATTEMPT_FAILED)

    def move(self, event: ClusterEvent, old: Any = None, new: Any = None, *, but: Key | None = None) -> None:
        """Something happened: whoever it could help is tried again, after the rest of its back-off.

        ``old`` and ``new`` are what it happened to, as ``hints`` has them; without them it might help whoever cares
        about such events. ``but`` names a pod that it is no news to.
        """
        interested = self._hints.interested(event)
        if event is ClusterEvent.POD_ADDED and not interested:
            return
        change = Change(event, old, new)
        if self._being_tried:
            self._changes.append(change)
            self._happened += 1
        if not self._unschedulable and not self._held_back:
            return
        began = perf_counter()
        self._move_all(change, but)
        self.handling[NAMES[event],].observe(perf_counter() - began)

    def _move_all(self, change: Change, but: Key | None) -> None:
        event = NAMES[change.event]
        verdicts = self._hints.about(change)
        for waiting in (*self._held_back.take_helped(verdicts), *self._unschedulable.take_helped(verdicts, but)):
            self._requeue(waiting, event)

    def _begin_attempt(self, waiting: Waiting) -> None:
        self._being_tried.add(waiting.pod.key)
        waiting.seen = self._happened
        waiting.began = self._clock.monotonic()

    def _end_attempt(self, key: Key) -> None:
        self._being_tried.discard(key)
        if not self._being_tried:
            self._changes.clear()

    def _was_helped(self, waiting: Waiting) -> bool:
        """Whether something that happened since it was taken could help it."""
        missed = self._happened - waiting.seen
        if missed > len(self._changes):
            return True
        changes = list(self._changes)[len(self._changes) - missed :]
        return any(self._hints.about(one).could_help(waiting.pod, waiting.rejected_by) for one in changes)

    def _requeue(self, waiting: Waiting, event: str) -> None:
        if not waiting.attempts:
            self._activate(waiting, event)
            return
        window = int(waiting.failed_at + self._backoffs.after(waiting.attempts))
        if window < int(self._clock.monotonic()):
            self._activate(waiting, event)
        else:
            self.incoming.add("backoff", event)
            order = self._sort_key(waiting.pod, waiting.added)
            heapq.heappush(self._backoff, (window, order, next(self._order), waiting))
            self._wake.set()

    def _activate(self, waiting: Waiting, event: str) -> None:
        waiting.gated_by = self._gate(waiting.pod)
        if waiting.gated_by:
            # Whoever held it back may let it go; whoever refused it before may have changed its mind since.
            self._held_back.add(waiting, waiting.rejected_by | {waiting.gated_by})
            self.incoming.add("unschedulable", event)
            return
        self.incoming.add("active", event)
        if waiting.first_active is None:
            waiting.first_active = self._clock.monotonic()
        heapq.heappush(self._active, (self._sort_key(waiting.pod, waiting.added), next(self._order), waiting))
        self._wake.set()

    def _advance(self) -> None:
        now = self._clock.monotonic()
        while self._backoff and self._backoff[0][0] < int(now):
            self._end_backoff(heapq.heappop(self._backoff)[-1])
        while self._backoff_of_failed and self._backoff_of_failed[0][0] <= now:
            self._end_backoff(heapq.heappop(self._backoff_of_failed)[-1])
        while (waiting := self._unschedulable.oldest()) is not None:
            if waiting.failed_at + LONGEST_UNSCHEDULABLE > now:
                break
            self._unschedulable.pop(waiting.pod.key)
            waiting.was_flushed = True
            self._activate(waiting, UNSCHEDULABLE_TIMEOUT)

    def _end_backoff(self, waiting: Waiting) -> None:
        if self._waiting.get(waiting.pod.key) is waiting:
            self._activate(waiting, BACKOFF_COMPLETE)

    async def _wait_for_work(self) -> None:
        deadline = min(self._deadlines(), default=None)
        delay = None if deadline is None else max(0.0, deadline - self._clock.monotonic())
        try:
            async with asyncio.timeout(delay):
                await self._wake.wait()
        except TimeoutError:
            return

    def _deadlines(self) -> Iterable[float]:
        if self._backoff_of_failed:
            yield self._backoff_of_failed[0][0]
        if (oldest := self._unschedulable.oldest()) is not None:
            yield oldest.failed_at + LONGEST_UNSCHEDULABLE
