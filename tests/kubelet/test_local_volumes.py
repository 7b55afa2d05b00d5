"""Directories of nodes as persistent volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pybernetes.api import storage
from pybernetes.api.errors import ApiError
from pybernetes.api.models import apps_v1, core_v1, meta_v1, storage_v1
from pybernetes.kubelet.local_volumes import (
    RealDirectories,
    is_temporary,
    node_local_class,
    volume_for,
    why_not_provisioned,
)
from pybernetes.testing.cluster import Cluster

SET = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 3
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
      - {name: main, image: db, volumeMounts: [{name: data, mountPath: /data}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""


def claim(**spec: Any) -> core_v1.PersistentVolumeClaim:
    return core_v1.PersistentVolumeClaim(
        metadata=meta_v1.ObjectMeta(name="data", namespace="default", uid="1234"),
        spec=core_v1.PersistentVolumeClaimSpec(
            resources=core_v1.VolumeResourceRequirements(requests={"storage": "1Gi"}),
            **{"access_modes": ["ReadWriteOnce"], **spec},
        ),
    )


async def volumes(cluster: Cluster) -> list[core_v1.PersistentVolume]:
    return (await cluster.client.list(core_v1.PersistentVolume)).items


async def test_the_pods_of_a_stateful_set_get_volumes_where_they_run(cluster: Cluster) -> None:
    cluster.add_node(1)
    await cluster.settle()
    (made,) = await cluster.apply_yaml(SET)
    pods = {pod.metadata.name: pod for pod in await cluster.pods_of(made, ready=3)}
    assert sorted(pods) == ["db-0", "db-1", "db-2"]
    for volume in await volumes(cluster):
        reference = volume.spec.claim_ref
        assert reference is not None
        pod = pods[reference.name.removeprefix("data-")]
        assert volume.metadata.annotations["pybernetes.io/node"] == pod.spec.node_name
        assert volume.status.phase == "Bound"
    claims = (await cluster.client.list(core_v1.PersistentVolumeClaim)).items
    assert {one.status.phase for one in claims} == {"Bound"}
    assert {one.spec.storage_class_name for one in claims} == {"local"}


async def test_a_pod_that_is_replaced_goes_back_to_its_volume(cluster: Cluster) -> None:
    cluster.add_node(1)
    await cluster.settle()
    (made,) = await cluster.apply_yaml(SET)
    before = {pod.metadata.name: pod.spec.node_name for pod in await cluster.pods_of(made, ready=3)}
    await cluster.client.delete(core_v1.Pod, "db-1", "default")
    await cluster.settle()
    after = {pod.metadata.name: pod.spec.node_name for pod in await cluster.pods_of(made, ready=3)}
    assert after == before


async def test_volumes_go_with_their_claims(cluster: Cluster) -> None:
    (made,) = await cluster.apply_yaml(SET)
    await cluster.pods_of(made, ready=3)
    await cluster.client.delete(apps_v1.StatefulSet, "db", "default")
    await cluster.settle()
    assert len(await volumes(cluster)) == 3
    for number in range(3):
        await cluster.client.delete(core_v1.PersistentVolumeClaim, f"data-db-{number}", "default")
    await cluster.settle()
    assert await volumes(cluster) == []


async def test_a_claim_of_a_class_that_binds_at_once_gets_a_node_of_its_own_accord(cluster: Cluster) -> None:
    known = storage_v1.StorageClass(metadata=meta_v1.ObjectMeta(name="at-once"), provisioner=storage.NODE_LOCAL)
    await cluster.apply(known)
    await cluster.settle()
    made = await cluster.client.create(claim(storage_class_name="at-once"))
    await cluster.settle()
    assert (await cluster.get(made)).status.phase == "Bound"


async def test_a_claim_for_a_node_that_has_gone_is_given_another(cluster: Cluster) -> None:
    (made,) = await cluster.apply_yaml(SET.replace("replicas: 3", "replicas: 0"))
    gone = meta_v1.ObjectMeta(name="data-db-0", namespace="default", annotations={storage.SELECTED_NODE: "gone"})
    await cluster.client.create(core_v1.PersistentVolumeClaim(metadata=gone, spec=claim().spec))
    await cluster.settle()
    await cluster.client.patch(apps_v1.StatefulSet, "db", "default", {"spec": {"replicas": 1}})
    (pod,) = await cluster.pods_of(made, ready=1)
    assert pod.spec.node_name == "node-0"
    events = (await cluster.client.list(core_v1.Event, "default")).items
    assert 'failed to get target node: node "gone" not found' in {one.message for one in events}


async def test_a_claim_that_no_directory_can_serve_is_told_why(cluster: Cluster) -> None:
    known = storage_v1.StorageClass(metadata=meta_v1.ObjectMeta(name="at-once"), provisioner=storage.NODE_LOCAL)
    await cluster.apply(known)
    await cluster.settle()
    made = await cluster.client.create(claim(storage_class_name="at-once", access_modes=["ReadWriteMany"]))
    await cluster.settle()
    assert (await cluster.get(made)).status.phase == "Pending"
    events = (await cluster.client.list(core_v1.Event, "default")).items
    told = {one.message for one in events if one.reason == "ProvisioningFailed"}
    assert told == {
        'failed to provision volume with StorageClass "at-once": node-local volumes are reached from one node only: '
        "access mode ReadWriteMany is not supported"
    }


async def test_a_host_path_below_tmp_goes_with_its_claim_when_its_policy_says_so(cluster: Cluster) -> None:
    volume = core_v1.PersistentVolume(
        metadata=meta_v1.ObjectMeta(name="scratch"),
        spec=core_v1.PersistentVolumeSpec(
            capacity={"storage": "1Gi"},
            access_modes=["ReadWriteOnce"],
            persistent_volume_reclaim_policy="Delete",
            host_path=core_v1.HostPathVolumeSource(path="/tmp/scratch"),
        ),
    )
    await cluster.apply(volume)
    made = await cluster.client.create(claim(storage_class_name=""))
    await cluster.settle()
    assert (await cluster.get(volume)).status.phase == "Bound"
    await cluster.delete(made)
    await cluster.settle()
    assert await volumes(cluster) == []


async def test_a_volume_deleted_while_it_is_used_stays_until_its_claim_has_gone(cluster: Cluster) -> None:
    (made,) = await cluster.apply_yaml(SET.replace("replicas: 3", "replicas: 1"))
    await cluster.pods_of(made, ready=1)
    (volume,) = await volumes(cluster)
    await cluster.delete(volume)
    await cluster.settle()
    assert (await cluster.get(volume)).metadata.deletion_timestamp is not None
    await cluster.client.delete(apps_v1.StatefulSet, "db", "default")
    await cluster.client.delete(core_v1.PersistentVolumeClaim, "data-db-0", "default")
    await cluster.settle()
    with pytest.raises(ApiError, match="not found"):
        await cluster.get(volume)


def test_a_retained_volume_has_no_finalizer_of_the_provisioner() -> None:
    known = storage_v1.StorageClass(metadata=meta_v1.ObjectMeta(name="kept"), reclaim_policy="Retain")
    node = core_v1.Node(metadata=meta_v1.ObjectMeta(name="one", labels={"kubernetes.io/hostname": "host-one"}))
    volume = volume_for(claim(), known, node, Path("/v/pvc-1234"))
    assert volume.metadata.finalizers == []
    assert volume.spec.persistent_volume_reclaim_policy == "Retain"
    assert storage.reaches(volume, node)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({}, ""),
        ({"access_modes": ["ReadWriteOncePod"]}, ""),
        ({"volume_mode": "Block"}, "raw block volumes are not built"),
    ],
)
def test_what_a_directory_can_serve(spec: dict[str, Any], why: str) -> None:
    assert why_not_provisioned(claim(**spec), node_local_class()) == why


def test_directories_are_for_all_users_and_go_with_their_content(tmp_path: Path) -> None:
    made = tmp_path / "volumes" / "pvc-1"
    RealDirectories().make(made)
    RealDirectories().make(made)
    assert made.stat().st_mode & 0o777 == 0o777
    (made / "below").mkdir()
    (made / "below" / "file").write_text("data")
    RealDirectories().remove(made)
    RealDirectories().remove(made)
    assert list((tmp_path / "volumes").iterdir()) == []


def test_a_link_is_removed_and_not_what_it_leads_to(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    link = tmp_path / "link"
    link.symlink_to(kept)
    RealDirectories().remove(link)
    assert kept.is_dir()
    assert not link.is_symlink()


@pytest.mark.parametrize(
    ("path", "removable"),
    [("/tmp/x", True), ("/tmp/", False), ("/tmp", False), ("/home/tmp/x", False), ("/tmp/../x", False)],
)
def test_only_host_paths_below_tmp_are_removed(path: str, removable: bool) -> None:
    assert is_temporary(path) is removable
