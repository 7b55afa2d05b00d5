"""Many connections that send requests one after another: how many a second, and how long each took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.connection import Target
from benchmarks.report import percentile

CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Run:
    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def p99_ms(self) -> float:
        return percentile(self.latencies, 0.99) * 1000


async def repeat(target: Target, request: bytes, seconds: float, connections: int = CONNECTIONS) -> Run:
    """The same request until the time is over."""
    ends = time.perf_counter() + seconds

    def more() -> Iterator[bytes]:
        while time.perf_counter() < ends:
            yield request

    return await _run(target, more, connections)


async def each(target: Target, requests: list[bytes], connections: int = CONNECTIONS) -> Run:
    """Every request once, shared out among the connections."""
    queue = iter(requests)
    return await _run(target, lambda: queue, connections)


async def _run(target: Target, requests: Callable[[], Iterator[bytes]], connections: int) -> Run:
    latencies: list[float] = []

    async def work() -> None:
        connection = await target.connect()
        try:
            for request in requests():
                began = time.perf_counter()
                await connection.send(request, keep=False)
                latencies.append(time.perf_counter() - began)
        finally:
            connection.close()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(work())
    return Run(time.perf_counter() - began, latencies)
