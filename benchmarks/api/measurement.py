"""What a measurement of an API server is, and the server it is taken of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson

from benchmarks import cost, load, objects
from benchmarks.connection import Refused, Target

STORED_PODS = 5000
"""What a server holds while it is measured."""
RARE, COMMON = "rare", "common"


@dataclass(frozen=True, slots=True)
class Server:
    """``namespace`` has `STORED_PODS` pods, of which one in a hundred is labelled `tier=rare`.

    ``pid`` is the API server's process, or None when what it costs cannot be seen.
    """

    target: Target
    pid: int | None
    namespace: str

    def path(self, plural: str, name: str = "", namespace: str = "") -> str:
        return f"/api/v1/namespaces/{namespace or self.namespace}/{plural}" + (f"/{name}" if name else "")

    def cpu_seconds(self) -> float:
        return 0.0 if self.pid is None else cost.cpu_seconds(self.pid)

    def resident(self) -> float | None:
        """MB."""
        return None if self.pid is None else cost.resident(self.pid)


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure of one round. ``cpu`` is the server's, in µs for each request or event."""

    name: str
    value: float
    unit: str = "/s"
    ratio: float | None = None
    """What is to be reached: our value against the other server's."""
    goal: float | None = None
    """What is to be reached without another server beside it."""
    at_most: bool = False
    cpu: float | None = None
    note: str = ""


class Measurement(Protocol):
    """A fresh instance for each server. ``rounds`` is how often ``sample`` is called."""

    rounds: int

    async def prepare(self, server: Server) -> None: ...
    async def sample(self, server: Server) -> Sequence[Sample]: ...


class Timed:
    """How many requests a second, and what each cost the server. Base of most measurements."""

    rounds = 3
    name: str
    ratio: float | None = None
    goal: float | None = None

    async def prepare(self, server: Server) -> None:
        return

    async def set_up(self, server: Server) -> None:
        """Before each round, unmeasured."""

    async def run(self, server: Server) -> load.Run:
        raise NotImplementedError

    async def sample(self, server: Server) -> Sequence[Sample]:
        await self.set_up(server)
        before = server.cpu_seconds()
        run = await self.run(server)
        used = (server.cpu_seconds() - before) * 1e6 / len(run.latencies)
        cpu = used if server.pid is not None else None
        return [Sample(self.name, run.rate, ratio=self.ratio, goal=self.goal, cpu=cpu, note=f"p99 {run.p99_ms:.1f} ms")]


async def fill(target: Target, namespace: str, count: int, prefix: str = "pod") -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    bodies = [
        objects.pod(f"{prefix}-{number}", {"app": "bench", "tier": COMMON if number % 100 else RARE})
        for number in range(count)
    ]
    await load.each(target, [target.request("POST", path, body) for body in bodies])


async def make_namespace(target: Target, name: str) -> None:
    """Pods cannot be made before their namespace has its service account; without controllers nobody makes it."""
    account = orjson.dumps({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
    connection = await target.connect()
    try:
        await connection.send(target.request("POST", "/api/v1/namespaces", objects.namespace(name)))
        await connection.send(target.request("POST", f"/api/v1/namespaces/{name}/serviceaccounts", account))
    except Refused as error:
        if "AlreadyExists" not in str(error):
            raise
    finally:
        connection.close()


async def empty(target: Target, namespace: str) -> None:
    """Its pods go at once; the namespace stays, since no controller may be there to end it."""
    connection = await target.connect()
    options = orjson.dumps({"gracePeriodSeconds": 0})
    await connection.send(target.request("DELETE", f"/api/v1/namespaces/{namespace}/pods", options))
    connection.close()
