"""The components over a bad connection: everything late, some calls refused or lost, watches dropped."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from controllers.make import deployment
from pybernetes.api import codec, meta
from pybernetes.api.models import apps_v1, core_v1
from pybernetes.client import Request, Response, Stream, Transport, Unreachable
from pybernetes.testing.cluster import Cluster


class BadConnection:
    """Seeded: the same seed gives the same faults."""

    def __init__(self, inner: Transport, random: Random, *, loss: float) -> None:
        self._inner = inner
        self._random = random
        self._loss = loss

    async def send(self, request: Request) -> Response:
        await asyncio.sleep(self._random.uniform(0.001, 0.05))
        chance = self._random.random()
        if chance < self._loss:
            raise Unreachable(request, "lost on the way there")
        if chance < 2 * self._loss:
            return Response(500, {}, json.dumps({"kind": "Status", "code": 500, "reason": "InternalError"}).encode())
        response = await self._inner.send(request)
        await asyncio.sleep(self._random.uniform(0.001, 0.05))
        if chance < 3 * self._loss:
            raise Unreachable(request, "lost on the way back")
        return response

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Stream]:
        async with self._inner.stream(request) as stream:
            yield Stream(stream.status, stream.headers, self._late(request, stream.chunks))

    async def _late(self, request: Request, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            await asyncio.sleep(self._random.uniform(0.001, 0.1))
            if self._random.random() < self._loss / 2:
                raise Unreachable(request, "watch dropped")
            yield chunk

    async def close(self) -> None:
        await self._inner.close()


@asynccontextmanager
async def over_a_bad_connection(seed: int, loss: float) -> AsyncIterator[Cluster]:
    faults = Random(seed)

    def worsen(transport: Transport) -> Transport:
        return BadConnection(transport, faults, loss=loss)

    async with Cluster(seed=seed, nodes=2, transport=worsen, detect_mutations=False) as cluster:
        yield cluster


async def roll_to(cluster: Cluster, number: int) -> None:
    template = {"spec": {"containers": [{"name": "main", "image": f"nginx:{number}"}]}}
    await cluster.client.patch(apps_v1.Deployment, "web", "default", {"spec": {"template": template}})


@pytest.mark.virtual_time
@pytest.mark.parametrize("seed", range(3))
async def test_all_comes_right_over_a_bad_connection(seed: int) -> None:
    await roll_twice_and_delete(seed, loss=0.05)


@pytest.mark.nightly
@pytest.mark.virtual_time
@pytest.mark.parametrize("seed", range(100, 140))
async def test_all_comes_right_over_a_very_bad_connection(seed: int) -> None:
    await roll_twice_and_delete(seed, loss=0.1)


async def roll_twice_and_delete(seed: int, *, loss: float) -> None:
    """The second rollout overtakes the first."""
    async with over_a_bad_connection(seed, loss) as cluster:
        web = await cluster.apply(deployment("web", replicas=6))
        await cluster.pods_of(web, ready=6)
        for number in range(2, 4):
            await roll_to(cluster, number)
            await cluster.clock.advance(number / 2)
        await cluster.settle(quiet=120, patience=3600)
        pods = await cluster.pods_of(web, ready=6)
        assert {pod.spec.containers[0].image for pod in pods} == {"nginx:3"}
        progressing = meta.condition((await cluster.get(web)).status, "Progressing")
        assert progressing.reason == "NewReplicaSetAvailable"
        await cluster.delete(web, propagation="Foreground")
        await cluster.settle(quiet=120, patience=3600)
        assert (await cluster.client.list(core_v1.Pod, "default")).items == []
        assert (await cluster.client.list(apps_v1.ReplicaSet, "default")).items == []


@pytest.mark.virtual_time
@pytest.mark.parametrize("seed", range(3))
async def test_a_rollout_over_a_bad_connection_keeps_enough_pods_ready(seed: int) -> None:
    async with over_a_bad_connection(seed, loss=0.05) as cluster:
        web = await cluster.apply(deployment("web", replicas=6))
        await cluster.settle(quiet=120, patience=3600)
        ready: list[int] = []
        following = asyncio.create_task(follow_readiness(cluster, ready), name="readiness")
        await roll_to(cluster, 2)
        await cluster.settle(quiet=120, patience=3600)
        assert len(await cluster.pods_of(web, ready=6)) == 6
        assert min(ready) >= 5
        following.cancel()


async def follow_readiness(cluster: Cluster, ready: list[int]) -> None:
    """Notes how many pods are ready, at each commit of the store."""
    pods: dict[str, core_v1.Pod] = {}
    present = await cluster.store.range("/registry/pods/")
    for entry in present.entries:
        pods[entry.key] = codec.decode(core_v1.Pod, entry.value)
    async with cluster.store.watch("/registry/pods/", after=present.revision) as watch:
        async for batch in watch:
            for change in batch:
                pods.pop(change.entry.key, None)
                if change.entry.value:
                    pods[change.entry.key] = codec.decode(core_v1.Pod, change.entry.value)
            active = [pod for pod in pods.values() if pod.metadata.deletion_timestamp is None]
            ready.append(sum(meta.is_true(pod.status, "Ready") for pod in active))
