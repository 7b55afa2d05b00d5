"""Counting the pods of a namespace that have a node, cheaply: one watch whose events are counted, not decoded.

As scheduler_perf samples: pods a second over each second, from the first second that saw one; a second without any
lengthens the next sample and counts twice then.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.connection import Target

INTERVAL = 1.0
_BOUND = b'{"type":"ADDED"'


@dataclass(frozen=True, slots=True)
class Throughput:
    """``samples`` are pods a second, in order; ``seconds`` is from the first pod made to the last one bound."""

    pods: int
    seconds: float
    samples: Sequence[float]
    cpu: Mapping[str, float] = field(default_factory=dict)
    """What each part spent meanwhile, in seconds."""

    @property
    def average(self) -> float:
        """Over the samples, as upstream states it; over everything where it was too quick to be sampled."""
        return sum(self.samples) / len(self.samples) if self.samples else self.pods / self.seconds

    def percentile(self, percent: int) -> float:
        ordered = sorted(self.samples) or [self.average]
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


class BoundPods(asyncio.Protocol):
    """Counts the events of a watch on pods that have a node."""

    def __init__(self) -> None:
        self.count = 0
        self.lost = False
        self.listening = asyncio.Event()
        self._wanted = 0
        self._reached = asyncio.Event()
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        self.listening.set()
        data = self._rest + data
        self.count += data.count(_BOUND)
        # An event's beginning may be cut in two; a whole one must not be counted again.
        self._rest = data[1 - len(_BOUND) :]
        if self._wanted and self.count >= self._wanted:
            self._reached.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._reached.set()
        self.listening.set()

    async def until(self, count: int) -> None:
        """Returns once so many pods are bound. Raises ConnectionError when the watch has ended."""
        self._wanted = count
        if self.count < count:
            self._reached.clear()
            await self._reached.wait()
        if self.lost:
            raise ConnectionError("the watch on pods has ended")


async def watch_bound(target: Target, namespace: str) -> tuple[BoundPods, asyncio.BaseTransport]:
    counter = BoundPods()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(lambda: counter, target.host, target.port, ssl=target.tls)
    path = f"/api/v1/namespaces/{namespace}/pods?watch=1&resourceVersion=0&fieldSelector=spec.nodeName%21%3D"
    transport.write(target.request("GET", path, accept="application/json"))
    await counter.listening.wait()
    return counter, transport


async def sample(counter: BoundPods, into: list[float]) -> None:
    """Adds a sample for every second, until cancelled."""
    seen, at, skipped, started = 0, time.perf_counter(), 0, False
    while True:
        await asyncio.sleep(INTERVAL)
        count, now = counter.count, time.perf_counter()
        if not started:
            # The first sample began before the first pod did.
            started, seen, at = count > 0, count, now
        elif count == seen:
            skipped += 1
        else:
            into.extend([(count - seen) / (now - at)] * (skipped + 1))
            seen, at, skipped = count, now, 0
