"""A priority level: its seats, who sits on them, and who waits.

Guarantees
  Never more seats are taken than the level has for now, except by the exempt level and by one request that is wider
  than the level is (it runs alone).
  A request that finds a seat and nobody waiting runs at once; that path does nothing but count.
"""

from __future__ import annotations

import asyncio
from enum import Enum

from pybernetes.api.models.flowcontrol_v1 import PriorityLevelConfiguration
from pybernetes.apiserver.fairness.demand import Integrator
from pybernetes.apiserver.fairness.drops import Drops
from pybernetes.apiserver.fairness.queues import SERVICE_SECONDS, About, Queues, Shape, Waiter
from pybernetes.apiserver.fairness.shares import Limits
from pybernetes.apiserver.fairness.width import Width


class Reason(Enum):
    """Why a request was turned away, as the metrics name it."""

    LIMIT = "concurrency-limit"
    FULL = "queue-full"
    TIME_OUT = "time-out"
    CANCELLED = "cancelled"


class Level:
    def __init__(self, name: str, now: float) -> None:
        self.name = name
        self.uid = ""
        self.exempt = False
        self.limits = Limits(0, 0, 0, 1)
        self.limit = 0
        self.in_use = 0
        self.executing = 0
        self.queues: Queues | None = None
        self.demand = Integrator(now)
        self.drops = Drops()
        self._new = True

    def configure(self, level: PriorityLevelConfiguration, limits: Limits, now: float) -> None:
        self.uid = level.metadata.uid
        self.exempt = level.spec.type == "Exempt"
        self.limits = limits
        if self._new:
            self.limit = limits.nominal - (limits.nominal - limits.lower) // 2
            self._new = False
        queuing = level.spec.limited.limit_response.queuing if level.spec.limited else None
        if queuing is None:
            if self.queues is not None and not self.queues.waiting:
                self.queues = None
            return
        shape = Shape(queuing.queues, queuing.hand_size, queuing.queue_length_limit)
        if self.queues is None:
            self.queues = Queues(shape, now)
        else:
            self.queues.reshape(shape)

    @property
    def waiting(self) -> int:
        return self.queues.waiting if self.queues is not None else 0

    @property
    def idle(self) -> bool:
        return not self.executing and not self.waiting

    def try_start(self, seats: int, now: float) -> bool:
        if not self.exempt and (self.waiting or not self._fits(seats)):
            return False
        self._seat(seats, now)
        return True

    async def wait(
        self, value: int, width: Width, now: float, patience: float, about: About | None = None
    ) -> Waiter | Reason:
        """The waiter when its time has come: its seats are taken then."""
        queues = self.queues
        if queues is None:
            return Reason.LIMIT
        queues.advance(now, self._at_work)
        work = width.seats * SERVICE_SECONDS + width.lingering * width.linger_seconds
        waiter = queues.add(value, width.widest, work, full=self.in_use >= self.limit, about=about)
        if waiter is None:
            return Reason.FULL
        self.demand.add(waiter.seats, now)
        self.dispatch(now)
        try:
            async with asyncio.timeout(patience):
                await waiter.decision
        except TimeoutError:
            self._give_up(queues, waiter)
            return Reason.TIME_OUT
        except asyncio.CancelledError:
            if waiter.decision.done() and not waiter.decision.cancelled():
                self.finish(waiter, waiter.seats, 0.0, now)
                self.release(waiter.seats, now)
            else:
                self._give_up(queues, waiter)
            raise
        return waiter

    def finish(self, waiter: Waiter | None, seats: int, seconds: float, now: float) -> None:
        """The request is done; ``release`` follows, at once or when its after-effects are over."""
        self.executing -= 1
        if waiter is not None and self.queues is not None:
            self.queues.finish(waiter, seconds)

    def release(self, seats: int, now: float) -> None:
        self.in_use -= seats
        self.demand.add(-seats, now)
        if self.waiting:
            self.dispatch(now)

    def dispatch(self, now: float) -> None:
        """Starts who waits, as long as there are seats."""
        queues = self.queues
        if queues is None or not queues.waiting:
            return
        queues.advance(now, self._at_work)
        while self.in_use < self.limit:
            waiter = queues.next()
            if waiter is None or not self._fits(waiter.seats):
                return
            queues.start(waiter)
            self.executing += 1
            self.in_use += waiter.seats
            waiter.decision.set_result(None)

    @property
    def _at_work(self) -> int:
        waiting = self.queues.waiting_seats if self.queues is not None else 0
        return min(self.limit, self.in_use + waiting)

    def _fits(self, seats: int) -> bool:
        return self.in_use + seats <= self.limit or (seats > self.limit and not self.executing)

    def _seat(self, seats: int, now: float) -> None:
        self.executing += 1
        self.in_use += seats
        self.demand.add(seats, now)

    def _give_up(self, queues: Queues, waiter: Waiter) -> None:
        if not waiter.decision.done() or waiter.decision.cancelled():
            queues.give_up(waiter)
            self.demand.add(-waiter.seats, asyncio.get_running_loop().time())
