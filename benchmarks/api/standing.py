"""What a server takes while nothing is asked of it: memory and CPU. Each needs the server's process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from benchmarks import cost
from benchmarks.api.measurement import Sample, Server

IDLE_SECONDS = 15.0


class Resident:
    """With the stored pods, before any load."""

    rounds = 1

    async def prepare(self, server: Server) -> None:
        return

    async def sample(self, server: Server) -> Sequence[Sample]:
        resident = server.resident()
        return [] if resident is None else [Sample("resident with 5,000 pods", resident, "MB", goal=130, at_most=True)]


class Peak:
    """After the load of all other measurements; what the system saw at most where it tells."""

    rounds = 1

    async def prepare(self, server: Server) -> None:
        return

    async def sample(self, server: Server) -> Sequence[Sample]:
        if server.pid is None:
            return []
        return [Sample("resident at the peak of this load", cost.peak(server.pid), "MB", goal=300, at_most=True)]


class Idle:
    rounds = 1

    async def prepare(self, server: Server) -> None:
        await asyncio.sleep(5)

    async def sample(self, server: Server) -> Sequence[Sample]:
        if server.pid is None:
            return []
        before = server.cpu_seconds()
        await asyncio.sleep(IDLE_SECONDS)
        share = (server.cpu_seconds() - before) / IDLE_SECONDS * 100
        return [Sample("idle CPU", share, "% of a core", goal=1, at_most=True)]
