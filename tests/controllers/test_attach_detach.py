"""CSI volumes are attached where pods use them, and volumes grow."""

from __future__ import annotations

from typing import Any

from pybernetes.api.meta import format_time
from pybernetes.api.models import core_v1, meta_v1, storage_v1
from pybernetes.controllers.attach_plan import attachment_name
from pybernetes.testing.cluster import Cluster

DRIVER = "csi.example.com"
UNIQUE = f"kubernetes.io/csi/{DRIVER}^handle-1"


def disk(**spec: Any) -> core_v1.PersistentVolume:
    spec = {"access_modes": ["ReadWriteOnce"], **spec}
    return core_v1.PersistentVolume(
        metadata=meta_v1.ObjectMeta(name="disk"),
        spec=core_v1.PersistentVolumeSpec(
            capacity={"storage": "1Gi"},
            csi=core_v1.CSIPersistentVolumeSource(driver=DRIVER, volume_handle="handle-1"),
            **spec,
        ),
    )


def claim(storage_class: str = "", size: str = "1Gi") -> core_v1.PersistentVolumeClaim:
    return core_v1.PersistentVolumeClaim(
        metadata=meta_v1.ObjectMeta(name="data", namespace="default"),
        spec=core_v1.PersistentVolumeClaimSpec(
            access_modes=["ReadWriteOnce"],
            resources=core_v1.VolumeResourceRequirements(requests={"storage": size}),
            storage_class_name=storage_class,
        ),
    )


def user(name: str, node: str = "") -> core_v1.Pod:
    source = core_v1.PersistentVolumeClaimVolumeSource(claim_name="data")
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default"),
        spec=core_v1.PodSpec(
            node_name=node,
            containers=[core_v1.Container(name="main", image="nginx")],
            volumes=[core_v1.Volume(name="data", persistent_volume_claim=source)],
        ),
    )


async def attachments(cluster: Cluster) -> list[storage_v1.VolumeAttachment]:
    return (await cluster.client.list(storage_v1.VolumeAttachment)).items


async def driver_attaches(cluster: Cluster, name: str) -> None:
    await cluster.client.patch(
        storage_v1.VolumeAttachment, name, None, {"status": {"attached": True}}, subresource="status"
    )
    await cluster.settle()


async def attached_to(cluster: Cluster, node: str) -> list[str]:
    found = await cluster.client.get(core_v1.Node, node)
    return [one.name for one in found.status.volumes_attached]


async def told(cluster: Cluster, reason: str) -> set[str]:
    events = (await cluster.client.list(core_v1.Event)).items
    return {one.message for one in events if one.reason == reason}


async def test_a_volume_is_attached_while_pods_use_it(cluster: Cluster) -> None:
    await cluster.apply(disk())
    await cluster.apply(claim())
    await cluster.apply(user("user"))
    await cluster.settle()
    (made,) = await attachments(cluster)
    assert made.metadata.name == attachment_name("handle-1", DRIVER, "node-0")
    assert (made.spec.attacher, made.spec.node_name) == (DRIVER, "node-0")
    assert made.spec.source.persistent_volume_name == "disk"
    assert await attached_to(cluster, "node-0") == []
    await driver_attaches(cluster, made.metadata.name)
    assert await attached_to(cluster, "node-0") == [UNIQUE]
    assert await told(cluster, "SuccessfulAttachVolume") == {'AttachVolume.Attach succeeded for volume "disk" '}
    await cluster.client.delete(core_v1.Pod, "user", "default", grace_period=0)
    await cluster.settle()
    assert await attachments(cluster) == []
    assert await attached_to(cluster, "node-0") == []


async def test_attachments_that_somebody_else_made_are_let_be(cluster: Cluster) -> None:
    spec = {"attacher": DRIVER, "node_name": "node-0"}
    for volume in ("disk", "unknown"):
        source = storage_v1.VolumeAttachmentSource(persistent_volume_name=volume)
        made = storage_v1.VolumeAttachmentSpec(source=source, **spec)
        name = meta_v1.ObjectMeta(name=f"mine-{volume}")
        await cluster.client.create(storage_v1.VolumeAttachment(metadata=name, spec=made))
    await cluster.apply(disk())
    await cluster.settle()
    assert {one.metadata.name for one in await attachments(cluster)} == {"mine-disk", "mine-unknown"}


