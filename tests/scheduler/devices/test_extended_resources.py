"""Extended resources that are devices of a class: what is asked for, and what is written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from pybernetes.api import meta
from pybernetes.api.models import core_v1, resource_v1
from pybernetes.scheduler.extended_devices import IMPLICIT, by_resource, needed, owner_of
from pybernetes.testing.cluster import Cluster
from scheduler.devices.device_world import device, slice_of

GPU = "example.com/gpu"


def container(name: str, count: int, **more: Any) -> dict[str, Any]:
    amounts = {GPU: str(count), "cpu": "1"} if count else {}
    return {"name": name, "image": "x", "resources": {"requests": amounts, "limits": amounts}, **more}


def pod(name: str, *containers: dict[str, Any], init: tuple[dict[str, Any], ...] = ()) -> core_v1.Pod:
    document = {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": list(containers), "initContainers": list(init)},
    }
    return msgspec.convert(document, core_v1.Pod)


def gpu_class(name: str = "gpu", resource: str | None = GPU, minute: int = 0) -> resource_v1.DeviceClass:
    found = msgspec.convert({"metadata": {"name": name}, "spec": {}}, resource_v1.DeviceClass)
    found.spec.extended_resource_name = resource
    found.metadata.creation_timestamp = datetime(2030, 1, 1, 0, minute, tzinfo=UTC)
    return found


def asked(pod: core_v1.Pod) -> tuple[dict[str, int], list[tuple[str, str]]]:
    found = needed(pod, {GPU: gpu_class()})
    counts = {one.name: one.exactly.count for one in found.requests if one.exactly is not None}
    return counts, [(one.container_name, one.request_name) for one in found.mappings]


def test_each_container_gets_devices_of_its_own() -> None:
    counts, mappings = asked(pod("p", container("a", 2), container("none", 0), container("b", 1)))
    assert counts == {"container-0-request-1": 2, "container-2-request-1": 1}
    assert mappings == [("a", "container-0-request-1"), ("b", "container-2-request-1")]


def test_steps_of_initialisation_use_what_containers_keep_and_share_the_rest() -> None:
    counts, mappings = asked(pod("p", container("main", 1), init=(container("one", 2), container("two", 3))))
    assert counts == {"container-1-request-1": 2, "container-2-request-1": 1}
    assert mappings == [
        ("main", "container-2-request-1"),
        ("one", "container-2-request-1"),
        ("one", "container-1-request-1"),
        ("two", "container-2-request-1"),
        ("two", "container-1-request-1"),
    ]


def test_a_step_does_not_use_what_a_sidecar_before_it_keeps() -> None:
    sidecar = container("sidecar", 1, restartPolicy="Always")
    counts, _ = asked(pod("p", container("main", 0), init=(sidecar, container("step", 1))))
    assert counts == {"container-0-request-1": 1, "container-1-request-1": 1}


def test_of_classes_with_one_name_the_newest_counts_then_the_first_by_name() -> None:
    old, new, twin = gpu_class("a"), gpu_class("c", minute=1), gpu_class("b", minute=1)
    found = by_resource([new, twin, old, gpu_class("other", None)])
    assert found[GPU].metadata.name == "b"
    assert found[IMPLICIT + "other"].metadata.name == "other"


async def test_a_pod_gets_a_claim_for_the_devices_that_its_extended_resource_is(cluster: Cluster) -> None:
    cluster.add_node(1)
    await cluster.apply(gpu_class())
    await cluster.apply(slice_of("node-1", device("d0")))
    await cluster.settle()
    first = await cluster.apply(pod("first", container("main", 1)))
    await cluster.settle()
    second = await cluster.apply(pod("second", container("main", 1)))
    await cluster.settle()
    first, second = await cluster.get(first), await cluster.get(second)
    assert first.spec.node_name == "node-1"
    (claim,) = (await cluster.client.list(resource_v1.ResourceClaim, "default")).items
    told = first.status.extended_resource_claim_status
    assert told is not None
    assert (told.resource_claim_name, owner_of(claim)) == (claim.metadata.name, first.metadata.uid)
    assert claim.metadata.name.startswith("first-extended-resources-")
    assert [one.name for one in claim.status.reserved_for] == ["first"]
    condition = meta.condition(second.status, "PodScheduled")
    assert condition.message.startswith("0/2 nodes are available: 2 cannot allocate all claims. still not schedulable")
    await cluster.delete(first)
    await cluster.settle(quiet=40)
    assert (await cluster.get(second)).spec.node_name == "node-1"


async def test_a_class_that_comes_later_helps_a_pod_that_waits(cluster: Cluster) -> None:
    await cluster.apply(slice_of("node-0", device("d0")))
    waiting = await cluster.apply(pod("waiting", container("main", 1)))
    await cluster.settle()
    condition = meta.condition((await cluster.get(waiting)).status, "PodScheduled")
    assert condition.message.startswith(f"0/1 nodes are available: 1 Insufficient {GPU}.")
    await cluster.apply(gpu_class())
    await cluster.settle(quiet=15)
    assert (await cluster.get(waiting)).spec.node_name == "node-0"


async def test_a_node_whose_plugin_has_the_resource_needs_no_claim(cluster: Cluster) -> None:
    await cluster.apply(gpu_class())
    node = (await cluster.client.list(core_v1.Node)).items[0]
    amounts = {"status": {"allocatable": {GPU: "1"}, "capacity": {GPU: "1"}}}
    await cluster.client.patch(core_v1.Node, node.metadata.name, None, amounts, subresource="status")
    placed = await cluster.apply(pod("plain", container("main", 1)))
    await cluster.settle()
    placed = await cluster.get(placed)
    assert placed.spec.node_name
    assert placed.status.extended_resource_claim_status is None
    assert not (await cluster.client.list(resource_v1.ResourceClaim, "default")).items
