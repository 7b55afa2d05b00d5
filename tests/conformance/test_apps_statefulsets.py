"""Stateful sets as clients see them.

A readiness gate stands for a probe: who writes its condition makes a pod well or unwell.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from conformance.typed_client import JSON_PATCH, MERGE, Document, TypedClient, Watching, condition, is_true
from pybernetes.client import Request, Response, Stream, Transport
from pybernetes.testing.cluster import Cluster

LABELS = {"foo": "bar", "baz": "blah"}
SELECTED = "baz=blah,foo=bar"
GATE = "example.com/well"
HASH = "controller-revision-hash"


def stateful_set(replicas: int, name: str = "ss", *, gated: bool = False, **spec: Any) -> Document:
    pod: Document = {"containers": [{"name": "webserver", "image": "httpd:1"}]}
    if gated:
        pod["readinessGates"] = [{"conditionType": GATE}]
    return {
        "metadata": {"name": name, "labels": LABELS},
        "spec": {
            "serviceName": "test",
            "replicas": replicas,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": pod},
            **spec,
        },
    }


def image(name: str) -> Document:
    return {"spec": {"template": {"spec": {"containers": [{"name": "webserver", "image": name}]}}}}


class Space:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        client = self.client = TypedClient(cluster.server)
        self.sets = client.of("apps", "v1", "statefulsets")
        self.pods = client.of("", "v1", "pods")

    async def settled(self) -> tuple[Document, list[Document]]:
        """The set, and its pods by ordinal."""
        await self.cluster.settle(quiet=15)
        return await self.sets.get("ss"), await self.by_ordinal()

    async def by_ordinal(self) -> list[Document]:
        found = await self.pods.list(SELECTED)
        return sorted(found, key=lambda pod: int(pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"]))

    async def become(self, name: str, well: bool) -> None:
        """What breaking or mending the page that a readiness probe asks for does."""
        told = {"type": GATE, "status": "True" if well else "False"}
        await self.pods.patch(name, {"status": {"conditions": [told]}}, subresource="status")
        await self.cluster.settle(quiet=5)


def names(pods: list[Document]) -> list[str]:
    return [pod["metadata"]["name"] for pod in pods]


def images(pods: list[Document]) -> list[str]:
    return [pod["spec"]["containers"][0]["image"] for pod in pods]


def revisions(pods: list[Document]) -> set[str]:
    return {pod["metadata"]["labels"][HASH] for pod in pods}


async def order_of(watch: Watching, type: str, count: int) -> list[str]:
    """The names of the next pods that come or go."""
    return [(await watch.until(type))["metadata"]["name"] for _ in range(count)]


@pytest.mark.conformance("StatefulSet, Scaling")
async def test_pods_come_and_go_in_order_and_not_while_one_is_unwell(cluster: Cluster) -> None:
    space = Space(cluster)
    async with await space.pods.watch(SELECTED) as watch:
        await space.sets.create(stateful_set(1, gated=True))
        await cluster.settle(quiet=5)
        await space.sets.patch("ss", {"spec": {"replicas": 3}}, MERGE)
        await cluster.settle(quiet=60)
        assert names(await space.by_ordinal()) == ["ss-0"]
        for ordinal in range(3):
            assert names(await space.by_ordinal()) == [f"ss-{one}" for one in range(ordinal + 1)]
            await space.become(f"ss-{ordinal}", True)
        assert await order_of(watch, "ADDED", 3) == ["ss-0", "ss-1", "ss-2"]
        whole, _ = await space.settled()
        assert (whole["status"]["replicas"], whole["status"]["readyReplicas"]) == (3, 3)

        for ordinal in range(3):
            await space.become(f"ss-{ordinal}", False)
        await space.sets.patch("ss", {"spec": {"replicas": 0}}, MERGE)
        await cluster.settle(quiet=60)
        assert names(await space.by_ordinal()) == ["ss-0", "ss-1", "ss-2"]
        for ordinal in (2, 1):
            await space.become(f"ss-{ordinal}", True)
        await cluster.settle(quiet=60)
        assert await order_of(watch, "DELETED", 3) == ["ss-2", "ss-1", "ss-0"]
    assert (await space.sets.get("ss"))["status"].get("replicas") == 0


@pytest.mark.conformance("StatefulSet, Burst Scaling")
async def test_a_parallel_set_scales_whoever_is_unwell(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.sets.create(stateful_set(1, gated=True, podManagementPolicy="Parallel"))
    await cluster.settle(quiet=5)
    await space.become("ss-0", True)
    await space.become("ss-0", False)
    await space.sets.patch("ss", {"spec": {"replicas": 3}}, MERGE)
    whole, pods = await space.settled()
    assert names(pods) == ["ss-0", "ss-1", "ss-2"]
    assert (whole["status"]["replicas"], whole["status"].get("readyReplicas")) == (3, 0)
    for pod in names(pods):
        await space.become(pod, True)
    assert (await space.sets.get("ss"))["status"]["readyReplicas"] == 3
    await space.become("ss-1", False)
    await space.sets.patch("ss", {"spec": {"replicas": 0}}, MERGE)
    await cluster.settle(quiet=60)
    assert await space.by_ordinal() == []


@pytest.mark.conformance("StatefulSet, Rolling Update")
async def test_updates_roll_from_the_last_pod_to_the_first_and_are_taken_back_alike(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.sets.create(stateful_set(3))
    before, pods = await space.settled()
    first = before["status"]["currentRevision"]
    assert (before["status"]["updateRevision"], revisions(pods)) == (first, {first})

    async with await space.pods.watch(SELECTED, pods[0]["metadata"]["resourceVersion"]) as watch:
        await space.sets.patch("ss", image("agnhost:2"))
        after, pods = await space.settled()
        assert await order_of(watch, "DELETED", 3) == ["ss-2", "ss-1", "ss-0"]
    second = after["status"]["updateRevision"]
    assert second != first
    assert (after["status"]["currentRevision"], revisions(pods)) == (second, {second})
    assert images(pods) == ["agnhost:2"] * 3
    assert (after["status"]["currentReplicas"], after["status"]["updatedReplicas"]) == (3, 3)

    async with await space.pods.watch(SELECTED) as watch:
        await order_of(watch, "ADDED", 3)
        await space.sets.patch("ss", image("httpd:1"))
        between = await _first_step(space)
        assert between["status"]["currentRevision"] == second
        assert between["status"]["updateRevision"] == first
        back, pods = await space.settled()
        assert await order_of(watch, "DELETED", 3) == ["ss-2", "ss-1", "ss-0"]
    assert (back["status"]["currentRevision"], revisions(pods)) == (first, {first})
    assert len(await space.client.of("apps", "v1", "controllerrevisions").list(SELECTED)) == 2


async def _first_step(space: Space) -> Document:
    """The set once the controller has taken note of its new template."""
    async with await space.sets.watch(SELECTED) as watch:
        return await watch.until(
            "MODIFIED", lambda one: one["status"]["currentRevision"] != one["status"]["updateRevision"]
        )


@pytest.mark.conformance("StatefulSet, Rolling Update with Partition")
async def test_a_partition_keeps_canaries_apart_and_restored_pods_on_their_side(cluster: Cluster) -> None:
    space = Space(cluster)
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 3}}
    await space.sets.create(stateful_set(3, updateStrategy=strategy))
    before, pods = await space.settled()
    current = before["status"]["currentRevision"]
    await space.sets.patch("ss", image("agnhost:2"))
    noted, pods = await space.settled()
    update = noted["status"]["updateRevision"]
    assert noted["status"]["currentRevision"] == current != update
    assert revisions(pods) == {current}

    await _partition(space, 2)
    _, pods = await space.settled()
    assert [pod["metadata"]["labels"][HASH] for pod in pods] == [current, current, update]
    assert images(pods) == ["httpd:1", "httpd:1", "agnhost:2"]
    for name in names(pods):
        await space.pods.delete(name)
    canary, pods = await space.settled()
    assert [pod["metadata"]["labels"][HASH] for pod in pods] == [current, current, update]
    assert images(pods) == ["httpd:1", "httpd:1", "agnhost:2"]
    assert (canary["status"]["currentReplicas"], canary["status"]["updatedReplicas"]) == (2, 1)

    for partition in (1, 0):
        await _partition(space, partition)
        whole, pods = await space.settled()
        wanted = [current] * partition + [update] * (3 - partition)
        assert [pod["metadata"]["labels"][HASH] for pod in pods] == wanted
    assert whole["status"]["currentRevision"] == whole["status"]["updateRevision"] == update
    assert whole["status"]["updatedReplicas"] == 3


async def _partition(space: Space, ordinal: int) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": ordinal}}
    await space.sets.patch("ss", {"spec": {"updateStrategy": strategy}})


class Distant:
    """Requests take a moment: without it a pod could be refused and made again for ever at the same time."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def send(self, request: Request) -> Response:
        await asyncio.sleep(0.05)
        return await self._transport.send(request)

    def stream(self, request: Request) -> AbstractAsyncContextManager[Stream]:
        return self._transport.stream(request)

    async def close(self) -> None:
        await self._transport.close()


