"""Priorities as clients see them: who gives way to whom, and what is said of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from conformance.typed_client import MERGE, Document, TypedClient, condition
from pybernetes.api.errors import ApiError
from pybernetes.testing.cluster import Cluster

RESOURCE = "scheduling.k8s.io/foo"


class Space:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.client = TypedClient(cluster.server)
        self.nodes = self.client.of("", "v1", "nodes")
        self.pods = self.client.of("", "v1", "pods")
        self.classes = self.client.of("scheduling.k8s.io", "v1", "priorityclasses")

    async def provide(self, amount: str) -> list[str]:
        """Every node has so much of a resource that nobody else asks for; its kubelet makes it allocatable."""
        await self.cluster.settle(quiet=5)
        names = []
        for node in await self.nodes.list():
            node["status"]["capacity"][RESOURCE] = amount
            await self.nodes.update(node, "status")
            names.append(node["metadata"]["name"])
        for name, value in (("low", 1), ("medium", 100), ("high", 1000)):
            await self.classes.create({"metadata": {"name": name}, "value": value})
        await self.cluster.clock.advance(11)
        for name in names:
            assert (await self.nodes.get(name))["status"]["allocatable"][RESOURCE] == amount
        return names

    async def start(self, name: str, priority: str, amount: str, namespace: str = "default", **spec: Any) -> Document:
        resources = {"requests": {RESOURCE: amount}, "limits": {RESOURCE: amount}}
        containers = [{"name": "main", "image": "pause:1", "resources": resources}]
        finalizers = spec.pop("finalizers", [])
        pods = self.client.of("", "v1", "pods", namespace)
        await pods.create(
            {
                "metadata": {"name": name, "finalizers": finalizers},
                "spec": {"containers": containers, "priorityClassName": priority, **spec},
            }
        )
        await self.cluster.settle(quiet=5)
        return await pods.get(name)


def on_node(name: str) -> Document:
    field = {"key": "metadata.name", "operator": "In", "values": [name]}
    required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


@pytest.mark.cluster(nodes=2)
@pytest.mark.conformance("Scheduler, Basic Preemption", "Scheduler, Preemption for critical pod")
@pytest.mark.parametrize(("namespace", "priority"), [("default", "high"), ("kube-system", "system-cluster-critical")])
async def test_the_lowest_gives_way_to_one_that_finds_no_room(cluster: Cluster, namespace: str, priority: str) -> None:
    space = Space(cluster)
    first, second = await space.provide("5")
    for number, node in enumerate((first, first, second, second)):
        pod = await space.start(f"pod-{number}", "medium" if number else "low", "2", affinity=on_node(node))
        assert (pod["status"]["phase"], pod["spec"]["nodeName"]) == ("Running", node)
    preemptor = await space.start("preemptor", priority, "2", namespace)
    assert preemptor["spec"]["nodeName"] == first
    await cluster.settle(quiet=60)
    preemptor = await space.client.of("", "v1", "pods", namespace).get("preemptor")
    assert preemptor["status"]["phase"] == "Running"
    with pytest.raises(ApiError) as gone:
        await space.pods.get("pod-0")
    assert gone.value.code == 404
    left = {one["metadata"]["name"]: one["status"]["phase"] for one in await space.pods.list()}
    assert {name: left[name] for name in ("pod-1", "pod-2", "pod-3")} == dict.fromkeys(
        ("pod-1", "pod-2", "pod-3"), "Running"
    )


@pytest.mark.conformance("Verify the DisruptionTarget condition is added to the preempted pod")
async def test_a_pod_that_gave_way_says_so_until_its_finalizer_goes(cluster: Cluster) -> None:
    space = Space(cluster)
    (node,) = await space.provide("1")
    finalizer = "example.com/test-finalizer"
    victim = await space.start("victim", "low", "1", affinity=on_node(node), finalizers=[finalizer])
    assert victim["status"]["phase"] == "Running"
    await space.start("preemptor", "high", "1", affinity=on_node(node))
    await cluster.settle(quiet=60)
    victim = await space.pods.get("victim")
    assert "deletionTimestamp" in victim["metadata"]
    told = condition(victim, "DisruptionTarget")
    assert told is not None
    assert (told["status"], told["reason"]) == ("True", "PreemptionByScheduler")
    assert told["message"] == "default-scheduler: preempting to accommodate a higher priority pod"
    victim["metadata"]["finalizers"] = []
    await space.pods.update(victim)
    await cluster.settle(quiet=60)
    with pytest.raises(ApiError) as gone:
        await space.pods.get("victim")
    assert gone.value.code == 404
    assert (await space.pods.get("preemptor"))["status"]["phase"] == "Running"


@pytest.mark.conformance("Pod preemption verification")
async def test_replica_sets_of_rising_priority_leave_room_for_the_highest(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.provide("1k")
    await asyncio.sleep(900)
    kept = await space.nodes.get("node-0")
    assert kept["status"]["allocatable"][RESOURCE] == "1k"
    replica_sets = space.client.of("apps", "v1", "replicasets")
    for number, (replicas, amount) in enumerate([(5, "40"), (4, "50"), (2, "95"), (1, "500")], 1):
        await space.classes.create({"metadata": {"name": f"p{number}"}, "value": number})
        await replica_sets.create(_replica_set(f"rs-pod{number}", f"p{number}", replicas, amount))
        await cluster.settle(quiet=60)
    running = await _running(space)
    assert running["rs-pod4"] == 1
    assert (running["rs-pod3"], running["rs-pod2"]) == (2, 4)
    assert running.get("rs-pod1", 0) == (1000 - 500 - 190 - 200) // 40
    waiting = (await replica_sets.get("rs-pod1"))["status"]
    assert waiting["replicas"] == 5


def _replica_set(name: str, priority: str, replicas: int, amount: str) -> Document:
    resources = {"requests": {RESOURCE: amount}, "limits": {RESOURCE: amount}}
    containers = [{"name": name, "image": "pause:1", "resources": resources}]
    pod = {"priorityClassName": priority, "terminationGracePeriodSeconds": 0, "containers": containers}
    labels = {"name": name}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


async def _running(space: Space) -> dict[str, int]:
    found: dict[str, int] = {}
    for pod in await space.pods.list():
        if pod["status"]["phase"] == "Running":
            name = pod["metadata"]["labels"]["name"]
            found[name] = found.get(name, 0) + 1
    return found


@pytest.mark.cluster(nodes=0)
@pytest.mark.conformance("Scheduler, Verify PriorityClass endpoints")
async def test_what_may_change_of_a_priority_class_and_what_may_not(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.classes.create({"metadata": {"name": "p1"}, "value": 1, "description": "one"})
    await space.classes.create({"metadata": {"name": "p2"}, "value": 2, "preemptionPolicy": "Never"})
    assert {"p1", "p2", "system-cluster-critical"} <= {one["metadata"]["name"] for one in await space.classes.list()}
    for name in ("p1", "p2"):
        there = await space.classes.get(name)
        patched = await space.classes.patch(name, {"description": "patched", "metadata": {"labels": {"a": "b"}}}, MERGE)
        assert (patched["description"], patched["metadata"]["labels"]) == ("patched", {"a": "b"})
        updated = await space.classes.update({**patched, "description": "updated"})
        assert updated["description"] == "updated"
        for field, value in (("value", there["value"] * 10), ("preemptionPolicy", _other(there["preemptionPolicy"]))):
            with pytest.raises(ApiError) as refused:
                await space.classes.patch(name, {field: value}, MERGE)
            assert (refused.value.code, refused.value.reason) == (422, "Invalid")
            with pytest.raises(ApiError) as refused:
                await space.classes.update({**updated, field: value})
            assert (refused.value.code, refused.value.reason) == (422, "Invalid")
        assert (await space.classes.get(name))["value"] == there["value"]
        await space.classes.delete(name)
        with pytest.raises(ApiError) as gone:
            await space.classes.get(name)
        assert gone.value.code == 404


def _other(policy: str) -> str:
    return "Never" if policy == "PreemptLowerPriority" else "PreemptLowerPriority"
