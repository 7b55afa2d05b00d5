"""Pods go where their volumes are, and wait for volumes that are not there yet."""

from __future__ import annotations

import asyncio
from typing import Any

from pybernetes.api import meta
from pybernetes.api.models import core_v1, meta_v1, storage_v1
from pybernetes.testing.cluster import Cluster

NOT_HELPFUL = (
    "no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
)


def claim(name: str = "data", storage_class: str = "disks", **spec: Any) -> core_v1.PersistentVolumeClaim:
    return core_v1.PersistentVolumeClaim(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default"),
        spec=core_v1.PersistentVolumeClaimSpec(
            access_modes=["ReadWriteOnce"],
            resources=core_v1.VolumeResourceRequirements(requests={"storage": "1Gi"}),
            storage_class_name=storage_class,
            **spec,
        ),
    )


def disk_on(node: str, name: str, size: str = "1Gi", storage_class: str = "disks") -> core_v1.PersistentVolume:
    here = core_v1.NodeSelectorRequirement(key="kubernetes.io/hostname", operator="In", values=[node])
    selector = core_v1.NodeSelector(node_selector_terms=[core_v1.NodeSelectorTerm(match_expressions=[here])])
    return core_v1.PersistentVolume(
        metadata=meta_v1.ObjectMeta(name=name),
        spec=core_v1.PersistentVolumeSpec(
            capacity={"storage": size},
            access_modes=["ReadWriteOnce"],
            storage_class_name=storage_class,
            local=core_v1.LocalVolumeSource(path="/disks/one"),
            node_affinity=core_v1.VolumeNodeAffinity(required=selector),
        ),
    )


def disks(provisioner: str = "kubernetes.io/no-provisioner", **fields: Any) -> storage_v1.StorageClass:
    fields = {"volume_binding_mode": "WaitForFirstConsumer", **fields}
    return storage_v1.StorageClass(metadata=meta_v1.ObjectMeta(name="disks"), provisioner=provisioner, **fields)


def user(*claims: str, name: str = "user") -> core_v1.Pod:
    volumes = [
        core_v1.Volume(name=one, persistent_volume_claim=core_v1.PersistentVolumeClaimVolumeSource(claim_name=one))
        for one in claims
    ]
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default"),
        spec=core_v1.PodSpec(containers=[core_v1.Container(name="main", image="nginx")], volumes=volumes),
    )


async def why_waiting(cluster: Cluster, pod: core_v1.Pod) -> str:
    found = await cluster.get(pod)
    assert not found.spec.node_name
    condition = meta.condition(found.status, "PodScheduled")
    assert condition is not None
    return str(condition.message)


async def two_nodes(cluster: Cluster) -> None:
    cluster.add_node(1)
    await cluster.settle()


async def test_a_claim_that_waits_for_its_pod_is_bound_where_the_pod_goes(cluster: Cluster) -> None:
    await two_nodes(cluster)
    await cluster.apply(disks())
    await cluster.apply(disk_on("node-1", "there"))
    waiting = await cluster.apply(claim())
    await cluster.settle()
    assert (await cluster.get(waiting)).status.phase == "Pending"
    pod = await cluster.apply(user("data"))
    await cluster.settle()
    assert (await cluster.get(waiting)).spec.volume_name == "there"
    found = await cluster.get(pod)
    assert (found.spec.node_name, found.status.phase) == ("node-1", "Running")


async def test_of_several_volumes_each_claim_gets_one_of_the_same_node(cluster: Cluster) -> None:
    await two_nodes(cluster)
    await cluster.apply(disks())
    for node, name in (("node-0", "here"), ("node-1", "there"), ("node-1", "there-too")):
        await cluster.apply(disk_on(node, name))
    await cluster.apply(claim("one"))
    await cluster.apply(claim("two"))
    pod = await cluster.apply(user("one", "two"))
    await cluster.settle()
    assert (await cluster.get(pod)).spec.node_name == "node-1"
    bound = {(await cluster.get(claim(name))).spec.volume_name for name in ("one", "two")}
    assert bound == {"there", "there-too"}


async def test_two_pods_never_get_one_volume(cluster: Cluster) -> None:
    await cluster.apply(disks())
    await cluster.apply(disk_on("node-0", "only"))
    pods = []
    for name in ("one", "two"):
        await cluster.apply(claim(name))
        pods.append(await cluster.apply(user(name, name=name)))
    await cluster.settle()
    assert sorted([(await cluster.get(pod)).spec.node_name for pod in pods]) == ["", "node-0"]


async def test_a_pod_waits_for_a_volume_to_bind(cluster: Cluster) -> None:
    await two_nodes(cluster)
    await cluster.apply(disks())
    await cluster.apply(claim())
    pod = await cluster.apply(user("data"))
    await cluster.settle()
    reason = "2 node(s) didn't find available persistent volumes to bind"
    assert await why_waiting(cluster, pod) == f"0/2 nodes are available: {reason}. {NOT_HELPFUL}"
    await cluster.apply(disk_on("node-0", "late"))
    await cluster.settle()
    assert (await cluster.get(pod)).spec.node_name == "node-0"


