"""Where pods may run, as clients see it: the condition of those that wait, and the scheduler's events."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from conformance.typed_client import Document, TypedClient, condition
from pybernetes.testing.cluster import Cluster


class Space:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        client = TypedClient(cluster.server)
        self.pods = client.of("", "v1", "pods")
        self.nodes = client.of("", "v1", "nodes")
        self.events = client.of("", "v1", "events")

    async def start(self, name: str, container: Document | None = None, **spec: Any) -> Document:
        containers = [{"name": name, "image": "pause:1", **(container or {})}]
        await self.pods.create({"metadata": {"name": name}, "spec": {"containers": containers, **spec}})
        await self.cluster.settle(quiet=5)
        return await self.pods.get(name)

    async def told(self, name: str) -> Document:
        """What the scheduler's last event says of a pod."""
        found = [one for one in await self.events.list() if one["metadata"]["name"].startswith(f"{name}.")]
        return next(one for one in found if one["reason"] in ("Scheduled", "FailedScheduling"))

    async def runs(self, pod: Document, node: str | None = None) -> str:
        name = pod["metadata"]["name"]
        assert pod["status"]["phase"] == "Running"
        assert node in (None, pod["spec"]["nodeName"])
        event = await self.told(name)
        assert (event["type"], event["reason"]) == ("Normal", "Scheduled")
        assert event["message"] == f"Successfully assigned default/{name} to {pod['spec']['nodeName']}"
        return str(pod["spec"]["nodeName"])

    async def waits(self, pod: Document, why: str) -> None:
        assert pod["spec"].get("nodeName", "") == ""
        told = condition(pod, "PodScheduled")
        assert told is not None
        assert (told["status"], told["reason"]) == ("False", "Unschedulable")
        assert why in told["message"]
        event = await self.told(pod["metadata"]["name"])
        assert (event["type"], event["reason"], event["message"]) == ("Warning", "FailedScheduling", told["message"])

    async def label(self, node: str, **labels: str | None) -> None:
        await self.nodes.patch(node, {"metadata": {"labels": {f"example.com/{k}": v for k, v in labels.items()}}})
        await self.cluster.settle()


@pytest.mark.cluster(nodes=2)
@pytest.mark.conformance("Scheduler, resource limits")
async def test_a_pod_that_asks_for_more_than_is_left_waits(cluster: Cluster) -> None:
    space = Space(cluster)
    await cluster.settle(quiet=5)
    nodes = await space.nodes.list()
    for node in nodes:
        name = node["metadata"]["name"]
        await space.label(name, is_called=name)
        cpu = int(node["status"]["allocatable"]["cpu"]) * 1000
        term = {"matchExpressions": [{"key": "example.com/is_called", "operator": "In", "values": [name]}]}
        required = {"nodeSelectorTerms": [term]}
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
        filler = await space.start(f"filler-{name}", _asking(f"{cpu * 7 // 10}m"), affinity=affinity)
        await space.runs(filler, name)
    more = await space.start("additional-pod", _asking(f"{cpu // 2}m"))
    await space.waits(more, "0/2 nodes are available: 2 Insufficient cpu.")


def _asking(cpu: str) -> Document:
    return {"resources": {"requests": {"cpu": cpu}, "limits": {"cpu": cpu}}}


@pytest.mark.cluster(nodes=2)
@pytest.mark.conformance("Scheduler, node selector matching", "Scheduler, node selector not matching")
async def test_a_node_selector_is_respected_whether_a_node_matches_or_not(cluster: Cluster) -> None:
    space = Space(cluster)
    nowhere = await space.start("restricted-pod", nodeSelector={"label": "nonempty"})
    await space.waits(nowhere, "2 node(s) didn't match Pod's node affinity/selector")
    node = await space.runs(await space.start("without-label"))
    await space.pods.delete("without-label", gracePeriodSeconds=0)
    await space.label(node, here="42")
    assert (await space.nodes.get(node))["metadata"]["labels"]["example.com/here"] == "42"
    selector = {"nodeSelector": {"kubernetes.io/hostname": node, "example.com/here": "42"}}
    await space.runs(await space.start("with-labels", **selector), node)
    await space.label(node, here=None)
    assert "example.com/here" not in (await space.nodes.get(node))["metadata"]["labels"]
    await space.waits(await space.start("too-late", **selector), "didn't match Pod's node affinity/selector")


@pytest.mark.cluster(nodes=2)
@pytest.mark.conformance(
    "Scheduling, HostPort and Protocol match, HostIPs different but one is default HostIP (0.0.0.0)"
)
async def test_a_host_port_on_all_addresses_conflicts_with_one_on_any(cluster: Cluster) -> None:
    space = Space(cluster)
    node = await space.runs(await space.start("without-label"))
    await space.pods.delete("without-label", gracePeriodSeconds=0)
    await space.label(node, here="95")
    address = (await space.nodes.get(node))["status"]["addresses"][0]["address"]
    selector = {"nodeSelector": {"example.com/here": "95"}}
    await space.runs(await space.start("pod4", _port(""), **selector), node)
    assert (await space.pods.get("pod4"))["spec"]["containers"][0]["ports"][0].get("hostIP", "") == ""
    await space.waits(await space.start("pod5", _port(address), **selector), "didn't have free ports")
    udp = _port(address)
    udp["ports"][0]["protocol"] = "UDP"
    await space.runs(await space.start("pod6", udp, **selector), node)
    await asyncio.sleep(300)
    await space.waits(await space.pods.get("pod5"), "didn't have free ports")


def _port(address: str) -> Document:
    return {"ports": [{"containerPort": 8080, "hostPort": 54322, "protocol": "TCP", "hostIP": address}]}
