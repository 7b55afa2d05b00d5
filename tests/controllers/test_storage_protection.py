"""Claims and volumes stay while they are used."""

from __future__ import annotations

import pytest

from pybernetes.api.errors import ApiError
from pybernetes.api.models import core_v1, meta_v1
from pybernetes.controllers import pv_protection, pvc_protection
from pybernetes.testing.cluster import Cluster


def claim(name: str = "data", storage_class: str | None = None) -> core_v1.PersistentVolumeClaim:
    return core_v1.PersistentVolumeClaim(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default"),
        spec=core_v1.PersistentVolumeClaimSpec(
            access_modes=["ReadWriteOnce"],
            resources=core_v1.VolumeResourceRequirements(requests={"storage": "1Gi"}),
            storage_class_name=storage_class,
        ),
    )


def user_of(name: str) -> core_v1.Pod:
    source = core_v1.PersistentVolumeClaimVolumeSource(claim_name=name)
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(name="user", namespace="default"),
        spec=core_v1.PodSpec(
            node_name="node-0",
            containers=[core_v1.Container(name="main", image="nginx")],
            volumes=[core_v1.Volume(name="data", persistent_volume_claim=source)],
        ),
    )


async def test_a_claim_goes_when_its_last_pod_has_gone(cluster: Cluster) -> None:
    made = await cluster.apply(claim())
    if pvc_protection.FINALIZER not in made.metadata.finalizers:
        await cluster.settle()
    await cluster.apply(user_of("data"))
    await cluster.delete(made)
    await cluster.settle()
    assert (await cluster.get(made)).metadata.deletion_timestamp is not None
    await cluster.client.delete(core_v1.Pod, "user", "default", grace_period=0)
    await cluster.settle()
    with pytest.raises(ApiError, match="not found"):
        await cluster.get(made)


async def test_a_volume_that_is_bound_stays(cluster: Cluster) -> None:
    volume = core_v1.PersistentVolume(
        metadata=meta_v1.ObjectMeta(name="disk"),
        spec=core_v1.PersistentVolumeSpec(
            capacity={"storage": "1Gi"},
            access_modes=["ReadWriteOnce"],
            host_path=core_v1.HostPathVolumeSource(path="/tmp/disk"),
        ),
    )
    made = await cluster.apply(volume)
    await cluster.settle()
    assert pv_protection.FINALIZER in (await cluster.get(made)).metadata.finalizers
    user = await cluster.apply(claim(storage_class=""))
    await cluster.settle()
    await cluster.delete(made)
    await cluster.settle()
    assert (await cluster.get(made)).metadata.deletion_timestamp is not None
    await cluster.delete(user)
    await cluster.settle()
    with pytest.raises(ApiError, match="not found"):
        await cluster.get(made)
