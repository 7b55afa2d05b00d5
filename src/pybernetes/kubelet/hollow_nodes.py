"""Thousands of nodes that only pretend: one watch, one event loop, no task per node or pod.

Guarantees  Pods follow the same plan and report the same status as on a real node (restarts, back-off, init containers,
            jobs that end, see `runtime/simulation.py`), only nothing runs. Leases are renewed and statuses are written
            by a few lanes, each one request at a time. Works under virtual time.
Assumes     Nobody else runs pods for these nodes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import structlog

from pybernetes.api.clock import Clock, SystemClock
from pybernetes.api.errors import ApiError
from pybernetes.api.models.core_v1 import Pod
from pybernetes.client import Client, Informers, Unreachable

from . import machine
from .configuration import NodeConfiguration
from .hollow_pods import HollowPod
from .machine import Machine
from .node_agent import NodeAgent
from .node_status import Readings
from .status_manager import StatusManager

log = structlog.get_logger(__name__)

LANES = 32
READINGS = Readings(runtime_version="hollow://1.0.0")


def configurations(count: int, template: NodeConfiguration, prefix: str = "node-") -> list[NodeConfiguration]:
    """`count` nodes that differ in name and address only."""
    return [
        replace(
            template,
            name=f"{prefix}{number}",
            hostname=f"{prefix}{number}",
            addresses=(f"10.{128 + (number >> 16 & 0x7F)}.{number >> 8 & 0xFF}.{number & 0xFF}",),
        )
        for number in range(count)
    ]


class HollowNodes:
    """`await run()` until cancelled; `await registered()` returns when the API has all nodes."""

    def __init__(
        self,
        client: Client,
        nodes: Sequence[NodeConfiguration],
        clock: Clock | None = None,
        random: Random | None = None,
        *,
        informers: Informers | None = None,
        host: Machine = machine.HOLLOW,
        lanes: int = LANES,
    ) -> None:
        self._client = client
        self._clock = clock or SystemClock()
        self._random = random or Random()
        self._own_informers = informers is None
        self._informers = informers or Informers(client, self._random)
        self._nodes = {node.name: node for node in nodes}
        self._agents = [NodeAgent(client, node, host, self._clock, self._random, _read) for node in nodes]
        self._lanes = max(1, min(lanes, len(self._agents)))
        self._statuses = StatusManager(client, parallel=self._lanes)
        self._pods: dict[str, HollowPod] = {}
        self._over: asyncio.Queue[HollowPod] = asyncio.Queue()
        self._lanes_ready = 0
        self._registered = asyncio.Event()
        self._addresses = 0

    async def registered(self) -> None:
        await self._registered.wait()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                if self._own_informers:
                    group.create_task(self._informers.run(), name="hollow informers")
                group.create_task(self._statuses.run(), name="hollow statuses")
                for lane in range(self._lanes):
                    group.create_task(self._keep_nodes(self._agents[lane :: self._lanes]), name=f"hollow nodes {lane}")
                    group.create_task(self._end_pods(), name=f"hollow endings {lane}")
                if not self._agents:
                    self._registered.set()
                self._informers.get(Pod).on_change(self._pod_changed)
        finally:
            for pod in self._pods.values():
                pod.close()

    # ---- nodes

    async def _keep_nodes(self, agents: Sequence[NodeAgent]) -> None:
        """Registers the lane's nodes, then renews their leases, evenly over the period."""
        for agent in agents:
            await agent.register()
        self._lanes_ready += 1
        if self._lanes_ready == self._lanes:
            self._registered.set()
        period = min(node.lease_renewal for node in self._nodes.values())
        await asyncio.sleep(self._random.uniform(0, period / max(1, len(agents))))
        while True:
            for agent in agents:
                began = self._clock.monotonic()
                await self._beat(agent)
                spent = self._clock.monotonic() - began
                await asyncio.sleep(max(0.0, period / len(agents) - spent))

    async def _beat(self, agent: NodeAgent) -> None:
        try:
            await agent.renew_lease()
            await agent.write_status()
        except ApiError as error:
            agent.forget_lease()
            if error.code == 404:
                await agent.register()
        except Unreachable as error:
            log.warning("the API server does not answer", error=str(error))

    # ---- pods

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            gone = self._pods.pop(old.metadata.uid, None)
            if gone is not None:
                gone.close()
                self._statuses.forget(old.metadata.uid)
        if new is None or new.spec.node_name not in self._nodes:
            return
        found = self._pods.get(new.metadata.uid)
        if found is None:
            self._addresses += 1
            node = self._nodes[new.spec.node_name]
            found = HollowPod(new, node.addresses, _address(self._addresses), self._clock, self._statuses, self._over)
            self._pods[new.metadata.uid] = found
        found.update(new)

    async def _end_pods(self) -> None:
        """Takes deleted pods out of the API once nothing of them runs."""
        while True:
            pod = await self._over.get()
            metadata = pod.pod.metadata
            try:
                if metadata.finalizers:
                    await self._statuses.flush(metadata.uid)
                await self._client.delete(Pod, metadata.name, metadata.namespace, grace_period=0, uid=metadata.uid)
            except ApiError as error:
                if error.code not in (404, 409):
                    asyncio.get_running_loop().call_later(1.0, self._over.put_nowait, pod)
            except Unreachable:
                asyncio.get_running_loop().call_later(1.0, self._over.put_nowait, pod)


async def _read() -> Readings:
    return READINGS


def _address(number: int) -> str:
    """Pod addresses, one after another in 10.0.0.0/9."""
    return f"10.{number >> 16 & 0x7F}.{number >> 8 & 0xFF}.{number & 0xFF}"
