"""Many pretended nodes in one event loop."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from kubelet.worlds import LoopClock, api, container, pod, states
from pybernetes.api.models.coordination_v1 import Lease
from pybernetes.api.models.core_v1 import Node, Pod
from pybernetes.client import Client
from pybernetes.kubelet.configuration import NodeConfiguration
from pybernetes.kubelet.hollow_nodes import HollowNodes, configurations

pytestmark = pytest.mark.virtual_time


async def start(client: Client, clock: LoopClock, count: int) -> tuple[HollowNodes, asyncio.Task[None]]:
    nodes = HollowNodes(client, configurations(count, NodeConfiguration("template")), clock, Random(1))
    task = asyncio.create_task(nodes.run())
    await nodes.registered()
    return nodes, task


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def test_all_nodes_register_and_renew_their_leases() -> None:
    clock = LoopClock()
    async with api(clock) as client:
        _, task = await start(client, clock, 50)
        assert len((await client.list(Node)).items) == 50
        await asyncio.sleep(25)
        leases = (await client.list(Lease, "kube-node-lease")).items
        assert len(leases) == 50
        assert all(lease.spec.renew_time > "2030-01-01T00:00:10" for lease in leases)
        await stop(task)


async def test_pods_run_end_and_go() -> None:
    clock = LoopClock()
    async with api(clock) as client:
        _, task = await start(client, clock, 3)
        await client.create(on("node-1", pod("web")))
        await client.create(on("node-2", pod("job", container("main", "sleep", "5"), restart_policy="Never")))
        await client.create(on("node-0", pod("crash", container("main", "false"))))
        await asyncio.sleep(1)
        web = await client.get(Pod, "web", "default")
        assert web.status.phase == "Running"
        assert web.status.container_statuses[0].ready
        await asyncio.sleep(6)
        assert (await client.get(Pod, "job", "default")).status.phase == "Succeeded"
        await asyncio.sleep(60)
        crash = await client.get(Pod, "crash", "default")
        assert crash.status.container_statuses[0].restart_count >= 3
        await client.delete(Pod, "web", "default")
        await asyncio.sleep(1)
        assert "web" not in {p.metadata.name for p in (await client.list(Pod, "default")).items}
        await stop(task)


async def test_a_watcher_sees_how_a_container_ended_and_that_it_waits_before_it_runs_again() -> None:
    clock = LoopClock()
    async with api(clock) as client:
        _, task = await start(client, clock, 1)
        watching = asyncio.create_task(states(client, "crash", 10))
        await asyncio.sleep(0.1)
        failing = container("main", "sh", "-c", "sleep 2; exit 3")
        await client.create(on("node-0", pod("crash", failing)))
        assert await watching == [
            *(("Running", 0), ("Error", 0)),
            *(("Running", 1), ("Error", 1), ("CrashLoopBackOff", 1)),
            *(("Running", 2), ("Error", 2), ("CrashLoopBackOff", 2)),
            *(("Running", 3), ("Error", 3)),
        ]
        await stop(task)


def on(node: str, value: Pod) -> Pod:
    value.spec.node_name = node
    return value
