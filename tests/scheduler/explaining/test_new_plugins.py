"""What `p8s why` says of gates, permissions, devices, gangs and extenders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from pybernetes.api.features import GANG_SCHEDULING, GENERIC_WORKLOAD
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.scheduler.configuration.loading import read
from pybernetes.scheduler.explaining.explainer import Unexplained
from pybernetes.scheduler.explaining.text import lines_of
from pybernetes.scheduler.framework import Wait
from pybernetes.scheduler.plain_plugins import row_of
from pybernetes.scheduler.registry import ROWS, Row, argument_types
from pybernetes.scheduler.scheduler import Scheduler
from pybernetes.testing.cluster import Cluster
from scheduler.configured import configuration
from scheduler.devices.device_world import device, device_class, exactly, slice_of
from scheduler.devices.test_claims_in_a_cluster import claim, user
from scheduler.test_extenders import URL, Extenders
from scheduler.test_gangs import group
from scheduler.test_gangs import pod as member

pytestmark = pytest.mark.virtual_time


@asynccontextmanager
async def explained(rows: Mapping[str, Row] = ROWS, **more: Any) -> AsyncIterator[tuple[Cluster, Scheduler]]:
    features = more.get("features", frozenset())
    document = configuration(extenders=more.pop("extenders", []))
    async with Cluster(nodes=2, scheduler=False, features=features) as cluster:
        await cluster.settle()
        chosen = read(document, argument_types(rows))
        scheduler = Scheduler(cluster.client, cluster.clock, Random(1), chosen, rows, **more)
        running = asyncio.create_task(scheduler.run())
        try:
            yield cluster, scheduler
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def text_of(scheduler: Scheduler, name: str) -> str:
    return "\n".join(lines_of(scheduler.explainer.last(Key("default", name))))


async def test_a_pod_without_its_claim_is_held_back() -> None:
    async with explained() as (cluster, scheduler):
        await cluster.apply(user("web", "gpu"))
        await cluster.settle()
        with pytest.raises(Unexplained) as told:
            scheduler.explainer.last(Key("default", "web"))
        why = 'could not find ResourceClaim "default/gpu"'
        assert str(told.value) == f"pod default/web is held back by DynamicResources: {why}"


async def test_what_a_node_lacks_of_devices_is_counted() -> None:
    async with explained() as (cluster, scheduler):
        await cluster.apply(device_class())
        await cluster.apply(slice_of("node-1", device("d0"), device("d1")))
        await cluster.apply(claim("one", exactly()))
        await cluster.apply(claim("two", exactly("gpus", count=2)))
        await cluster.apply(user("first", "one"))
        await cluster.settle()
        await cluster.apply(user("second", "two"))
        await cluster.settle()
        text = text_of(scheduler, "second")
        wanted = "devices that match request gpus of claim default/two (2 wanted)"
        assert f"node-0 has 0 free of 0 {wanted}" in text
        assert f"node-1 has 1 free of 2 {wanted}" in text
        assert "2 by DynamicResources: cannot allocate all claims: node-0, node-1" in text


async def test_a_pod_that_waits_for_permission_says_whose() -> None:
    class Slow:
        def permit(self, pod: core_v1.Pod, node: str) -> Wait:
            return Wait(60)

    async with explained({**ROWS, "Slow": row_of("Slow", Slow)}) as (cluster, scheduler):
        await cluster.apply(member("web"))
        await cluster.settle()
        assert "it is not bound yet: Slow made it wait" in text_of(scheduler, "web")


async def test_a_gang_without_its_place_is_told_so() -> None:
    features = frozenset((GENERIC_WORKLOAD, GANG_SCHEDULING))
    async with explained(features=features) as (cluster, scheduler):
        await cluster.apply(group("team", minimum=5))
        await cluster.apply(member("m0", "team"))
        await cluster.settle()
        with pytest.raises(Unexplained, match="held back by GangScheduling: waiting for minCount pods from a gang"):
            scheduler.explainer.last(Key("default", "m0"))
        for number in range(1, 5):
            await cluster.apply(member(f"m{number}", "team"))
        await cluster.settle()
        assert "the placement did not last: pod group is unschedulable" in text_of(scheduler, "m0")


async def test_what_extenders_refuse_and_prefer_is_shown() -> None:
    def points(asked: dict[str, Any]) -> Any:
        return [{"Host": "node-0", "Score": 10}, {"Host": "node-1", "Score": 7}]

    def left(asked: dict[str, Any]) -> Any:
        if asked["Pod"]["metadata"]["name"] == "web":
            return {"NodeNames": asked["NodeNames"]}
        return {"NodeNames": ["node-0"], "FailedNodes": {"node-1": "no licence"}}

    given = {
        "urlPrefix": URL,
        "filterVerb": "filter",
        "prioritizeVerb": "rank",
        "weight": 2,
        "nodeCacheCapable": True,
    }
    extenders = Extenders({f"{URL}/filter": left, f"{URL}/rank": points})
    async with explained(extenders=[given], poster=extenders.poster) as (cluster, scheduler):
        await cluster.apply(member("web", cpu="0"))
        await cluster.apply(member("db", cpu="0"))
        await cluster.settle()
        assert f"{URL}×20" in text_of(scheduler, "web")
        assert "200 (10)" in text_of(scheduler, "web")
        assert "1 by Extender: no licence: node-1" in text_of(scheduler, "db")
