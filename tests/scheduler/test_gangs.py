"""Gangs: the pods of a group get their nodes together, or none of them does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from pybernetes.api import meta
from pybernetes.api.features import GANG_SCHEDULING, GENERIC_WORKLOAD, InvalidFeatures, parse
from pybernetes.api.models import core_v1, scheduling_v1
from pybernetes.api.models.scheduling_v1alpha2 import PodGroup
from pybernetes.testing.cluster import Cluster

pytestmark = pytest.mark.virtual_time
NOT_PERMITTED = (
    "pod group is unschedulable, waiting for minCount pods from a gang to be scheduled, "
    "one or more plugins asked to wait and no plugin rejected pod"
)


@pytest.fixture
async def gangs() -> AsyncIterator[Cluster]:
    """Two nodes with 8 CPUs each."""
    async with Cluster(nodes=2, features=frozenset((GENERIC_WORKLOAD, GANG_SCHEDULING))) as cluster:
        await cluster.settle()
        yield cluster


def group(name: str, minimum: int = 0) -> PodGroup:
    policy = {"gang": {"minCount": minimum}} if minimum else {"basic": {}}
    document = {"metadata": {"name": name, "namespace": "default"}, "spec": {"schedulingPolicy": policy}}
    return msgspec.convert(document, PodGroup)


def pod(name: str, of: str = "", cpu: str = "3", **spec: Any) -> core_v1.Pod:
    container = {"name": "main", "image": "x", "resources": {"requests": {"cpu": cpu}}}
    member = {"schedulingGroup": {"podGroupName": of}} if of else {}
    document = {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [container], **member, **spec},
    }
    return msgspec.convert(document, core_v1.Pod)


async def node_of(cluster: Cluster, one: core_v1.Pod) -> str:
    return (await cluster.get(one)).spec.node_name


async def why(cluster: Cluster, one: core_v1.Pod | PodGroup, condition: str = "PodScheduled") -> tuple[str, str, str]:
    found = meta.condition((await cluster.get(one)).status, condition)
    return (found.status, found.reason, found.message) if found is not None else ("", "", "")


async def test_pods_wait_for_their_group_and_for_enough_of_them(gangs: Cluster) -> None:
    first = await gangs.apply(pod("a", "team"))
    await gangs.settle()
    whole = await gangs.apply(group("team", minimum=3))
    second = await gangs.apply(pod("b", "team"))
    await gangs.settle()
    assert [await node_of(gangs, one) for one in (first, second)] == ["", ""]
    assert await why(gangs, first) == ("", "", "")
    third = await gangs.apply(pod("c", "team"))
    await gangs.settle()
    assert all([await node_of(gangs, one) for one in (first, second, third)])
    assert await why(gangs, whole, "PodGroupScheduled") == ("True", "Scheduled", "")


async def test_a_group_that_does_not_fit_takes_no_place_from_others(gangs: Cluster) -> None:
    whole = await gangs.apply(group("team", minimum=5))
    members = [await gangs.apply(pod(f"m{number}", "team")) for number in range(5)]
    await gangs.settle()
    assert [await node_of(gangs, one) for one in members] == [""] * 5
    said = {(await why(gangs, one))[2] for one in members}
    assert NOT_PERMITTED in said
    assert any("2 Insufficient cpu" in message for message in said)
    assert await why(gangs, whole, "PodGroupScheduled") == ("False", "Unschedulable", "pod group is unschedulable")
    alone = await gangs.apply(pod("alone", cpu="7"))
    await gangs.settle()
    assert await node_of(gangs, alone)


async def test_a_group_gets_its_place_when_there_is_room_for_enough_of_it(gangs: Cluster) -> None:
    whole = await gangs.apply(group("team", minimum=5))
    members = [await gangs.apply(pod(f"m{number}", "team")) for number in range(6)]
    await gangs.settle()
    gangs.add_node(2)
    await gangs.settle(quiet=20)
    assert sum([bool(await node_of(gangs, one)) for one in members]) == 6
    assert await why(gangs, whole, "PodGroupScheduled") == ("True", "Scheduled", "")


async def test_more_pods_of_a_placed_group_come_one_by_one(gangs: Cluster) -> None:
    await gangs.apply(group("team", minimum=2))
    for name in ("a", "b"):
        await gangs.apply(pod(name, "team"))
    await gangs.settle()
    late = await gangs.apply(pod("late", "team"))
    await gangs.settle()
    assert await node_of(gangs, late)


async def test_a_group_without_a_gang_places_whom_it_can(gangs: Cluster) -> None:
    await gangs.apply(group("loose"))
    members = [await gangs.apply(pod(f"m{number}", "loose")) for number in range(5)]
    await gangs.settle()
    assert sum([bool(await node_of(gangs, one)) for one in members]) == 4


async def test_a_gang_preempts_only_when_that_gives_it_its_place(gangs: Cluster) -> None:
    high = {"metadata": {"name": "high"}, "value": 1000}
    await gangs.apply(msgspec.convert(high, scheduling_v1.PriorityClass))
    low = [await gangs.apply(pod(f"low{number}", cpu="7", terminationGracePeriodSeconds=0)) for number in range(2)]
    await gangs.settle()
    await gangs.apply(group("team", minimum=5))
    hopeless = [await gangs.apply(pod(f"m{number}", "team", priorityClassName="high")) for number in range(5)]
    await gangs.settle()
    assert all([await node_of(gangs, one) for one in low])
    await gangs.apply(group("pair", minimum=2))
    pair = [await gangs.apply(pod(f"p{number}", "pair", cpu="5", priorityClassName="high")) for number in range(2)]
    await gangs.settle(quiet=30)
    assert sorted([await node_of(gangs, one) for one in pair]) == ["node-0", "node-1"]
    assert [await node_of(gangs, one) for one in hopeless] == [""] * 5


async def test_without_the_feature_a_pod_has_no_group_and_groups_are_not_served(cluster: Cluster) -> None:
    alone = await cluster.apply(pod("a", "team"))
    await cluster.settle()
    alone = await cluster.get(alone)
    assert alone.spec.node_name
    assert alone.spec.scheduling_group is None
    versions = await cluster.client.raw("GET", "/apis/scheduling.k8s.io")
    assert [one["version"] for one in msgspec.json.decode(versions.body)["versions"]] == ["v1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Nonsense=true", "unrecognized feature gate: Nonsense"),
        ("GenericWorkload", "missing bool value for GenericWorkload"),
        (
            "GangScheduling=true",
            "GangScheduling is enabled, but depends on features that are disabled: [GenericWorkload]",
        ),
    ],
)
def test_a_choice_of_features_that_cannot_be_is_told(text: str, message: str) -> None:
    with pytest.raises(InvalidFeatures) as told:
        parse(text)
    assert str(told.value) == message


async def test_a_group_in_use_stays_until_its_pods_are_gone(gangs: Cluster) -> None:
    whole = await gangs.apply(group("team", minimum=1))
    one = await gangs.apply(pod("a", "team", terminationGracePeriodSeconds=0))
    await gangs.settle()
    await gangs.delete(whole)
    await gangs.settle()
    assert (await gangs.get(whole)).metadata.deletion_timestamp is not None
    await gangs.delete(one)
    await gangs.settle()
    assert (await gangs.client.list(PodGroup, "default")).items == []
