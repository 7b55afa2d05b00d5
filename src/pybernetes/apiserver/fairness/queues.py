"""The queues of a priority level: fair among flows, however unequal their demand.

Guarantees
  Of the queues that wait, the one whose oldest request would end first in virtual time goes next, as if all were served
  at once bit by bit. A request that does not fit yet keeps narrower ones from overtaking it for ever.

Follows k8s.io/apiserver/pkg/util/flowcontrol/fairqueuing/queueset. A level asks here only while it is full: requests
that find a seat at once are not accounted to a queue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pybernetes.apiserver.fairness.shuffle import deal

if TYPE_CHECKING:
    from pybernetes.apiserver.auth.contract import User
    from pybernetes.apiserver.fairness.width import Width
    from pybernetes.apiserver.request_info import RequestInfo

SERVICE_SECONDS = 0.003
"""What a request is taken to last until it has shown better."""


@dataclass(frozen=True, slots=True)
class About:
    """A request that waits."""

    schema: str
    distinguisher: str
    user: User
    info: RequestInfo
    width: Width
    arrived: datetime


class Waiter:
    __slots__ = ("about", "arrived", "decision", "queue", "seats", "work")

    def __init__(self, seats: int, work: float, queue: Queue, arrived: float) -> None:
        self.seats = seats
        self.work = work
        self.queue = queue
        self.arrived = arrived
        self.decision: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.about: About | None = None
        """For whoever looks who waits."""


class Queue:
    __slots__ = ("executing", "next_start", "running", "waiting", "work")

    def __init__(self) -> None:
        self.waiting: deque[Waiter] = deque()
        self.work = 0.0
        self.executing = self.running = 0
        """Seats, and the requests that sit on them."""
        self.next_start = 0.0
        """Virtual time at which the next request would begin."""

    @property
    def idle(self) -> bool:
        return not self.waiting and not self.executing


@dataclass(frozen=True, slots=True)
class Shape:
    """How many queues, how many of them a flow is dealt, and how long each may get."""

    queues: int
    hand: int
    length: int


class Queues:
    def __init__(self, shape: Shape, now: float) -> None:
        self._queues = [Queue() for _ in range(shape.queues)]
        self._shape = shape
        self._virtual = 0.0
        self._real = now
        self._turn = self._next_turn = 0
        self._dealt = 0
        self.waiting = 0
        self.waiting_seats = 0

    @property
    def all(self) -> Sequence[Queue]:
        return self._queues

    def reshape(self, shape: Shape) -> None:
        """More queues count at once; of those too many, the ones in use stay until they are empty."""
        self._shape = shape
        self._queues += [Queue() for _ in range(shape.queues - len(self._queues))]
        self._shrink()

    def add(self, value: int, seats: int, work: float, *, full: bool, about: About | None = None) -> Waiter | None:
        """``value`` stands for the flow. None when the queue is as long as it may get and the level has no seat."""
        queue = self._shortest(value)
        if full and len(queue.waiting) >= self._shape.length:
            return None
        if queue.idle:
            queue.next_start = self._virtual
        waiter = Waiter(seats, work, queue, self._virtual)
        waiter.about = about
        queue.waiting.append(waiter)
        queue.work += work
        self.waiting += 1
        self.waiting_seats += seats
        self._bound(queue)
        return waiter

    def _shortest(self, value: int) -> Queue:
        hand = deal(value, self._shape.queues, self._shape.hand)
        self._dealt += 1
        start = self._dealt % len(hand)
        return min((self._queues[card] for card in (*hand[start:], *hand[:start])), key=lambda queue: queue.work)

    def advance(self, now: float, seats: int) -> None:
        """Virtual time goes as fast as each queue in use is being served; ``seats`` are at work for all of them."""
        active = sum(1 for queue in self._queues if not queue.idle)
        self._virtual += (now - self._real) * seats / max(1, active)
        self._real = now

    def next(self) -> Waiter | None:
        """Who is next; still in its queue."""
        count = len(self._queues)
        order = [(self._turn + step) % count for step in range(1, count + 1)]
        waiting = [(index, self._queues[index]) for index in order if self._queues[index].waiting]
        if not waiting:
            return None
        index, queue = min(waiting, key=lambda row: row[1].next_start + row[1].waiting[0].work)
        self._next_turn = index
        return queue.waiting[0]

    def start(self, waiter: Waiter) -> None:
        """``waiter`` is the one that ``next`` named."""
        self._turn = self._next_turn
        queue = waiter.queue
        self._take(waiter)
        queue.executing += waiter.seats
        queue.running += 1
        queue.next_start += waiter.work
        self._bound(queue)

    def give_up(self, waiter: Waiter) -> None:
        """Nobody waits for it any more."""
        self._take(waiter)

    def finish(self, waiter: Waiter, seconds: float) -> None:
        """The queue is charged with what the request really took."""
        queue = waiter.queue
        queue.executing -= waiter.seats
        queue.running -= 1
        queue.next_start -= waiter.seats * (SERVICE_SECONDS - seconds)
        self._bound(queue)
        self._shrink()

    def _take(self, waiter: Waiter) -> None:
        queue = waiter.queue
        queue.waiting.remove(waiter)
        queue.work -= waiter.work
        self.waiting -= 1
        self.waiting_seats -= waiter.seats

    def _bound(self, queue: Queue) -> None:
        """Nothing begins, in virtual time either, before it has arrived: an unused turn is not saved up."""
        if queue.waiting and queue.next_start < queue.waiting[0].arrived:
            queue.next_start = queue.waiting[0].arrived

    def _shrink(self) -> None:
        while len(self._queues) > self._shape.queues and self._queues[-1].idle:
            self._queues.pop()