@pytest.mark.cluster(transport=Distant)
@pytest.mark.conformance("StatefulSet, Recreate Failed Pod")
async def test_a_pod_that_its_node_refuses_is_made_again_until_it_is_taken(cluster: Cluster) -> None:
    space = Space(cluster)
    ports = [{"containerPort": 21017, "hostPort": 21017, "name": "conflict"}]
    pod = {"nodeName": "node-0", "containers": [{"name": "webserver", "image": "httpd:1", "ports": ports}]}
    await space.pods.create({"metadata": {"name": "test-pod"}, "spec": pod})
    await cluster.settle(quiet=5)
    wanted = stateful_set(1)
    wanted["spec"]["template"]["spec"] = pod
    async with await space.pods.watch(SELECTED) as watch:
        await space.sets.create(wanted)
        await cluster.clock.advance(5)
        first = await watch.until("ADDED")
        failed = await watch.until("MODIFIED", lambda one: one["status"]["phase"] == "Failed")
        assert failed["metadata"]["uid"] == first["metadata"]["uid"]
        assert failed["status"]["reason"] == "NodePorts"
        deleted = await watch.until("DELETED")
        assert deleted["metadata"]["uid"] == first["metadata"]["uid"]
        await space.pods.delete("test-pod", gracePeriodSeconds=0)
        await cluster.clock.advance(20)
    taken = await space.pods.get("ss-0")
    assert (taken["status"]["phase"], is_true(taken, "Ready")) == ("Running", True)
    assert taken["metadata"]["uid"] != first["metadata"]["uid"]


