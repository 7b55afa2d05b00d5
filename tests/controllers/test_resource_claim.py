"""Claims of devices: made for pods, and let go when nobody uses them any more."""

from __future__ import annotations

import msgspec

from controllers.make import NOW, template
from pybernetes.api.models import core_v1, meta_v1, resource_v1
from pybernetes.controllers.resource_claim_plan import (
    FINALIZER,
    claim_from,
    is_done,
    may_reserve,
    recorded_name,
    released,
)
from pybernetes.testing.cluster import Cluster

WANTED = core_v1.PodResourceClaim(name="gpu", resource_claim_template_name="gpus")


def pod(name: str = "web", **spec: object) -> core_v1.Pod:
    described = msgspec.structs.replace(template().spec, resource_claims=[WANTED], **spec)
    return core_v1.Pod(metadata=meta_v1.ObjectMeta(name=name, namespace="default", uid=f"uid-{name}"), spec=described)


def claim_template() -> resource_v1.ResourceClaimTemplate:
    request = resource_v1.DeviceRequest(
        name="one", exactly=resource_v1.ExactDeviceRequest(device_class_name="gpu.example.com")
    )
    devices = resource_v1.DeviceClaim(requests=[request])
    return resource_v1.ResourceClaimTemplate(
        metadata=meta_v1.ObjectMeta(name="gpus", namespace="default"),
        spec=resource_v1.ResourceClaimTemplateSpec(
            metadata=meta_v1.ObjectMeta(labels={"a": "b"}), spec=resource_v1.ResourceClaimSpec(devices=devices)
        ),
    )


def used_by(*uids: str) -> resource_v1.ResourceClaim:
    consumers = [resource_v1.ResourceClaimConsumerReference(resource="pods", name=uid, uid=uid) for uid in uids]
    return resource_v1.ResourceClaim(
        metadata=meta_v1.ObjectMeta(name="c", finalizers=[FINALIZER]),
        status=resource_v1.ResourceClaimStatus(allocation=resource_v1.AllocationResult(), reserved_for=consumers),
    )


def test_a_claim_is_named_after_the_pod_and_what_it_wants() -> None:
    made = claim_from(pod(), WANTED, claim_template())
    assert made.metadata.generate_name == "web-gpu-"
    assert made.metadata.labels == {"a": "b"}
    assert made.metadata.annotations == {"resource.kubernetes.io/pod-claim-name": "gpu"}
    assert [(one.kind, one.name, one.controller) for one in made.metadata.owner_references] == [("Pod", "web", True)]
    long = claim_from(pod("p" * 60), core_v1.PodResourceClaim(name="c" * 60), claim_template())
    assert len(long.metadata.generate_name) <= 58
    assert long.metadata.generate_name.startswith("ppp")
    assert long.metadata.generate_name.endswith("ccc")


def test_the_status_says_which_claim_is_behind_a_wish() -> None:
    one = pod()
    assert recorded_name(one, WANTED) is None
    one.status.resource_claim_statuses = [core_v1.PodResourceClaimStatus(name="gpu", resource_claim_name="web-gpu-x")]
    assert recorded_name(one, WANTED) == "web-gpu-x"
    one.status.resource_claim_statuses = [core_v1.PodResourceClaimStatus(name="gpu")]
    assert recorded_name(one, WANTED) == ""


def test_only_what_is_allocated_and_has_room_is_reserved() -> None:
    assert may_reserve(pod(), used_by("other"))
    assert not may_reserve(pod(), used_by("uid-web"))
    assert not may_reserve(pod(), used_by(*(str(n) for n in range(256))))
    assert not may_reserve(pod(), resource_v1.ResourceClaim())


def test_the_last_consumer_takes_the_allocation_with_it() -> None:
    claim = used_by("a", "b")
    assert released(claim, claim.status.reserved_for[:1]).status.allocation is not None
    assert released(claim, ()).status.allocation is None


def test_a_pod_that_was_deleted_before_it_had_a_node_is_done() -> None:
    one = pod()
    assert not is_done(one)
    one.metadata.deletion_timestamp = NOW
    assert is_done(one)
    one.spec.node_name = "node-0"
    assert not is_done(one)
    one.status.phase = "Succeeded"
    assert is_done(one)


async def test_a_pod_gets_its_claim_and_the_claim_goes_with_it(cluster: Cluster) -> None:
    await cluster.apply(claim_template())
    one = pod(node_name="nowhere")
    one.metadata = meta_v1.ObjectMeta(name="web", namespace="default")
    await cluster.apply(one)
    await cluster.settle()
    [claim] = (await cluster.client.list(resource_v1.ResourceClaim, "default")).items
    found = await cluster.client.get(core_v1.Pod, "web", "default")
    assert [(s.name, s.resource_claim_name) for s in found.status.resource_claim_statuses] == [
        ("gpu", claim.metadata.name)
    ]
    await cluster.client.delete(core_v1.Pod, "web", "default", grace_period=0)
    await cluster.settle()
    assert (await cluster.client.list(resource_v1.ResourceClaim, "default")).items == []


async def test_a_pod_waits_for_its_template_and_is_told(cluster: Cluster) -> None:
    one = pod(node_name="nowhere")
    one.metadata = meta_v1.ObjectMeta(name="web", namespace="default")
    await cluster.apply(one)
    await cluster.settle()
    events = (await cluster.client.list(core_v1.Event, "default")).items
    [message] = {event.message for event in events if event.reason == "FailedResourceClaimCreation"}
    assert message.startswith('PodResourceClaim gpu: resource claim template "gpus"')
    await cluster.apply(claim_template())
    await cluster.settle()
    assert len((await cluster.client.list(resource_v1.ResourceClaim, "default")).items) == 1


async def test_a_reservation_goes_with_its_pod(cluster: Cluster) -> None:
    claim = resource_v1.ResourceClaim(
        metadata=meta_v1.ObjectMeta(name="c", namespace="default"), spec=claim_template().spec.spec
    )
    made = await cluster.apply(claim)
    consumer = resource_v1.ResourceClaimConsumerReference(resource="pods", name="gone", uid="uid-gone")
    status = resource_v1.ResourceClaimStatus(allocation=resource_v1.AllocationResult(), reserved_for=[consumer])
    await cluster.client.update_status(msgspec.structs.replace(made, status=status))
    await cluster.settle()
    assert (await cluster.get(made)).status.reserved_for == []
