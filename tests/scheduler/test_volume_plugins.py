"""Plugins about volumes and images: which nodes are refused, and in which words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, storage_v1
from pybernetes.scheduler.evaluation import Diagnosis
from pybernetes.scheduler.plugins.image_locality import ImageLocality
from pybernetes.scheduler.plugins.volume_zone import VolumeZone
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.wording import unschedulable
from scheduler.objects import World, node, pod


def refused(world: World, one: PodInfo) -> Diagnosis:
    decision = world.evaluator.decide(one)
    assert isinstance(decision, Diagnosis), decision
    return decision


def volume_of(kind: str, **source: Any) -> list[dict[str, Any]]:
    return [{"name": "data", kind: source}]


def claim(world: World, name: str, volume: str = "", **spec: Any) -> None:
    document = {
        "metadata": {"name": name, "namespace": "default", "annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
        "spec": {"volumeName": volume, **spec},
    }
    made = msgspec.convert(document, core_v1.PersistentVolumeClaim)
    world.state.storage.claims[Key("default", name)] = made


def persistent(world: World, name: str, labels: dict[str, str] | None = None, handle: str = "") -> None:
    source = {"csi": {"driver": "csi.example.com", "volumeHandle": handle}} if handle else {}
    document = {"metadata": {"name": name, "labels": labels or {}}, "spec": source}
    world.state.storage.volumes[name] = msgspec.convert(document, core_v1.PersistentVolume)


def using(name: str, claim_name: str) -> PodInfo:
    return pod(name, volumes=volume_of("persistentVolumeClaim", claimName=claim_name))


GCE, EBS = {"pdName": "d"}, {"volumeID": "v"}
RBD = {"monitors": ["m1", "m2"], "image": "i", "pool": "p"}


@pytest.mark.parametrize(
    ("kind", "held", "wanted", "together"),
    [
        ("gcePersistentDisk", GCE, GCE, False),
        ("gcePersistentDisk", {**GCE, "readOnly": True}, {**GCE, "readOnly": True}, True),
        ("gcePersistentDisk", {**GCE, "readOnly": True}, GCE, False),
        ("gcePersistentDisk", GCE, {"pdName": "other"}, True),
        ("awsElasticBlockStore", {**EBS, "readOnly": True}, {**EBS, "readOnly": True}, False),
        ("awsElasticBlockStore", EBS, {"volumeID": "other"}, True),
        ("iscsi", {"iqn": "q"}, {"iqn": "q"}, False),
        ("iscsi", {"iqn": "q", "readOnly": True}, {"iqn": "q", "readOnly": True}, True),
        ("rbd", RBD, {**RBD, "monitors": ["m2", "m3"]}, False),
        ("rbd", RBD, {**RBD, "monitors": ["m3"]}, True),
        ("rbd", RBD, {**RBD, "pool": "other"}, True),
    ],
)
def test_two_pods_of_a_node_share_a_disk_only_to_read(
    kind: str, held: dict[str, Any], wanted: dict[str, Any], together: bool
) -> None:
    world = World(node("a"))
    world.place(pod("holder", volumes=volume_of(kind, **held)), "a")
    one = pod("p", volumes=volume_of(kind, **wanted))
    assert world.evaluator.diagnose(one).reasons == ({} if together else {"node(s) had no available disk": 1})
    world.state.remove_pod(pod("holder").key)
    assert world.evaluator.diagnose(one).reasons == {}


def test_a_claim_for_one_pod_is_in_use_wherever_that_pod_is() -> None:
    world = World(node("a"), node("b"))
    persistent(world, "v")
    claim(world, "c", "v", accessModes=["ReadWriteOncePod"])
    world.place(using("first", "c"), "a")
    reason = (
        "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by "
        "another pod"
    )
    diagnosis = refused(world, using("second", "c"))
    assert diagnosis.reasons == {reason: 2}
    assert diagnosis.resolvable.sum() == 2


def test_a_claim_that_is_not_there_rejects_the_pod_before_any_node_is_asked() -> None:
    diagnosis = refused(World(node("a"), node("b")), using("p", "gone"))
    assert unschedulable(diagnosis, "") == '0/2 nodes are available: persistentvolumeclaim "gone" not found.'
    assert not diagnosis.resolvable.any()


OLD_ZONE, ZONE = "failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"


@pytest.mark.parametrize(
    ("of_volume", "fits"),
    [
        ({ZONE: "a"}, {"a", "unlabelled"}),
        ({ZONE: "a__b"}, {"a", "b", "unlabelled"}),
        ({OLD_ZONE: "b"}, {"b", "unlabelled"}),
        ({ZONE: "a", "topology.kubernetes.io/region": "r"}, {"unlabelled"}),
        ({ZONE: "a__"}, {"a", "b", "unlabelled"}),
    ],
)
def test_a_volume_keeps_its_pod_in_its_zone(of_volume: dict[str, str], fits: set[str]) -> None:
    world = World(node("a", labels={ZONE: "a"}), node("b", labels={ZONE: "b"}), node("unlabelled"))
    persistent(world, "v", of_volume)
    claim(world, "c", "v")
    one = using("p", "c")
    rows = {name: world.state.nodes.row(name) for name in ("a", "b", "unlabelled")}
    assert {name for name, row in rows.items() if row is not None and world.evaluator.fits(one, row)} == fits
    if len(fits) < 3:
        assert set(world.evaluator.diagnose(one).reasons) == {"node(s) had no available volume zone"}


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({}, "PersistentVolumeClaim had no pv name and storageClass name"),
        ({"storageClassName": "none"}, 'storageclass.storage.k8s.io "none" not found'),
        ({"storageClassName": "now"}, "PersistentVolume had no name"),
        ({"volumeName": "gone"}, 'persistentvolume "gone" not found'),
        ({"storageClassName": "later"}, None),
    ],
)
def test_an_unbound_claim_has_no_zone_unless_it_waits(spec: dict[str, str], reason: str | None) -> None:
    world = World()
    for name, mode in (("now", "Immediate"), ("later", "WaitForFirstConsumer")):
        world.state.storage.classes[name] = storage_v1.StorageClass(volume_binding_mode=mode)
    claim(world, "c", **spec)
    rejection = VolumeZone(world.state.storage).rejection(using("p", "c"))
    assert (rejection.reason if rejection is not None else None) == reason


def test_a_node_attaches_as_many_volumes_as_its_driver_says() -> None:
    world = World(node("a"), node("b"))
    for name in ("one", "two", "three"):
        persistent(world, f"v-{name}", handle=name)
        claim(world, name, f"v-{name}")
    driver = {"name": "csi.example.com", "nodeID": "a", "allocatable": {"count": 2}}
    for name in ("a", "b"):
        world.state.storage.csi_nodes[name] = msgspec.convert({"spec": {"drivers": [driver]}}, storage_v1.CSINode)
    world.place(using("p1", "one"), "a")
    world.place(using("p2", "two"), "a")
    reasons = world.evaluator.diagnose(using("p3", "three")).reasons
    assert reasons == {"node(s) exceed max volume count": 1}
    assert world.evaluator.diagnose(using("again", "two")).reasons == {}
    attachment = {
        "metadata": {"name": "x"},
        "spec": {"attacher": "csi.example.com", "nodeName": "b", "source": {"persistentVolumeName": "v-one"}},
    }
    world.state.storage.set_attachment(None, msgspec.convert(attachment, storage_v1.VolumeAttachment))
    assert world.evaluator.diagnose(using("p3", "three")).reasons == {"node(s) exceed max volume count": 1}
    world.place(using("p4", "two"), "b")
    assert world.evaluator.diagnose(using("p3", "three")).reasons == {"node(s) exceed max volume count": 2}


MEGABYTE = 2**20


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (["gcr.io/40", "gcr.io/250"], {"n1": 0, "n2": 5}),
        (["gcr.io/10", "gcr.io/2000"], {"n1": 0, "n2": 49}),
        (["gcr.io/40", "gcr.io/300"], {"n1": 7, "n2": 0}),
    ],
)
def test_images_count_by_their_size_and_by_how_many_nodes_have_them(
    images: list[str], expected: dict[str, int]
) -> None:
    """What upstream's own table expects of two nodes."""
    held = {
        "n1": {"gcr.io/40:latest": 40, "gcr.io/300:latest": 300},
        "n2": {"gcr.io/250:latest": 250, "gcr.io/10:latest": 10, "gcr.io/2000:latest": 2000},
    }
    world = World()
    for name, sizes in held.items():
        one = node(name)
        one.status.images = [
            core_v1.ContainerImage(names=[image], size_bytes=size * MEGABYTE) for image, size in sizes.items()
        ]
        world.state.set_node(one)
    wanted = pod("p")
    wanted.spec.containers = [core_v1.Container(name=str(index), image=name) for index, name in enumerate(images)]
    nodes = world.state.nodes
    scores = ImageLocality().score(wanted, nodes, slice(None), nodes.present)
    assert dict(zip(held, scores[: nodes.size].tolist(), strict=True)) == expected