async def test_a_driver_that_attaches_nothing_is_left_in_peace(cluster: Cluster) -> None:
    spec = storage_v1.CSIDriverSpec(attach_required=False)
    await cluster.apply(storage_v1.CSIDriver(metadata=meta_v1.ObjectMeta(name=DRIVER), spec=spec))
    await cluster.apply(disk())
    await cluster.apply(claim())
    await cluster.apply(user("user"))
    await cluster.settle()
    assert await attachments(cluster) == []


async def test_a_volume_of_one_node_is_not_attached_to_another(cluster: Cluster) -> None:
    cluster.add_node(1)
    await cluster.settle()
    await cluster.apply(disk())
    await cluster.apply(claim())
    await cluster.settle()
    await cluster.apply(user("first", "node-0"))
    await cluster.settle()
    await cluster.apply(user("second", "node-1"))
    await cluster.settle()
    assert [one.spec.node_name for one in await attachments(cluster)] == ["node-0"]
    message = 'Multi-Attach error for volume "disk" Volume is already used by pod(s) first'
    assert await told(cluster, "FailedAttachVolume") == {message}
    await cluster.client.delete(core_v1.Pod, "first", "default", grace_period=0)
    await cluster.settle()
    assert [one.spec.node_name for one in await attachments(cluster)] == ["node-1"]


async def test_a_volume_of_one_node_goes_to_one_of_two_that_ask_at_once(cluster: Cluster) -> None:
    cluster.add_node(1)
    await cluster.apply(user("first", "node-0"))
    await cluster.apply(user("second", "node-1"))
    await cluster.apply(disk())
    await cluster.settle()
    await cluster.apply(claim())
    await cluster.settle()
    assert len(await attachments(cluster)) == 1


async def test_what_the_driver_says_of_a_failure_is_told_to_the_pod(cluster: Cluster) -> None:
    await cluster.apply(disk())
    await cluster.apply(claim())
    await cluster.apply(user("user"))
    await cluster.settle()
    (made,) = await attachments(cluster)
    error = {"time": format_time(cluster.clock.now()), "message": "no such disk"}
    await cluster.client.patch(
        storage_v1.VolumeAttachment, made.metadata.name, None, {"status": {"attachError": error}}, subresource="status"
    )
    await cluster.settle()
    assert await told(cluster, "FailedAttachVolume") == {'AttachVolume.Attach failed for volume "disk" : no such disk'}


async def test_a_directory_of_a_node_grows_at_once(cluster: Cluster) -> None:
    made = await cluster.apply(claim("local"))
    await cluster.apply(user("user"))
    await cluster.settle()
    await cluster.client.patch(
        core_v1.PersistentVolumeClaim, "data", "default", {"spec": {"resources": {"requests": {"storage": "3Gi"}}}}
    )
    await cluster.settle()
    found = await cluster.get(made)
    assert found.status.capacity == {"storage": "3Gi"}
    assert found.status.conditions == []
    volume = await cluster.client.get(core_v1.PersistentVolume, found.spec.volume_name)
    assert volume.spec.capacity == {"storage": "3Gi"}
    assert await told(cluster, "VolumeResizeSuccessful") == {"ExpandVolume succeeded for volume default/data"}


async def test_other_volumes_wait_for_somebody_to_expand_them(cluster: Cluster) -> None:
    known = storage_v1.StorageClass(
        metadata=meta_v1.ObjectMeta(name="far"), provisioner=DRIVER, allow_volume_expansion=True
    )
    await cluster.apply(known)
    await cluster.apply(disk(storage_class_name="far"))
    await cluster.apply(claim("far"))
    await cluster.settle()
    await cluster.client.patch(
        core_v1.PersistentVolumeClaim, "data", "default", {"spec": {"resources": {"requests": {"storage": "3Gi"}}}}
    )
    await cluster.settle()
    assert await told(cluster, "ExternalExpanding") == {"waiting for an external controller to expand this PVC"}