async def test_a_pod_waits_for_claims_that_are_bound_at_once(cluster: Cluster) -> None:
    await two_nodes(cluster)
    await cluster.apply(disks(volume_binding_mode="Immediate"))
    await cluster.apply(claim())
    pod = await cluster.apply(user("data"))
    await cluster.settle()
    reason = "pod has unbound immediate PersistentVolumeClaims"
    assert await why_waiting(cluster, pod) == f"0/2 nodes are available: {reason}. not found"
    await cluster.apply(disk_on("node-1", "late"))
    await cluster.settle()
    assert (await cluster.get(pod)).spec.node_name == "node-1"


async def test_a_pod_stays_away_from_nodes_that_its_volume_does_not_reach(cluster: Cluster) -> None:
    await two_nodes(cluster)
    await cluster.apply(disk_on("elsewhere", "far", storage_class=""))
    await cluster.apply(claim(storage_class=""))
    await cluster.settle()
    pod = await cluster.apply(user("data"))
    await cluster.settle()
    reason = "2 node(s) didn't match PersistentVolume's node affinity"
    assert await why_waiting(cluster, pod) == f"0/2 nodes are available: {reason}. {NOT_HELPFUL}"


async def test_a_pod_waits_for_a_claim_that_does_not_exist(cluster: Cluster) -> None:
    await two_nodes(cluster)
    pod = await cluster.apply(user("data"))
    await cluster.settle()
    reason = 'persistentvolumeclaim "data" not found'
    assert await why_waiting(cluster, pod) == f"0/2 nodes are available: {reason}. not found"


async def test_a_provisioner_is_told_the_node_and_the_pod_waits_for_it(cluster: Cluster) -> None:
    await cluster.apply(disks("example.com/slow"))
    waiting = await cluster.apply(claim())
    pod = await cluster.apply(user("data"))
    await cluster.settle()
    annotations = (await cluster.get(waiting)).metadata.annotations
    assert annotations["volume.kubernetes.io/selected-node"] == "node-0"
    assert annotations["volume.kubernetes.io/storage-provisioner"] == "example.com/slow"
    assert not (await cluster.get(pod)).spec.node_name
    await cluster.apply(disk_on("node-0", "made"))
    await cluster.client.patch(
        core_v1.PersistentVolume, "made", None, {"spec": {"claimRef": {"namespace": "default", "name": "data"}}}
    )
    await cluster.settle()
    assert (await cluster.get(pod)).spec.node_name == "node-0"


async def failures(cluster: Cluster) -> set[str]:
    events = (await cluster.client.list(core_v1.Event)).items
    return {one.message for one in events if one.reason == "FailedScheduling"}


async def test_a_provisioner_that_gives_up_lets_the_scheduler_choose_again(cluster: Cluster) -> None:
    await cluster.apply(disks("example.com/slow"))
    waiting = await cluster.apply(claim())
    await cluster.apply(user("data"))
    await cluster.settle()
    nothing = {"metadata": {"annotations": {"volume.kubernetes.io/selected-node": None}}}
    await cluster.client.patch(core_v1.PersistentVolumeClaim, "data", "default", nothing)
    await cluster.settle()
    message = 'running PreBind plugin "VolumeBinding": binding volumes: provisioning failed for PVC "data"'
    assert message in await failures(cluster)
    await asyncio.sleep(10)
    assert (await cluster.get(waiting)).metadata.annotations["volume.kubernetes.io/selected-node"] == "node-0"


async def test_a_pod_does_not_wait_for_its_volume_for_ever(cluster: Cluster) -> None:
    await cluster.apply(disks("example.com/slow"))
    await cluster.apply(claim())
    await cluster.apply(user("data"))
    await cluster.settle()
    assert await failures(cluster) == set()
    await asyncio.sleep(601)
    await cluster.settle()
    message = 'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded'
    assert await failures(cluster) == {message}


async def test_a_pod_that_is_deleted_while_it_waits_for_its_volume_leaves_nothing_behind(cluster: Cluster) -> None:
    await cluster.apply(disks("example.com/slow"))
    await cluster.apply(claim())
    pod = await cluster.apply(user("data"))
    await cluster.settle()
    await cluster.delete(pod, grace_period=0)
    await cluster.settle()
    again = await cluster.apply(user("data"))
    await cluster.apply(disk_on("node-0", "made"))
    await cluster.client.patch(
        core_v1.PersistentVolume, "made", None, {"spec": {"claimRef": {"namespace": "default", "name": "data"}}}
    )
    await cluster.settle()
    assert (await cluster.get(again)).spec.node_name == "node-0"
