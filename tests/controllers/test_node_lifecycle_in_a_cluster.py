"""Nodes that fall silent, alone and zone by zone, in a cluster with virtual time."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from pybernetes.api.models import core_v1
from pybernetes.testing.cluster import Cluster

ZONE = "topology.kubernetes.io/zone"
UNREACHABLE = "node.kubernetes.io/unreachable"


async def label(cluster: Cluster, number: int, **labels: str) -> None:
    patch = {"metadata": {"labels": labels}}
    await cluster.client.patch(core_v1.Node, f"node-{number}", None, patch)


async def losing_pods(cluster: Cluster) -> list[str]:
    nodes = (await cluster.client.list(core_v1.Node)).items
    taint = (UNREACHABLE, "NoExecute")
    return sorted(one.metadata.name for one in nodes if taint in [(each.key, each.effect) for each in one.spec.taints])


async def zones(cluster: Cluster, **numbers: range) -> None:
    for members in numbers.values():
        for number in members:
            if number:
                cluster.add_node(number)
    await cluster.settle()
    for zone, members in numbers.items():
        for number in members:
            await label(cluster, number, **{ZONE: zone})
    await cluster.settle()


async def test_a_lost_zone_loses_its_pods_node_by_node(cluster: Cluster) -> None:
    await zones(cluster, east=range(2), west=range(2, 5))
    for number in range(2, 5):
        await cluster.kill_node(number)
    await cluster.clock.advance(61)
    counts = [len(await losing_pods(cluster))]
    for _ in range(3):
        await cluster.clock.advance(10)
        counts.append(len(await losing_pods(cluster)))
    assert counts[-1] == 3
    assert all(after - before <= 1 for before, after in pairwise(counts))


async def test_a_small_zone_that_is_half_down_loses_no_pods(cluster: Cluster) -> None:
    await zones(cluster, east=range(1), west=range(1, 6))
    for number in range(1, 5):
        await cluster.kill_node(number)
    await cluster.clock.advance(300)
    # The nodes fall silent at different times; when the third has, the rest of the zone is left alone.
    assert len(await losing_pods(cluster)) <= 2


async def test_when_every_node_is_silent_no_pods_are_taken_from_any(cluster: Cluster) -> None:
    await zones(cluster, east=range(2))
    for number in range(2):
        await cluster.kill_node(number)
    await cluster.clock.advance(120)
    assert await losing_pods(cluster) == []
    node = await cluster.client.get(core_v1.Node, "node-1")
    assert [(one.key, one.effect) for one in node.spec.taints] == [(UNREACHABLE, "NoSchedule")]
    cluster.add_node(0)
    await cluster.clock.advance(30)
    assert await losing_pods(cluster) == ["node-1"]


async def test_what_happens_to_nodes_is_told_and_pods_are_marked(cluster: Cluster) -> None:
    cluster.add_node(1)
    spec: dict[str, Any] = {"nodeName": "node-1", "containers": [{"name": "main", "image": "busybox"}]}
    document = {"metadata": {"name": "p", "namespace": "default"}, "spec": spec}
    await cluster.apply(msgspec.convert(document, core_v1.Pod))
    await cluster.settle()
    await cluster.kill_node(1)
    await cluster.clock.advance(65)
    pod = await cluster.client.get(core_v1.Pod, "p", "default")
    assert [one.status for one in pod.status.conditions if one.type == "Ready"] == ["False"]
    events = (await cluster.client.list(core_v1.Event, "default")).items
    told = {
        (one.involved_object.name, one.reason, one.message)
        for one in events
        if one.source.component == "node-controller"
    }
    assert ("node-1", "RegisteredNode", "Node node-1 event: Registered Node node-1 in Controller") in told
    assert ("node-1", "NodeNotReady", "Node node-1 status is now: NodeNotReady") in told
    assert ("p", "NodeNotReady", "Node is not ready") in told
    await cluster.client.delete(core_v1.Node, "node-1", None)
    await cluster.settle(quiet=5)
    events = (await cluster.client.list(core_v1.Event, "default")).items
    assert "Node node-1 event: Removing Node node-1 from Controller" in {one.message for one in events}


@pytest.mark.parametrize("excluded", [False, True])
async def test_an_excluded_node_does_not_count_for_its_zone(cluster: Cluster, excluded: bool) -> None:
    await zones(cluster, east=range(2))
    if excluded:
        await label(cluster, 0, **{"node.kubernetes.io/exclude-disruption": ""})
    await cluster.kill_node(1)
    await cluster.clock.advance(90)
    assert await losing_pods(cluster) == ([] if excluded else ["node-1"])


async def test_a_node_that_never_said_anything_is_given_up_after_a_minute(cluster: Cluster) -> None:
    await cluster.apply(msgspec.convert({"metadata": {"name": "mute"}}, core_v1.Node))
    await cluster.clock.advance(55)
    mute = await cluster.client.get(core_v1.Node, "mute")
    assert (mute.status.conditions, mute.spec.taints) == ([], [])
    await cluster.clock.advance(10)
    mute = await cluster.client.get(core_v1.Node, "mute")
    told = {(one.status, one.reason, one.message) for one in mute.status.conditions}
    assert told == {("Unknown", "NodeStatusNeverUpdated", "Kubelet never posted node status.")}
    assert {one.last_heartbeat_time for one in mute.status.conditions} == {mute.metadata.creation_timestamp}
    await cluster.clock.advance(5)
    assert await losing_pods(cluster) == ["mute"]
