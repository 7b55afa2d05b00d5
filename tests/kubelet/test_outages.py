"""A kubelet whose API server or runtime does not answer for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from random import Random

import pytest

from kubelet.worlds import LoopClock, World, api, container, pod
from pybernetes.api.models.core_v1 import Node, Pod
from pybernetes.client import Client, Request, Response, Stream, Transport, Unreachable
from pybernetes.kubelet.configuration import NodeConfiguration
from pybernetes.kubelet.kubelet import Kubelet
from pybernetes.kubelet.runtime import Container, RuntimeStatus, Unavailable, Version
from pybernetes.kubelet.runtime.hollow import HollowRuntime

pytestmark = pytest.mark.virtual_time


class Fragile:
    """A way to the API server that can be cut."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.cut = False

    async def send(self, request: Request) -> Response:
        if self.cut:
            raise Unreachable(request, "cut")
        return await self._transport.send(request)

    def stream(self, request: Request) -> AbstractAsyncContextManager[Stream]:
        if self.cut:
            raise Unreachable(request, "cut")
        return self._transport.stream(request)

    async def close(self) -> None:
        """The way belongs to someone else."""


class Absent(HollowRuntime):
    """A runtime that can be away."""

    away = False

    def _check(self, operation: str) -> None:
        if self.away:
            raise Unavailable(operation, "away")

    async def version(self) -> Version:
        self._check("Version")
        return await super().version()

    async def status(self) -> RuntimeStatus:
        self._check("Status")
        return await super().status()

    async def list_containers(self, **which: str | None) -> Sequence[Container]:  # type: ignore[override]
        self._check("ListContainers")
        return await super().list_containers(**which)


async def ready(client: Client, wanted: str) -> bool:
    found = (await client.list(Node)).items
    return any(c.type == "Ready" and c.status == wanted for node in found for c in node.status.conditions)


async def test_pods_go_on_while_the_api_server_is_away(tmp_path: Path) -> None:
    clock = LoopClock()
    async with api(clock) as client:
        way = Fragile(client.transport)
        runtime = HollowRuntime(clock)
        node = NodeConfiguration("node-1", root=tmp_path, manage_cgroups=False, privileged_mounts=False)
        kubelet = Kubelet(Client(way), runtime, node, clock, Random(1))
        cluster = World(client, clock, runtime, node, asyncio.create_task(kubelet.run()))
        await client.create(pod("restarts", container("main", "sleep", "20")))
        await cluster.in_phase("restarts", "Running")
        way.cut = True
        await asyncio.sleep(60)
        attempts = [c.attempt for c in await runtime.list_containers()]
        assert max(attempts) >= 1
        assert (await cluster.pod("restarts")).status.container_statuses[0].restart_count == 0
        way.cut = False

        async def caught_up() -> bool:
            return (await cluster.pod("restarts")).status.container_statuses[0].restart_count >= 1

        await cluster.until(caught_up)
        assert cluster.task is not None
        assert not cluster.task.done()
        await cluster.stop()


async def test_a_node_without_its_runtime_is_not_ready_until_it_is_back(tmp_path: Path) -> None:
    clock = LoopClock()
    async with api(clock) as client:
        runtime = Absent(clock)
        node = NodeConfiguration("node-1", root=tmp_path, manage_cgroups=False, privileged_mounts=False)
        kubelet = Kubelet(client, runtime, node, clock, Random(1))
        cluster = World(client, clock, runtime, node, asyncio.create_task(kubelet.run()))
        await client.create(pod("web"))
        before = await cluster.in_phase("web", "Running")
        runtime.away = True
        await cluster.until(lambda: ready(client, "False"))
        assert (await client.get(Pod, "web", "default")).status.phase == "Running"
        runtime.away = False
        await cluster.until(lambda: ready(client, "True"))
        after = await cluster.pod("web")
        assert after.status.container_statuses == before.status.container_statuses
        await cluster.stop()
