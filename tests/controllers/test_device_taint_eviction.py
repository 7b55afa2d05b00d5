"""Pods leave devices that must not be used any more, when their claims say so."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from controllers.make import NOW, template
from pybernetes.api import meta
from pybernetes.api.models import core_v1, meta_v1, resource_v1
from pybernetes.controllers.device_taint_eviction import device_in, ends_at
from pybernetes.testing.cluster import Cluster

MINUTE = timedelta(minutes=1)


def taint(effect: str = "NoExecute", value: str = "yes") -> resource_v1.DeviceTaint:
    return resource_v1.DeviceTaint(key="broken", value=value, effect=effect, time_added=NOW)


def toleration(seconds: int | None = None, **changes: str) -> resource_v1.DeviceToleration:
    stated: Mapping[str, Any] = {"key": "broken", "operator": "Exists", "effect": "NoExecute"} | changes
    return resource_v1.DeviceToleration(**stated, toleration_seconds=seconds)


@pytest.mark.parametrize(
    ("tolerations", "end"),
    [
        ([], NOW),
        ([toleration()], None),
        ([toleration(60)], NOW + MINUTE),
        ([toleration(-5)], NOW),
        ([toleration(120), toleration(60, key="")], NOW + MINUTE),
        ([toleration(60), toleration()], None),
        ([toleration(key="other")], NOW),
        ([toleration(effect="")], NOW),
        ([toleration(operator="Equal", value="yes")], None),
        ([toleration(operator="Equal", value="no")], NOW),
    ],
)
def test_a_device_can_be_used_as_long_as_the_shortest_toleration_lasts(tolerations: list[Any], end: Any) -> None:
    assert ends_at(taint(), tolerations) == end


def test_only_taints_that_evict_end_the_use_of_a_device() -> None:
    assert ends_at(taint("NoSchedule"), []) is None


def slice_of(*taints: resource_v1.DeviceTaint, generation: int = 1, name: str = "s") -> resource_v1.ResourceSlice:
    return resource_v1.ResourceSlice(
        metadata=meta_v1.ObjectMeta(name=name),
        spec=resource_v1.ResourceSliceSpec(
            driver="gpu.example.com",
            pool=resource_v1.ResourcePool(name="pool", generation=generation, resource_slice_count=1),
            all_nodes=True,
            devices=[resource_v1.Device(name="gpu-0", taints=list(taints))],
        ),
    )


def test_slices_of_an_outdated_generation_say_nothing() -> None:
    old, new = slice_of(taint(), generation=1), slice_of(generation=2)
    assert device_in([old, new], "gpu-0") == new.spec.devices[0]
    assert device_in([old, new], "gpu-1") is None
    assert device_in([], "gpu-0") is None


class World:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.client = cluster.client

    async def build(self, *tolerations: resource_v1.DeviceToleration) -> core_v1.Pod:
        """A pod on a node with a device that is allocated to its claim."""
        await self.cluster.settle()
        await self.client.create(slice_of())
        request = resource_v1.DeviceRequest(
            name="one", exactly=resource_v1.ExactDeviceRequest(device_class_name="gpu.example.com")
        )
        claim = await self.client.create(
            resource_v1.ResourceClaim(
                metadata=meta_v1.ObjectMeta(name="mine", namespace="default"),
                spec=resource_v1.ResourceClaimSpec(devices=resource_v1.DeviceClaim(requests=[request])),
            )
        )
        wanted = core_v1.PodResourceClaim(name="gpu", resource_claim_name="mine")
        spec = msgspec.structs.replace(template().spec, resource_claims=[wanted], node_name="node-0")
        pod = await self.client.create(
            core_v1.Pod(metadata=meta_v1.ObjectMeta(name="user", namespace="default"), spec=spec)
        )
        result = resource_v1.DeviceRequestAllocationResult(
            request="one", driver="gpu.example.com", pool="pool", device="gpu-0", tolerations=list(tolerations)
        )
        consumer = resource_v1.ResourceClaimConsumerReference(resource="pods", name="user", uid=pod.metadata.uid)
        status = resource_v1.ResourceClaimStatus(
            allocation=resource_v1.AllocationResult(devices=resource_v1.DeviceAllocationResult(results=[result])),
            reserved_for=[consumer],
        )
        await self.client.update_status(msgspec.structs.replace(claim, status=status))
        await self.cluster.settle()
        return pod

    async def set_taints(self, *taints: resource_v1.DeviceTaint) -> None:
        found = await self.client.get(resource_v1.ResourceSlice, "s")
        wanted = slice_of(*taints, generation=2)
        await self.client.update(msgspec.structs.replace(found, spec=wanted.spec))

    async def pod(self) -> core_v1.Pod:
        return await self.client.get(core_v1.Pod, "user", "default")

    async def said(self) -> list[tuple[str, str]]:
        events = (await self.client.list(core_v1.Event, "default")).items
        return [(one.reason, one.message) for one in events if one.reason == "DeviceTaintManagerEviction"]


@pytest.fixture
def world(cluster: Cluster) -> World:
    return World(cluster)


ALONE = pytest.mark.cluster(
    controllers=("device-taint-eviction-controller", "serviceaccount-controller"), scheduler=False, nodes=0
)


@ALONE
async def test_a_pod_goes_when_its_device_is_tainted_and_its_owner_hears_why(world: World) -> None:
    await world.build()
    await world.set_taints(msgspec.structs.replace(taint(), time_added=world.cluster.clock.now()))
    await world.cluster.settle()
    pod = await world.pod()
    assert pod.metadata.deletion_timestamp is not None
    reason = meta.condition(pod.status, "DisruptionTarget")
    assert reason is not None
    assert (reason.reason, reason.message) == (
        "DeletionByDeviceTaintManager",
        "Device Taint manager: deleting due to NoExecute taint",
    )
    assert await world.said() == [("DeviceTaintManagerEviction", "Marking for deletion")]


@ALONE
async def test_a_pod_that_is_tolerated_for_a_while_stays_so_long_and_longer_if_the_taint_goes(world: World) -> None:
    await world.build(toleration(300))
    await world.set_taints(msgspec.structs.replace(taint(), time_added=world.cluster.clock.now()))
    await world.cluster.clock.advance(200)
    assert await world.said() == []
    await world.set_taints()
    await world.cluster.clock.advance(200)
    pod = await world.pod()
    assert pod.metadata.deletion_timestamp is None
    assert await world.said() == [("DeviceTaintManagerEviction", "Cancelling deletion")]
