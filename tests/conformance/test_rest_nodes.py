"""Nodes whose taints drive pods away, and pods that name a class of runtimes."""

from __future__ import annotations

import asyncio

import pytest

from conformance.rest_server import names_of
from conformance.typed_client import Document, TypedClient, condition
from pybernetes.api.errors import ApiError
from pybernetes.testing.cluster import Cluster

TAINT = {"key": "kubernetes.io/e2e-evict-taint-key", "value": "evictTaintVal", "effect": "NoExecute"}


def pod(name: str, tolerated: int, **spec: object) -> Document:
    tolerations = [{**TAINT, "operator": "Equal", "tolerationSeconds": tolerated}]
    container = {"name": "pause", "image": "registry.k8s.io/pause:3.10"}
    metadata = {"name": name, "labels": {"group": "taint-eviction"}}
    return {
        "metadata": metadata,
        "spec": {"containers": [container], "tolerations": tolerations, "terminationGracePeriodSeconds": 0, **spec},
    }


@pytest.mark.conformance("Taint, Pod Eviction on taint removal")
async def test_a_pod_stays_when_the_taint_goes_in_time(cluster: Cluster) -> None:
    client = TypedClient(cluster.server)
    nodes, pods = client.of("", "v1", "nodes"), client.of("", "v1", "pods")
    await cluster.settle()
    made = await pods.create(pod("taint-eviction-3", 60))
    await cluster.settle(quiet=5)
    node = (await pods.get("taint-eviction-3"))["spec"]["nodeName"]
    await nodes.patch(node, {"spec": {"taints": [TAINT]}})
    assert TAINT["key"] in [one["key"] for one in (await nodes.get(node))["spec"]["taints"]]
    await cluster.clock.advance(30)
    await nodes.patch(node, {"spec": {"taints": None}})
    assert not (await nodes.get(node))["spec"].get("taints")
    await cluster.clock.advance(95)
    stays = await pods.get("taint-eviction-3")
    assert stays["metadata"]["uid"] == made["metadata"]["uid"]
    assert not stays["metadata"].get("deletionTimestamp")


@pytest.mark.conformance("Pod Eviction, Toleration limits")
async def test_pods_go_when_each_has_tolerated_a_taint_for_long_enough(cluster: Cluster) -> None:
    client = TypedClient(cluster.server)
    nodes, pods = client.of("", "v1", "nodes"), client.of("", "v1", "pods")
    await cluster.settle()
    await pods.create(pod("taint-eviction-b1", 20))
    await cluster.settle(quiet=5)
    node = (await pods.get("taint-eviction-b1"))["spec"]["nodeName"]
    await pods.create(pod("taint-eviction-b2", 50, nodeSelector={"kubernetes.io/hostname": node}))
    await cluster.settle(quiet=5)
    assert (await pods.get("taint-eviction-b2"))["spec"]["nodeName"] == node
    loop = asyncio.get_running_loop()
    async with await pods.watch("group=taint-eviction") as watching:
        tainted = loop.time()
        await nodes.patch(node, {"spec": {"taints": [TAINT]}})
        for name, seconds in (("taint-eviction-b1", 20), ("taint-eviction-b2", 50)):
            gone = await watching.until("DELETED")
            assert gone["metadata"]["name"] == name
            assert seconds <= loop.time() - tainted < seconds + 5
            assert (condition(gone, "DisruptionTarget") or {})["reason"] == "DeletionByTaintManager"
    assert await pods.list("group=taint-eviction") == []


def of_class(name: str) -> Document:
    container = {"name": "test", "image": "registry.k8s.io/busybox"}
    return {
        "metadata": {"generateName": f"test-runtimeclass-{name}-"},
        "spec": {"runtimeClassName": name, "containers": [container], "automountServiceAccountToken": False},
    }


@pytest.mark.conformance(
    "Pod with the non-existing RuntimeClass is rejected.",
    "Pod with the deleted RuntimeClass is rejected.",
    "Can schedule a pod requesting existing RuntimeClass.",
    "RuntimeClass Overhead field must be respected.",
)
async def test_a_pod_needs_the_class_that_it_names_and_gets_its_overhead(cluster: Cluster) -> None:
    client = TypedClient(cluster.server)
    classes, pods = client.of("node.k8s.io", "v1", "runtimeclasses"), client.of("", "v1", "pods")
    await cluster.settle()
    with pytest.raises(ApiError, match='pod rejected: RuntimeClass "nonexistent" not found') as refused:
        await pods.create(of_class("nonexistent"))
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")

    await classes.create({"metadata": {"name": "plain"}, "handler": "test-handler"})
    overhead = {"cpu": "10m", "memory": "1Mi"}
    await classes.create({"metadata": {"name": "heavy"}, "handler": "test-handler", "overhead": {"podFixed": overhead}})
    assert names_of(await classes.list()) == ["heavy", "plain"]
    for name, expected in (("plain", {}), ("heavy", overhead)):
        made = await pods.create(of_class(name))
        assert made["spec"].get("overhead", {}) == expected
        await cluster.settle(quiet=5)
        scheduled = await pods.get(made["metadata"]["name"])
        assert (condition(scheduled, "PodScheduled") or {})["status"] == "True"
        assert scheduled["spec"]["nodeName"]
        assert scheduled["spec"].get("overhead", {}) == expected

    await classes.delete("plain")
    await cluster.settle()
    with pytest.raises(ApiError, match='RuntimeClass "plain" not found') as refused:
        await pods.create(of_class("plain"))
    assert refused.value.code == 403


@pytest.mark.cluster(nodes=2)
async def test_two_nodes_take_any_pod(cluster: Cluster) -> None:
    """Hollow ones: what conformance asks for are two that run containers, and a machine has one."""
    await cluster.settle(quiet=5)
    nodes = await TypedClient(cluster.server).of("", "v1", "nodes").list()
    assert len(nodes) == 2
    for node in nodes:
        assert not node["spec"].get("taints")
        assert not node["spec"].get("unschedulable")
        assert (condition(node, "Ready") or {})["status"] == "True"
        assert (condition(node, "NetworkUnavailable") or {"status": "False"})["status"] == "False"
