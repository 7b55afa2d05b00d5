"""Claims and volumes find each other, and volumes are reclaimed."""

from __future__ import annotations

from typing import Any

from pybernetes.api.models import core_v1, meta_v1, storage_v1
from pybernetes.testing.cluster import Cluster


def claim(name: str = "data", size: str = "1Gi", **spec: Any) -> core_v1.PersistentVolumeClaim:
    spec = {"storage_class_name": "", "access_modes": ["ReadWriteOnce"], **spec}
    return core_v1.PersistentVolumeClaim(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default"),
        spec=core_v1.PersistentVolumeClaimSpec(
            resources=core_v1.VolumeResourceRequirements(requests={"storage": size}), **spec
        ),
    )


def volume(name: str = "disk", size: str = "1Gi", path: str = "/data", **spec: Any) -> core_v1.PersistentVolume:
    spec = {"access_modes": ["ReadWriteOnce"], **spec}
    return core_v1.PersistentVolume(
        metadata=meta_v1.ObjectMeta(name=name),
        spec=core_v1.PersistentVolumeSpec(
            capacity={"storage": size}, host_path=core_v1.HostPathVolumeSource(path=path), **spec
        ),
    )


def storage_class(name: str, provisioner: str, **fields: Any) -> storage_v1.StorageClass:
    return storage_v1.StorageClass(metadata=meta_v1.ObjectMeta(name=name), provisioner=provisioner, **fields)


async def told(cluster: Cluster, name: str) -> set[tuple[str, str, str]]:
    events = (await cluster.client.list(core_v1.Event)).items
    return {(one.type, one.reason, one.message) for one in events if one.involved_object.name == name}


async def test_a_claim_gets_the_smallest_volume_that_is_large_enough(cluster: Cluster) -> None:
    for name, size in (("large", "5Gi"), ("right", "2Gi"), ("small", "512Mi")):
        await cluster.apply(volume(name, size))
    made = await cluster.apply(claim())
    await cluster.settle()
    found = await cluster.get(made)
    assert (found.spec.volume_name, found.status.phase) == ("right", "Bound")
    assert found.status.capacity == {"storage": "2Gi"}
    assert found.metadata.annotations == {
        "pv.kubernetes.io/bind-completed": "yes",
        "pv.kubernetes.io/bound-by-controller": "yes",
    }
    bound = await cluster.get(volume("right"))
    assert bound.status.phase == "Bound"
    assert bound.metadata.annotations == {"pv.kubernetes.io/bound-by-controller": "yes"}
    assert bound.spec.claim_ref is not None
    assert bound.spec.claim_ref.uid == found.metadata.uid
    assert (await cluster.get(volume("large"))).status.phase == "Available"


async def test_of_two_claims_one_gets_the_volume_and_the_other_waits(cluster: Cluster) -> None:
    await cluster.apply(volume())
    await cluster.apply(claim("first"))
    await cluster.apply(claim("second"))
    await cluster.settle()
    found = [(await cluster.get(claim(name))).status.phase for name in ("first", "second")]
    assert sorted(found) == ["Bound", "Pending"]
    waiting = "second" if found[0] == "Bound" else "first"
    message = "no persistent volumes available for this claim and no storage class is set"
    assert ("Normal", "FailedBinding", message) in await told(cluster, waiting)


async def test_a_retained_volume_stays_released_until_its_claim_is_forgotten(cluster: Cluster) -> None:
    await cluster.apply(volume())
    made = await cluster.apply(claim())
    await cluster.settle()
    await cluster.delete(made)
    await cluster.settle()
    released = await cluster.get(volume())
    assert released.status.phase == "Released"
    await cluster.client.patch(core_v1.PersistentVolume, "disk", None, {"spec": {"claimRef": None}})
    await cluster.settle()
    assert (await cluster.get(volume())).status.phase == "Available"


async def test_a_claim_whose_volume_is_taken_away_is_lost(cluster: Cluster) -> None:
    made = await cluster.apply(claim())
    await cluster.client.patch(
        core_v1.PersistentVolumeClaim,
        "data",
        "default",
        {"metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}, "spec": {"volumeName": "gone"}},
    )
    await cluster.settle()
    assert (await cluster.get(made)).status.phase == "Lost"
    message = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
    assert ("Warning", "ClaimLost", message) in await told(cluster, "data")


async def test_recycling_is_refused(cluster: Cluster) -> None:
    await cluster.apply(volume(persistent_volume_reclaim_policy="Recycle"))
    made = await cluster.apply(claim())
    await cluster.settle()
    await cluster.delete(made)
    await cluster.settle()
    failed = await cluster.get(volume())
    assert (failed.status.phase, failed.status.message) == ("Failed", "No recycler plugin found for the volume!")
    assert ("Warning", "VolumeFailedRecycle", failed.status.message) in await told(cluster, "disk")


async def test_a_host_path_outside_tmp_is_not_deleted(cluster: Cluster) -> None:
    await cluster.apply(volume(persistent_volume_reclaim_policy="Delete"))
    made = await cluster.apply(claim())
    await cluster.settle()
    await cluster.delete(made)
    await cluster.settle()
    failed = await cluster.get(volume())
    message = "host_path deleter only supports /tmp/.+ but received provided /data"
    assert (failed.status.phase, failed.status.message) == ("Failed", message)


async def test_provisioners_that_are_not_there_are_named(cluster: Cluster) -> None:
    await cluster.apply(storage_class("far", "example.com/far"))
    await cluster.apply(storage_class("none", "kubernetes.io/no-provisioner"))
    far = await cluster.apply(claim("far", storage_class_name="far"))
    await cluster.apply(claim("none", storage_class_name="none"))
    await cluster.apply(claim("missing", storage_class_name="missing"))
    await cluster.settle()
    annotations = (await cluster.get(far)).metadata.annotations
    assert annotations["volume.kubernetes.io/storage-provisioner"] == "example.com/far"
    assert annotations["volume.beta.kubernetes.io/storage-provisioner"] == "example.com/far"
    assert {reason for _, reason, _ in await told(cluster, "far")} == {"ExternalProvisioning"}
    message = "no volume plugin matched name: kubernetes.io/no-provisioner"
    assert ("Warning", "ProvisioningFailed", message) in await told(cluster, "none")
    message = 'storageclass.storage.k8s.io "missing" not found'
    assert ("Warning", "ProvisioningFailed", message) in await told(cluster, "missing")


async def test_a_claim_that_asks_for_a_volume_that_does_not_fit_is_told_why(cluster: Cluster) -> None:
    await cluster.apply(volume(size="1Mi"))
    made = await cluster.apply(claim(volume_name="disk"))
    await cluster.settle()
    assert (await cluster.get(made)).status.phase == "Pending"
    message = 'Cannot bind to requested volume "disk": requested PV is too small'
    assert ("Warning", "VolumeMismatch", message) in await told(cluster, "data")
