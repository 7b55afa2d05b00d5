"""WorkQueue: keys that wait to be worked on.

Guarantees
  A key waits at most once, however often it is added.
  A key is never given out twice at once: added again while it is being worked on, it waits until `done`.
  Keys come in the order in which they were added.
  `add_after` adds a key when its time has come, `add_rate_limited` after a wait that doubles with each failure of that
  key (5 ms up to 1000 s) until `forget`.
Follows client-go util/workqueue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from pybernetes.client.queue_figures import QueueFigures

K = TypeVar("K", bound=Hashable)

FIRST_DELAY, LAST_DELAY = 0.005, 1000.0


class QueueClosed(Exception):
    """No more keys will come."""


class WorkQueue(Generic[K]):
    """For use inside one event loop; not thread-safe."""

    def __init__(self) -> None:
        self._order: deque[K] = deque()
        self._dirty: set[K] = set()
        self._working: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, tuple[float, asyncio.Handle]] = {}
        """When, and what then: not every loop's handles know their time."""
        self._getters: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self.figures = QueueFigures()

    def __len__(self) -> int:
        return len(self._order)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is being worked on; keys whose time has not come do not count."""
        return not self._dirty and not self._working

    def add(self, key: K) -> None:
        if self._closed or key in self._dirty:
            return
        self._dirty.add(key)
        self.figures.added(key)
        if key not in self._working:
            self._enqueue(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Of several times for one key the earliest counts."""
        if self._closed:
            return
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        known = self._timers.get(key)
        if known is not None:
            if known[0] <= when:
                return
            known[1].cancel()
        self._timers[key] = when, loop.call_at(when, self._due, key)

    def add_rate_limited(self, key: K) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.figures.retries += 1
        self.add_after(key, delay_after(failures))

    def forget(self, key: K) -> None:
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        return self._failures.get(key, 0)

    def failing(self, at_least: int) -> dict[K, int]:
        """The keys that have failed so often in a row, and how often."""
        return {key: times for key, times in self._failures.items() if times >= at_least}

    async def get(self) -> K:
        """The next key; whoever takes it must call `done`. Raises QueueClosed."""
        while not self._order:
            if self._closed:
                raise QueueClosed
            getter = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                self._pass_on(getter)
                raise
        key = self._order.popleft()
        self._dirty.discard(key)
        self._working.add(key)
        self.figures.started(key)
        return key

    def done(self, key: K) -> None:
        self._working.discard(key)
        self.figures.done(key)
        if key in self._dirty:
            self._enqueue(key)

    def close(self) -> None:
        self._closed = True
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        while self._getters:
            self._wake()

    def _due(self, key: K) -> None:
        del self._timers[key]
        self.add(key)

    def _enqueue(self, key: K) -> None:
        self._order.append(key)
        self._wake()

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _pass_on(self, getter: asyncio.Future[None]) -> None:
        if getter.done() and not getter.cancelled():
            self._wake()
        elif getter in self._getters:
            self._getters.remove(getter)


def delay_after(failures: int) -> float:
    return min(FIRST_DELAY * 2.0 ** min(failures, 32), LAST_DELAY)