@pytest.mark.conformance("StatefulSet resource Replica scaling")
async def test_a_stateful_set_is_scaled_through_its_scale(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.sets.create(stateful_set(1))
    await space.settled()
    scale = await space.sets.get("ss", "scale")
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (1, 1)
    scale["metadata"]["resourceVersion"] = ""
    scale["spec"]["replicas"] = 2
    assert (await space.sets.update(scale, "scale"))["spec"]["replicas"] == 2
    assert (await space.settled())[0]["spec"]["replicas"] == 2
    patch = {"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 4}}
    await space.sets.patch("ss", patch, subresource="scale")
    whole, pods = await space.settled()
    assert (whole["spec"]["replicas"], whole["status"]["readyReplicas"], len(pods)) == (4, 4, 4)


@pytest.mark.conformance(
    "StatefulSet, list, patch and delete a collection of StatefulSets", "StatefulSet, status sub-resource"
)
async def test_a_stateful_sets_status_is_written_and_a_collection_deleted(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.sets.create(stateful_set(1))
    await space.settled()
    read = await space.sets.get("ss", "status")
    assert read["status"]["readyReplicas"] == 1
    async with await space.sets.watch(SELECTED, read["metadata"]["resourceVersion"]) as watch:
        told = {"type": "StatusUpdate", "status": "True", "reason": "Test", "message": "Set from a test"}
        read["status"].setdefault("conditions", []).append(told)
        updated = await space.sets.update(read, "status")
        assert condition(updated, "StatusUpdate")["message"] == "Set from a test"  # type: ignore[index]
        await watch.until("MODIFIED", lambda one: is_true(one, "StatusUpdate"))
        patch = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
        await space.sets.patch("ss", patch, MERGE, "status")
        await watch.until("MODIFIED", lambda one: is_true(one, "StatusPatched"))
    await cluster.settle()
    assert is_true(await space.sets.get("ss"), "StatusPatched")

    everywhere = space.client.of("apps", "v1", "statefulsets", None)
    assert [one["metadata"]["name"] for one in await everywhere.list(SELECTED)] == ["ss"]
    operations = [
        {"op": "replace", "path": "/spec/replicas", "value": 2},
        {"op": "add", "path": "/metadata/labels/test-ss", "value": "patched"},
    ]
    await space.sets.patch("ss", operations, JSON_PATCH)
    template = {"spec": {"template": image("agnhost:2")["spec"]["template"]}}
    template["spec"]["template"]["metadata"] = {"labels": {"test-ss": "patched"}}
    await space.sets.patch("ss", template)
    whole, pods = await space.settled()
    assert whole["metadata"]["labels"]["test-ss"] == "patched"
    assert images(pods) == ["agnhost:2"] * 2
    assert whole["status"]["currentRevision"] == whole["status"]["updateRevision"]
    await space.sets.delete_collection("test-ss=patched")
    await cluster.settle(quiet=60)
    assert await space.sets.list("test-ss=patched") == []
    assert await space.by_ordinal() == []
