"""Pods with claims of devices, in a whole cluster: what is written into claims, and why pods wait."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pybernetes.api import meta
from pybernetes.api.clock import SystemClock
from pybernetes.api.models import core_v1, meta_v1, resource_v1
from pybernetes.scheduler.evaluation import Diagnosis, Placement
from pybernetes.scheduler.explaining.simulation import simulate
from pybernetes.scheduler.pod_info import pod_info
from pybernetes.scheduler.scheduler import Scheduler
from pybernetes.testing.cluster import Cluster
from scheduler.devices.device_world import device, device_class, exactly, first_of, slice_of
from scheduler.objects import World, node

NOT_HELPFUL = "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."


def claim(name: str, *requests: dict[str, Any]) -> resource_v1.ResourceClaim:
    document = {"metadata": {"name": name, "namespace": "default"}, "spec": {"devices": {"requests": list(requests)}}}
    return msgspec.convert(document, resource_v1.ResourceClaim)


def template(name: str, *requests: dict[str, Any]) -> resource_v1.ResourceClaimTemplate:
    spec = {"spec": {"devices": {"requests": list(requests)}}}
    document = {"metadata": {"name": name, "namespace": "default"}, "spec": spec}
    return msgspec.convert(document, resource_v1.ResourceClaimTemplate)


def user(name: str, *claims: str, template: str = "", **spec: Any) -> core_v1.Pod:
    wanted = [{"name": one, "resourceClaimName": one} for one in claims]
    if template:
        wanted.append({"name": "own", "resourceClaimTemplateName": template})
    container = {"name": "main", "image": "x", "resources": {"claims": [{"name": one["name"]} for one in wanted]}}
    document = {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [container], "resourceClaims": wanted, **spec},
    }
    return msgspec.convert(document, core_v1.Pod)


async def why(cluster: Cluster, pod: core_v1.Pod) -> str:
    condition = meta.condition((await cluster.get(pod)).status, "PodScheduled")
    return condition.message if condition is not None else ""


async def two_nodes(cluster: Cluster) -> None:
    """`node-1` has two devices."""
    cluster.add_node(1)
    await cluster.apply(device_class())
    await cluster.apply(slice_of("node-1", device("d0"), device("d1")))
    await cluster.settle()


async def test_a_pod_goes_where_its_devices_are_and_its_claim_says_so(cluster: Cluster) -> None:
    await two_nodes(cluster)
    wanted = await cluster.apply(claim("gpu", exactly()))
    pod = await cluster.apply(user("web", "gpu"))
    await cluster.settle()
    pod, wanted = await cluster.get(pod), await cluster.get(wanted)
    assert pod.spec.node_name == "node-1"
    assert wanted.metadata.finalizers == ["resource.kubernetes.io/delete-protection"]
    allocation = wanted.status.allocation
    assert allocation is not None
    assert [(one.request, one.driver, one.pool, one.device) for one in allocation.devices.results] == [
        ("one", "gpu.example.com", "node-1", "d0")
    ]
    assert allocation.allocation_timestamp is not None
    assert [(one.resource, one.name, one.uid) for one in wanted.status.reserved_for] == [
        ("pods", "web", pod.metadata.uid)
    ]


async def test_a_pod_waits_for_its_claim_without_being_tried(cluster: Cluster) -> None:
    await two_nodes(cluster)
    pod = await cluster.apply(user("web", "gpu"))
    await cluster.settle()
    assert await why(cluster, pod) == ""
    await cluster.apply(claim("gpu", exactly()))
    await cluster.settle()
    assert (await cluster.get(pod)).spec.node_name == "node-1"


async def test_a_claim_is_made_from_a_template_and_then_allocated(cluster: Cluster) -> None:
    await two_nodes(cluster)
    await cluster.apply(template("gpus", exactly(count=2)))
    pod = await cluster.apply(user("web", template="gpus"))
    await cluster.settle()
    pod = await cluster.get(pod)
    assert pod.spec.node_name == "node-1"
    name = pod.status.resource_claim_statuses[0].resource_claim_name
    assert name is not None
    made = await cluster.client.get(resource_v1.ResourceClaim, name, "default")
    assert made.status.allocation is not None
    assert [one.device for one in made.status.allocation.devices.results] == ["d0", "d1"]


async def test_a_pod_waits_for_a_device_until_another_pods_claim_is_gone(cluster: Cluster) -> None:
    await two_nodes(cluster)
    for name in ("a", "b"):
        await cluster.apply(claim(name, exactly(count=2)))
    first = await cluster.apply(user("first", "a", terminationGracePeriodSeconds=0))
    await cluster.settle()
    second = await cluster.apply(user("second", "b"))
    await cluster.settle()
    assert await why(cluster, second) == (
        f"0/2 nodes are available: 2 cannot allocate all claims. still not schedulable, {NOT_HELPFUL}"
    )
    await cluster.delete(first)
    await cluster.settle(quiet=15)
    await cluster.delete(await cluster.client.get(resource_v1.ResourceClaim, "a", "default"))
    await cluster.settle(quiet=15)
    assert (await cluster.get(second)).spec.node_name == "node-1"


async def test_a_class_that_is_missing_is_named(cluster: Cluster) -> None:
    await two_nodes(cluster)
    await cluster.apply(claim("tpu", exactly("one", "tpu")))
    pod = await cluster.apply(user("web", "tpu"))
    await cluster.settle()
    assert (await why(cluster, pod)).startswith(
        "0/2 nodes are available: request one: device class tpu does not exist. no new claims to deallocate"
    )
    await cluster.apply(device_class("tpu"))
    await cluster.settle(quiet=15)
    assert (await cluster.get(pod)).spec.node_name == "node-1"


async def test_pods_share_a_claim_and_go_where_it_is(cluster: Cluster) -> None:
    await two_nodes(cluster)
    wanted = await cluster.apply(claim("gpu", exactly()))
    pods = [await cluster.apply(user(name, "gpu")) for name in ("one", "two", "three")]
    await cluster.settle(quiet=15)
    assert {(await cluster.get(one)).spec.node_name for one in pods} == {"node-1"}
    assert sorted(one.name for one in (await cluster.get(wanted)).status.reserved_for) == ["one", "three", "two"]


async def test_an_idle_claim_that_keeps_its_pod_from_every_node_is_given_back(cluster: Cluster) -> None:
    await two_nodes(cluster)
    await cluster.apply(claim("gpu", exactly()))
    pod = await cluster.apply(user("first", "gpu", terminationGracePeriodSeconds=0))
    await cluster.settle()
    await cluster.delete(pod)
    node = await cluster.client.get(core_v1.Node, "node-1")
    node.spec.unschedulable = True
    await cluster.client.update(node)
    await cluster.apply(slice_of("node-0", device("d0")))
    await cluster.settle()
    second = await cluster.apply(user("second", "gpu"))
    await cluster.settle(quiet=30)
    assert (await cluster.get(second)).spec.node_name == "node-0"


async def test_the_node_with_the_better_alternative_is_preferred(cluster: Cluster) -> None:
    await two_nodes(cluster)
    await cluster.apply(slice_of("node-0", device("d0", attributes={"fast": {"bool": True}})))
    await cluster.settle()
    fast = 'device.attributes["gpu.example.com"].?fast.orValue(false)'
    await cluster.apply(claim("gpu", first_of("any", exactly("fast", "gpu", fast), exactly("slow"))))
    pod = await cluster.apply(user("web", "gpu"))
    await cluster.settle()
    assert (await cluster.get(pod)).spec.node_name == "node-0"


async def test_a_pod_is_bound_when_its_device_has_been_made_ready(cluster: Cluster) -> None:
    await cluster.apply(device_class())
    late = device("d0", bindsToNode=True, bindingConditions=["attached"], bindingFailureConditions=["broken"])
    await cluster.apply(slice_of("node-0", late))
    wanted = await cluster.apply(claim("gpu", exactly()))
    pod = await cluster.apply(user("web", "gpu"))
    await cluster.settle()
    assert (await cluster.get(pod)).spec.node_name == ""
    wanted = await cluster.get(wanted)
    assert wanted.status.allocation is not None
    ready = {
        "type": "attached",
        "status": "True",
        "reason": "Done",
        "message": "",
        "lastTransitionTime": cluster.clock.now(),
    }
    status = {"driver": "gpu.example.com", "pool": "node-0", "device": "d0", "conditions": [ready]}
    wanted.status.devices = [msgspec.convert(status, resource_v1.AllocatedDeviceStatus)]
    await cluster.client.update_status(wanted)
    await cluster.settle()
    assert (await cluster.get(pod)).spec.node_name == "node-0"


def test_a_scheduler_without_claims_loads_nothing_of_the_expression_language() -> None:
    import subprocess
    import sys

    code = (
        f"import sys, {Scheduler.__module__}; print([one for one in sys.modules if one.startswith('pybernetes.cel')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_simulation_gives_devices_to_one_pod_after_another() -> None:
    objects = [
        node("node-0"),
        node("node-1"),
        device_class(),
        slice_of("node-1", device("d0"), device("d1")),
        *(msgspec.structs.replace(claim(name, exactly()), metadata=metadata(name)) for name in "abc"),
    ]
    result = simulate(objects, [user(name, name) for name in "abc"], SystemClock())
    assert {one.pod: one.node for one in result.placed} == {"a": "node-1", "b": "node-1"}
    assert [one.pod for one in result.pending] == ["c"]


def metadata(name: str) -> meta_v1.ObjectMeta:
    return meta_v1.ObjectMeta(name=name, namespace="default", uid=f"uid-{name}", resource_version="1")


@pytest.mark.parametrize("rules", [{}, {"restartPolicyRules": [{"action": "RestartAllContainers"}]}])
def test_a_pod_goes_where_the_node_says_that_it_can_do_what_it_needs(rules: dict[str, Any]) -> None:
    able = node("able")
    able.status.declared_features = ["RestartAllContainersOnContainerExits"]
    world = World(node("plain"), able)
    asking = pod_info(
        msgspec.convert(
            {
                "metadata": {"name": "asking", "namespace": "default"},
                "spec": {"containers": [{"name": "main", "image": "x", **rules}]},
            },
            core_v1.Pod,
        )
    )
    placed = world.evaluator.decide(asking)
    assert isinstance(placed, Placement)
    assert placed.feasible == (1 if rules else 2)
    if rules:
        world.state.remove_node("able")
        refused = world.evaluator.decide(asking)
        assert isinstance(refused, Diagnosis)
        assert refused.reasons == {"node(s) didn't match Pod's required features": 1}
