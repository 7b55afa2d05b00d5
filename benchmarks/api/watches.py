"""A thousand watchers of one namespace in which a pod changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import orjson

from benchmarks import watchers
from benchmarks.api.measurement import Sample, Server, fill, make_namespace
from benchmarks.report import percentile

WATCHERS, PROCESSES, UPDATES_PER_SECOND, SECONDS = 1000, 2, 25, 8


class Watchers:
    rounds = 1

    async def prepare(self, server: Server) -> None:
        await make_namespace(server.target, self._namespace(server))
        await fill(server.target, self._namespace(server), 1)

    async def sample(self, server: Server) -> Sequence[Sample]:
        path = f"{server.path('pods', namespace=self._namespace(server))}?watch=1&resourceVersion=0"
        with watchers.watching(server.target, path, WATCHERS, PROCESSES) as pipes:
            before = server.cpu_seconds()
            sent = await self._update(server, UPDATES_PER_SECOND * SECONDS)
            await asyncio.sleep(2)
            used = server.cpu_seconds() - before
            arrived = watchers.arrivals(pipes)
        delays = [at - sent[number] for number, at in arrived]
        expected = WATCHERS * len(sent)
        share, delivered = len(arrived) / expected * 100, f"{len(arrived)} of {expected}"
        p99 = percentile(delays, 0.99) * 1000
        samples = [
            Sample("watch events delivered to 1,000 watchers", share, "%", goal=100, note=delivered),
            Sample("watch event, p99", p99, "ms", ratio=1, goal=100, at_most=True),
        ]
        if server.pid is not None:
            per_second = len(arrived) / used
            note = f"{used / len(arrived) * 1e6:.1f} µs an event"
            samples.append(Sample("watch events for a second of server CPU", per_second, ratio=1.5, note=note))
        return samples

    def _namespace(self, server: Server) -> str:
        return f"{server.namespace}-watch"

    async def _update(self, server: Server, count: int) -> dict[int, float]:
        """Changes the pod `UPDATES_PER_SECOND` times a second; when each change was sent."""
        connection = await server.target.connect()
        path = server.path("pods", "pod-0", self._namespace(server))
        sent: dict[int, float] = {}
        began = time.perf_counter()
        for number in range(count):
            patch = orjson.dumps({"metadata": {"annotations": {"bench": f"#{number}#"}}})
            sent[number] = time.perf_counter()
            await connection.send(server.target.request("PATCH", path, patch, "application/merge-patch+json"))
            await asyncio.sleep(max(0.0, began + (number + 1) / UPDATES_PER_SECOND - time.perf_counter()))
        connection.close()
        return sent
