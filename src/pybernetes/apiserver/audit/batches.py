"""Events that wait to be delivered together, behind the requests' backs.

Guarantees
  At most ``buffer`` events wait; what comes beyond them is lost, counted, and said to be lost.
  A batch goes out when it is full or when its oldest event has waited ``wait``, no more often than the throttle allows.

Follows k8s.io/apiserver/plugin/pkg/audit/buffered.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pybernetes.apiserver import background
from pybernetes.apiserver.audit.losses import Losses

log = logging.getLogger(__name__)

PLUGIN = "buffered"


@dataclass(frozen=True, slots=True)
class Batching:
    """``rate`` is in batches a second, 0 for any; ``burst`` is how many may go at once after a rest."""

    buffer: int = 10_000
    size: int = 400
    wait: float = 30.0
    rate: float = 10.0
    burst: int = 15


class Batches:
    """Implements `Sink`; ``start`` and ``stop`` it with the server."""

    def __init__(
        self, deliver: Callable[[list[bytes]], Awaitable[object]], batching: Batching, losses: Losses, name: str
    ) -> None:
        self._deliver = deliver
        self._batching = batching
        self._losses = losses
        self._name = name
        self._waiting: deque[bytes] = deque()
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self._lost = 0
        self._next = 0.0
        """When the next batch could go if none had been put off."""
        self._task: asyncio.Task[None] | None = None

    def take(self, event: bytes) -> bool:
        if len(self._waiting) >= self._batching.buffer:
            self._lost += 1
            self._losses.add(PLUGIN)
            return True
        self._waiting.append(event)
        self._some.set()
        if len(self._waiting) >= self._batching.size:
            self._full.set()
        return True

    def start(self) -> None:
        self._task = background.start(self._run(), self._name)

    async def stop(self) -> None:
        """Delivers what waits, once."""
        if self._task is not None:
            await background.stop(self._task)
            self._task = None
        while self._waiting:
            await self._deliver(self._batch())

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            try:
                async with asyncio.timeout(self._batching.wait):
                    await self._full.wait()
            except TimeoutError:
                pass  # not full, but old enough
            await self._throttled()
            await self._deliver(self._batch())

    async def _throttled(self) -> None:
        rate = self._batching.rate
        if not rate:
            return
        now = asyncio.get_running_loop().time()
        earliest = max(self._next, now - (self._batching.burst - 1) / rate)
        self._next = earliest + 1 / rate
        if earliest > now:
            await asyncio.sleep(earliest - now)

    def _batch(self) -> list[bytes]:
        size = self._batching.size
        batch = [self._waiting.popleft() for _ in range(min(size, len(self._waiting)))]
        if not self._waiting:
            self._some.clear()
        if len(self._waiting) < size:
            self._full.clear()
        if self._lost:
            log.error("audit events are lost: %s does not keep up", self._name, extra={"events": self._lost})
            self._lost = 0
        return batch
