"""The scheduler at work in a whole cluster with hollow nodes and virtual time."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from pybernetes.api import meta
from pybernetes.api.models import core_v1, events_v1, scheduling_v1
from pybernetes.testing.cluster import Cluster

T = TypeVar("T")


def made(model: type[T], name: str, **content: Any) -> T:
    return msgspec.convert({"metadata": {"name": name, "namespace": "default"}, **content}, model)


def pod(name: str, *, cpu: str = "", **spec: Any) -> core_v1.Pod:
    resources = {"requests": {"cpu": cpu}} if cpu else {}
    container = {"name": "main", "image": "busybox", "resources": resources}
    return made(core_v1.Pod, name, spec={"containers": [container], **spec})


async def events(cluster: Cluster, reason: str) -> list[tuple[str, str]]:
    listed = await cluster.client.list(core_v1.Event, "default", field_selector=f"reason={reason}")
    return [(event.involved_object.name, event.message) for event in listed.items]


async def test_a_pod_is_bound_and_told_so(cluster: Cluster) -> None:
    bound = await cluster.apply(pod("web"))
    await cluster.settle()
    bound = await cluster.get(bound)
    assert bound.spec.node_name == "node-0"
    assert meta.is_true(bound.status, "PodScheduled")
    assert await events(cluster, "Scheduled") == [("web", "Successfully assigned default/web to node-0")]


async def test_a_pod_that_fits_nowhere_says_why_until_a_node_comes(cluster: Cluster) -> None:
    large = await cluster.apply(pod("large", cpu="6"))
    await cluster.settle()
    second = await cluster.apply(pod("second", cpu="6"))
    await cluster.settle()
    condition = meta.condition((await cluster.get(second)).status, "PodScheduled")
    message = (
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, "
        "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
    )
    assert (condition.status, condition.reason, condition.message) == ("False", "Unschedulable", message)
    assert condition.observed_generation == 1
    assert ("second", message) in await events(cluster, "FailedScheduling")
    cluster.add_node(1)
    await cluster.settle(quiet=15)
    assert (await cluster.get(second)).spec.node_name == "node-1"
    assert (await cluster.get(large)).spec.node_name == "node-0"


async def test_a_deleted_pod_makes_room_for_one_that_waits(cluster: Cluster) -> None:
    first = await cluster.apply(pod("first", cpu="6", terminationGracePeriodSeconds=0))
    await cluster.settle()
    second = await cluster.apply(pod("second", cpu="6"))
    await cluster.settle()
    await cluster.delete(first)
    await cluster.settle(quiet=15)
    assert (await cluster.get(second)).spec.node_name == "node-0"


async def test_a_pod_of_high_priority_takes_the_place_of_a_lower_one(cluster: Cluster) -> None:
    important = msgspec.convert({"metadata": {"name": "important"}, "value": 1000}, scheduling_v1.PriorityClass)
    await cluster.client.create(important)
    await cluster.apply(pod("low", cpu="6", terminationGracePeriodSeconds=1))
    await cluster.settle()
    vip = await cluster.apply(pod("vip", cpu="6", priorityClassName="important"))
    await cluster.settle(quiet=30)
    vip = await cluster.get(vip)
    assert vip.spec.node_name == "node-0"
    names = [one.metadata.name for one in (await cluster.client.list(core_v1.Pod, "default")).items]
    assert names == ["vip"]
    assert await events(cluster, "Preempted") == [("low", f"Preempted by pod {vip.metadata.uid} on node node-0")]


async def test_gated_and_foreign_pods_are_left_alone(cluster: Cluster) -> None:
    gated = await cluster.apply(pod("gated", schedulingGates=[{"name": "example.com/wait"}]))
    foreign = await cluster.apply(pod("foreign", schedulerName="other"))
    await cluster.settle()
    assert (await cluster.get(gated)).spec.node_name == ""
    assert (await cluster.get(foreign)).spec.node_name == ""
    gated = await cluster.get(gated)
    gated.spec.scheduling_gates = []
    await cluster.client.update(gated)
    await cluster.settle()
    assert (await cluster.get(gated)).spec.node_name == "node-0"


async def test_no_node_is_given_more_than_it_has_when_pods_come_all_at_once(cluster: Cluster) -> None:
    cluster.add_node(1)
    await cluster.settle()
    for number in range(12):
        await cluster.apply(pod(f"pod-{number}", cpu="3"))
    await cluster.settle(quiet=15)
    placed = [one.spec.node_name for one in (await cluster.client.list(core_v1.Pod, "default")).items]
    assert sorted(placed) == [""] * 8 + ["node-0"] * 2 + ["node-1"] * 2


async def test_a_victim_is_told_why_it_goes_and_the_pod_goes_where_it_was_nominated(cluster: Cluster) -> None:
    important = msgspec.convert({"metadata": {"name": "important"}, "value": 1000}, scheduling_v1.PriorityClass)
    await cluster.client.create(important)
    held_back = made(core_v1.Pod, "low", spec=msgspec.to_builtins(pod("low", cpu="6").spec))
    held_back.metadata.finalizers = ["example.com/wait"]
    low = await cluster.apply(held_back)
    await cluster.settle()
    vip = await cluster.apply(pod("vip", cpu="6", priorityClassName="important"))
    await cluster.settle()
    low, vip = await cluster.get(low), await cluster.get(vip)
    assert low.metadata.deletion_timestamp is not None
    condition = meta.condition(low.status, "DisruptionTarget")
    message = "default-scheduler: preempting to accommodate a higher priority pod"
    assert (condition.status, condition.reason, condition.message) == ("True", "PreemptionByScheduler", message)
    assert (vip.status.nominated_node_name, vip.spec.node_name) == ("", "node-0")
    assert condition.observed_generation == 1
    assert [one.type for one in low.status.conditions][-1] == "DisruptionTarget", "what is new comes last"
    assert await events(cluster, "Preempted") == [("low", f"Preempted by pod {vip.metadata.uid} on node node-0")]
    told = (await cluster.client.list(events_v1.Event, "default", field_selector="reason=Preempted")).items[0]
    assert (told.action, told.reporting_instance) == ("Preempting", "default-scheduler-localhost")
