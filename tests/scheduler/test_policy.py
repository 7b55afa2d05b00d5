"""The classic Policy file: every name decides a placement, or is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, storage_v1
from pybernetes.scheduler.configuration.merging import ConfigurationError
from pybernetes.scheduler.configuration.policy import PREDICATES, PRIORITIES
from pybernetes.scheduler.evaluation import Placement
from pybernetes.scheduler.pod_info import PodInfo
from scheduler.configured import ConfiguredWorld, policy
from scheduler.objects import node, pod

PORT = [{"containerPort": 80, "hostPort": 80}]
WEB = {"app": "web"}


def disks(kind: str, *names: str) -> list[dict[str, Any]]:
    field = {"awsElasticBlockStore": "volumeID", "gcePersistentDisk": "pdName"}[kind]
    return [{"name": name, kind: {field: name}} for name in names]


def claimed(name: str) -> list[dict[str, Any]]:
    return [{"name": "data", "persistentVolumeClaim": {"claimName": name}}]


def near(app: str) -> dict[str, Any]:
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": app}}}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def world(document: dict[str, Any]) -> ConfiguredWorld:
    """Node ``a`` is larger and has the pods; a claim has its volume in zone b, where ``b`` is."""
    taint = {"key": "k", "value": "v", "effect": "NoSchedule"}
    made = ConfiguredWorld(
        document,
        node("a", cpu="4", memory="64Gi", labels={"topology.kubernetes.io/zone": "a"}),
        node("b", cpu="8", memory="8Gi", labels={"topology.kubernetes.io/zone": "b", "disk": "ssd"}),
        node("tainted", taints=[taint]),
        node("cordoned", unschedulable=True),
    )
    made.place(pod("p", cpu="3", memory="1Gi", labels=WEB, ports=PORT, volumes=disks("gcePersistentDisk", "d")), "a")
    many = [f"v{number}" for number in range(39)]
    made.place(pod("ebs", volumes=disks("awsElasticBlockStore", *many)), "a")
    made.place(pod("gce", volumes=disks("gcePersistentDisk", *many[:15])), "a")
    storage = made.state.storage
    volume = {"metadata": {"name": "v", "labels": {"topology.kubernetes.io/zone": "b"}}, "spec": CSI}
    storage.volumes["v"] = msgspec.convert(volume, core_v1.PersistentVolume)
    bound = {"pv.kubernetes.io/bind-completed": "yes"}
    metadata = {"name": "c", "namespace": "default", "annotations": bound}
    claim = {"metadata": metadata, "spec": {"volumeName": "v"}}
    storage.claims[Key("default", "c")] = msgspec.convert(claim, core_v1.PersistentVolumeClaim)
    limit = {"name": "csi.example.com", "nodeID": "a", "allocatable": {"count": 0}}
    storage.csi_nodes["a"] = msgspec.convert({"spec": {"drivers": [limit]}}, storage_v1.CSINode)
    return made


CSI = {
    "csi": {"driver": "csi.example.com", "volumeHandle": "h"},
    "nodeAffinity": {
        "required": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["b"]}]}
            ]
        }
    },
}
SPREAD = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
BY_PREDICATE: dict[str, PodInfo] = {
    "PodFitsPorts": pod("n", ports=PORT),
    "PodFitsHostPorts": pod("n", ports=PORT),
    "PodFitsResources": pod("n", cpu="2"),
    "PodFitsResource": pod("n", cpu="2"),
    "PodFitsHost": pod("n", nodeName="b"),
    "HostName": pod("n", nodeName="b"),
    "MatchNodeSelector": pod("n", nodeSelector={"disk": "ssd"}),
    "NoDiskConflict": pod("n", volumes=disks("gcePersistentDisk", "d")),
    "NoVolumeZoneConflict": pod("n", volumes=claimed("c")),
    "MaxEBSVolumeCount": pod("n", volumes=disks("awsElasticBlockStore", "one-more")),
    "MaxGCEPDVolumeCount": pod("n", volumes=disks("gcePersistentDisk", "one-more")),
    "MaxCSIVolumeCountPred": pod("n", volumes=claimed("c")),
    "CheckVolumeBinding": pod("n", volumes=claimed("c")),
    "PodToleratesNodeTaints": pod("n", nodeName="b"),
    "CheckNodeUnschedulable": pod("n", nodeName="b"),
    "MatchInterPodAffinity": pod("n", affinity=near("web")),
    "EvenPodsSpread": pod(
        "n", labels=WEB, topologySpreadConstraints=[{**SPREAD, "labelSelector": {"matchLabels": WEB}}]
    ),
    "GeneralPredicates": pod("n", cpu="2"),
}


@pytest.mark.parametrize("name", PREDICATES)
def test_a_predicate_keeps_a_pod_from_a_node(name: str) -> None:
    one = BY_PREDICATE[name]
    with_it = world(policy(name)).evaluator.diagnose(one)
    without = world(policy()).evaluator.diagnose(one)
    plain = {"node(s) had untolerated taint(s)": 1, "node(s) were unschedulable": 1}
    assert without.reasons == plain
    if name in ("PodToleratesNodeTaints", "CheckNodeUnschedulable"):
        assert with_it.reasons == plain
    else:
        added = {reason: count for reason, count in with_it.reasons.items() if reason not in plain}
        assert sum(added.values()) == 1, with_it.reasons


def scored_world(name: str, **more: int) -> ConfiguredWorld:
    document = policy("", **{name: 1}, **more)
    if name == "RequestedToCapacityRatioPriority":
        shape = [{"utilization": 0, "score": 10}, {"utilization": 100, "score": 0}]
        document["priorities"][0]["argument"] = {"requestedToCapacityRatioArguments": {"shape": shape}}
    image = {"names": ["web:1"], "sizeBytes": 900 * 2**20}
    soft = {"key": "k", "value": "", "effect": "PreferNoSchedule"}
    busy = node("busy", cpu="10", memory="10Gi", taints=[soft])
    better = node("better", cpu="10", memory="10Gi", labels={"disk": "ssd"})
    better.status.images = [msgspec.convert(image, core_v1.ContainerImage)]
    made = ConfiguredWorld(document, busy, better)
    made.workloads.set_service("default", "web", WEB)
    made.place(pod("web", cpu="5", memory="1Gi", labels=WEB), "busy")
    return made


PREFERS_SSD = {
    "nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "preference": {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}}
        ]
    },
    "podAntiAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 1,
                "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": WEB}},
            }
        ]
    },
}


@pytest.mark.parametrize("name", [one for one in PRIORITIES if one != "EqualPriority"])
def test_a_priority_chooses_between_nodes(name: str) -> None:
    made = scored_world(name)
    one = pod("n", cpu="1", memory="3Gi", labels=WEB, affinity=PREFERS_SSD)
    one.spec.containers[0].image = "web:1"
    expected = "busy" if name in ("MostRequestedPriority", "BalancedResourceAllocation") else "better"
    assert {made.evaluator.decide(one) for _ in range(8)} == {Placement(expected, 2)}


def test_equal_priority_leaves_the_choice_to_chance() -> None:
    made = scored_world("EqualPriority")
    assert {made.evaluator.decide(pod("n")) for _ in range(20)} == {Placement("busy", 2), Placement("better", 2)}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (policy("NoSuch"), "Invalid configuration: Predicate type not found for NoSuch"),
        (policy("", NoSuch=1), "Invalid configuration: Priority type not found for NoSuch"),
        (
            policy("", EqualPriority=0),
            "Priority for EqualPriority has to have a positive weight applied to it",
        ),
        ({**policy(), "nope": 1}, 'strict decoding error: unknown field "nope"'),
    ],
)
def test_what_a_policy_cannot_say(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        ConfiguredWorld(document)
    assert str(told.value) == message
