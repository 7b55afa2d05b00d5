"""A kubelet with a hollow runtime and a real API server, in one event loop whose time is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from pybernetes.api.models import core_v1, meta_v1
from pybernetes.api.models.core_v1 import Container, Namespace, Pod
from pybernetes.apiserver import resources
from pybernetes.apiserver.server import ApiServer
from pybernetes.client import Client
from pybernetes.kubelet.configuration import NodeConfiguration
from pybernetes.kubelet.kubelet import Kubelet
from pybernetes.kubelet.runtime.hollow import HollowRuntime
from pybernetes.store.memory import MemoryStore
from pybernetes.testing.control_plane import direct_transport

KINDS = ("namespace", "node", "pod", "event", "lease", "service", "config_map", "secret", "service_account", "csi_node")


class LoopClock:
    """The wall clock follows the loop's own time."""

    start = datetime(2030, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class World:
    client: Client
    clock: LoopClock
    runtime: HollowRuntime
    node: NodeConfiguration
    task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """A kubelet over whatever the runtime has."""
        self.kubelet = Kubelet(self.client, self.runtime, self.node, self.clock, Random(1))
        self.task = asyncio.create_task(self.kubelet.run())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])

    async def until(self, question: Callable[[], Awaitable[Any]], seconds: float = 120) -> Any:
        """The first answer that is not empty."""
        async with asyncio.timeout(seconds):
            while not (answer := await question()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return answer

    async def pod(self, name: str) -> Pod:
        return await self.client.get(Pod, name, "default")

    async def in_phase(self, name: str, phase: str) -> Pod:
        async def question() -> Pod | None:
            pod = await self.pod(name)
            return pod if pod.status.phase == phase else None

        found: Pod = await self.until(question)
        return found

    async def events(self, name: str) -> list[core_v1.Event]:
        return [e for e in (await self.client.list(core_v1.Event, "default")).items if e.involved_object.name == name]


@asynccontextmanager
async def api(clock: Any) -> AsyncIterator[Client]:
    server = ApiServer(MemoryStore(), resources.load(KINDS), clock=clock, random=Random(1))
    await server.start()
    client = Client(direct_transport(server))
    for name in ("default", "kube-node-lease"):
        await client.create(Namespace(metadata=meta_v1.ObjectMeta(name=name)))
    try:
        yield client
    finally:
        await server.stop()


@asynccontextmanager
async def world(
    root: Path, make_runtime: Callable[[LoopClock], HollowRuntime] = HollowRuntime, **settings: Any
) -> AsyncIterator[World]:
    clock = LoopClock()
    async with api(clock) as client:
        runtime = make_runtime(clock)
        node = NodeConfiguration(
            "node-1",
            addresses=("10.0.0.1",),
            root=root / "kubelet",
            pod_logs=root / "logs",
            container_logs=root / "links",
            manage_cgroups=False,
            privileged_mounts=False,
            **settings,
        )
        found = World(client, clock, runtime, node)
        found.start()
        try:
            yield found
        finally:
            await found.stop()


async def states(client: Client, name: str, wanted: int) -> list[tuple[str, int]]:
    """The first states that a watcher sees of a pod's only container, each with its restarts, without repetitions."""
    seen: list[tuple[str, int]] = []
    version = (await client.list(Pod, "default")).metadata.resource_version
    async for event in client.watch(Pod, "default", resource_version=version):
        if event.object.metadata.name != name:
            continue
        for status in event.object.status.container_statuses:
            one = state_of(status)
            if not seen or seen[-1] != one:
                seen.append(one)
            if len(seen) == wanted:
                return seen
    raise AssertionError(f"the watch has ended after {seen}")


def state_of(status: core_v1.ContainerStatus) -> tuple[str, int]:
    state = status.state
    if state.waiting is not None:
        return state.waiting.reason, status.restart_count
    return "Running" if state.terminated is None else state.terminated.reason, status.restart_count


def pod(name: str, *containers: Container, **spec: Any) -> Pod:
    return Pod(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default"),
        spec=core_v1.PodSpec(
            node_name="node-1", containers=list(containers) or [Container(name="main", image="busybox")], **spec
        ),
    )


def container(name: str = "main", *command: str, **more: Any) -> Container:
    return Container(name=name, image="busybox", image_pull_policy="IfNotPresent", command=list(command), **more)
