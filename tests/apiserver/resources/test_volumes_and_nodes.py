"""Volumes, claims and nodes: what is refused, what may change, what is completed and warned of."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from apiserver.resources.support import CONTEXT, cells, changed, completed_by, created, model, problems, update_problems
from pybernetes.apiserver.empty_lists import as_null, steps_of
from pybernetes.apiserver.resource import Document, Resource, StatusSubresource
from pybernetes.apiserver.resources.csi_node import CSI_NODES
from pybernetes.apiserver.resources.node import NODES
from pybernetes.apiserver.resources.persistent_volume import PERSISTENT_VOLUMES
from pybernetes.apiserver.resources.persistent_volume_claim import PERSISTENT_VOLUME_CLAIMS

TAINTS = "scheduler.alpha.kubernetes.io/taints"
AVOIDED_PODS = "scheduler.alpha.kubernetes.io/preferAvoidPods"
CLASS = "volume.beta.kubernetes.io/storage-class"


def volume(**spec: Any) -> Document:
    csi = {"driver": "d.example.com", "volumeHandle": "h"}
    whole = {"capacity": {"storage": "5Gi"}, "accessModes": ["ReadWriteOnce"], "csi": csi, **spec}
    return {"metadata": {"name": "one"}, "spec": {name: value for name, value in whole.items() if value is not None}}


def claim(**spec: Any) -> Document:
    whole = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}, **spec}
    return {"metadata": {"name": "one"}, "spec": whole}


def node(**spec: Any) -> Document:
    return {"metadata": {"name": "one"}, "spec": spec}


def affinity(key: str) -> Document:
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": key, "operator": "Exists"}]}]}}


def status_problems(resource: Resource, old: Document, status: Document) -> list[str]:
    door = resource.subresource("status")
    assert isinstance(door, StatusSubresource)
    assert door.validate is not None
    return [str(error) for error in door.validate(model(resource, changed(old, status=status)), model(resource, old))]


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        (
            {"capacity": {"storage": "0"}},
            ['spec.capacity[storage]: Invalid value: "0": must be greater than zero'],
        ),
        (
            {"accessModes": ["ReadWriteOncePod", "ReadOnlyMany"]},
            ["spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"],
        ),
        (
            {"csi": None, "hostPath": {"path": "/a/.."}, "persistentVolumeReclaimPolicy": "Recycle"},
            [
                "spec.hostPath.path: Invalid value: \"/a/..\": must not contain '..'",
                "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'",
            ],
        ),
        (
            {"csi": None, "local": {"path": "/a"}},
            ["spec.nodeAffinity: Required value: Local volume requires node affinity"],
        ),
        (
            {"csi": {"driver": "d", "volumeHandle": "", "nodePublishSecretRef": {"name": "S", "namespace": ""}}},
            [
                "spec.csi.volumeHandle: Required value",
                'spec.csi.nodePublishSecretRef.name: Invalid value: "S": a lowercase RFC 1123 subdomain must consist '
                "of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric "
                "character (e.g. 'example.com', regex used for validation is "
                "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
                "spec.csi.nodePublishSecretRef.namespace: Required value",
            ],
        ),
        (
            {"cephfs": {"monitors": ["m"]}},
            ["spec.csi: Forbidden: may not specify more than 1 volume type"],
        ),
        (
            {"csi": None, "nfs": {"server": "s", "path": "/p"}, "volumeAttributesClassName": "fast"},
            ["spec.csi: Required value: has to be specified when using volumeAttributesClassName"],
        ),
    ],
)
def test_a_volume_is_one_of_its_sources_as_it_has_to_be(spec: Document, wrong: list[str]) -> None:
    assert problems(PERSISTENT_VOLUMES, volume(**spec)) == wrong


def test_a_volumes_source_stays_but_for_the_secret_of_its_expansion() -> None:
    stored = created(PERSISTENT_VOLUMES, volume())
    secret = {"name": "a", "namespace": "b"}
    assert update_problems(PERSISTENT_VOLUMES, stored, spec__csi__controllerExpandSecretRef=secret) == []
    (wrong,) = update_problems(PERSISTENT_VOLUMES, stored, spec__csi__volumeHandle="other")
    assert wrong.startswith(
        "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n@@ "
    )
    assert '-  "VolumeHandle": "h",\n+  "VolumeHandle": "other",\n' in wrong


def test_a_volumes_affinity_is_set_once_and_then_only_told_by_new_names() -> None:
    free = created(PERSISTENT_VOLUMES, volume())
    assert update_problems(PERSISTENT_VOLUMES, free, spec__nodeAffinity=affinity("a")) == []
    old = created(PERSISTENT_VOLUMES, volume(nodeAffinity=affinity("beta.kubernetes.io/os")))
    assert update_problems(PERSISTENT_VOLUMES, old, spec__nodeAffinity=affinity("kubernetes.io/os")) == []
    assert update_problems(PERSISTENT_VOLUMES, old, spec__nodeAffinity=None) == [
        "nodeAffinity: Invalid value: null: field is immutable, except for updating from beta label to GA"
    ]


def test_a_volumes_status_tells_when_its_phase_changed() -> None:
    stored = created(PERSISTENT_VOLUMES, volume())
    stored["status"]["lastPhaseTransitionTime"] = "2020-01-01T00:00:00Z"
    door = PERSISTENT_VOLUMES.subresource("status")
    assert isinstance(door, StatusSubresource)
    assert door.prepare is not None
    for told, then in (
        ({"phase": "Pending"}, "2020-01-01T00:00:00Z"),
        ({"phase": "Bound"}, "2030-01-01T12:00:00Z"),
        ({"phase": "Bound", "lastPhaseTransitionTime": "2021-01-01T00:00:00Z"}, "2021-01-01T00:00:00Z"),
    ):
        new = changed(stored, status=dict(told))
        door.prepare(new, stored, CONTEXT)
        assert new["status"]["lastPhaseTransitionTime"] == then


def test_a_volume_that_is_recycled_or_of_the_past_is_warned_of() -> None:
    stored = completed_by(
        PERSISTENT_VOLUMES, volume(csi=None, rbd={"monitors": ["m"]}, persistentVolumeReclaimPolicy="Recycle")
    )
    assert PERSISTENT_VOLUMES.warnings is not None
    assert list(PERSISTENT_VOLUMES.warnings(stored)) == [
        "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. "
        "Instead, the recommended approach is to use dynamic provisioning.",
        "spec.rbd: deprecated in v1.28, non-functional in v1.31+",
    ]


def test_the_two_ways_to_name_a_claims_source_say_the_same() -> None:
    named = {"kind": "PersistentVolumeClaim", "name": "x"}
    stored = created(PERSISTENT_VOLUME_CLAIMS, claim(dataSource=named))
    assert stored["spec"]["dataSourceRef"] == {"apiGroup": None, **named}
    other = {"apiGroup": "example.com", "kind": "Populator", "name": "x"}
    assert "dataSource" not in created(PERSISTENT_VOLUME_CLAIMS, claim(dataSource=other))["spec"]
    assert created(PERSISTENT_VOLUME_CLAIMS, claim(dataSourceRef=other))["spec"]["dataSource"] == other
    far = created(PERSISTENT_VOLUME_CLAIMS, claim(dataSourceRef={**other, "namespace": "far"}))
    assert "dataSourceRef" not in far["spec"]


def test_a_claim_gets_its_class_once() -> None:
    stored = created(PERSISTENT_VOLUME_CLAIMS, claim())
    assert update_problems(PERSISTENT_VOLUME_CLAIMS, stored, spec__storageClassName="gold") == []
    gold = created(PERSISTENT_VOLUME_CLAIMS, claim(storageClassName="gold"))
    (wrong,) = update_problems(PERSISTENT_VOLUME_CLAIMS, gold, spec__storageClassName="silver")
    assert wrong.startswith("spec: Forbidden: spec is immutable after creation except resources.requests and ")
    annotated = copy.deepcopy(stored)
    annotated["metadata"]["annotations"] = {CLASS: "gold"}
    assert update_problems(PERSISTENT_VOLUME_CLAIMS, annotated, spec__storageClassName="gold") == []
    assert update_problems(PERSISTENT_VOLUME_CLAIMS, annotated, metadata__annotations={CLASS: "silver"}) == [
        f'metadata.annotations.{CLASS}: Invalid value: "silver": field is immutable'
    ]


def test_what_a_claims_status_says_of_resizing_is_judged() -> None:
    stored = created(PERSISTENT_VOLUME_CLAIMS, claim())
    assert status_problems(PERSISTENT_VOLUME_CLAIMS, stored, {"allocatedResourceStatuses": {"storage": "Odd"}}) == [
        'status.allocatedResourceStatuses: Unsupported value: "storage": supported values: '
        '"ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", '
        '"NodeResizePending"'
    ]
    assert status_problems(PERSISTENT_VOLUME_CLAIMS, stored, {"allocatedResources": {"cpu": "1"}}) == [
        'status.allocatedResources: Unsupported value: "cpu": supported values: "storage"'
    ]
    assert status_problems(PERSISTENT_VOLUME_CLAIMS, stored, {"capacity": {"storage": "-1"}}) == [
        "status.capacity[storage]: Invalid value: -1: must be a valid resource quantity"
    ]


def test_the_older_field_of_a_nodes_range_is_the_first_of_the_newer_one() -> None:
    assert completed_by(NODES, node(podCIDR="10.0.0.0/24"))["spec"]["podCIDRs"] == ["10.0.0.0/24"]
    both = completed_by(NODES, node(podCIDR="10.0.0.0/24", podCIDRs=["10.0.1.0/24", "fd00::/64"]))
    assert both["spec"] == {"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.0.0/24"]}
    assert problems(NODES, node(podCIDRs=["10.0.0.0/24", "10.0.1.0/24"])) == [
        'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: '
        "may specify no more than one CIDR for each IP family"
    ]


def test_a_nodes_range_and_provider_are_set_once() -> None:
    stored = created(NODES, node())
    assert update_problems(NODES, stored, spec={"podCIDR": "10.0.0.0/24", "providerID": "p"}) == []
    placed = created(NODES, node(podCIDR="10.0.0.0/24", providerID="p", externalID="e"))
    assert update_problems(NODES, placed, spec={}) == [
        'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
        'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
        "spec.externalID: Forbidden: may not be updated",
    ]


def test_a_nodes_features_are_named_well_and_sorted() -> None:
    assert status_problems(NODES, created(NODES, node()), {"declaredFeatures": ["B", "A", "A"]}) == [
        'status.declaredFeatures[1]: Invalid value: "A": list must be sorted alphabetically',
        'status.declaredFeatures[2]: Duplicate value: "A"',
    ]


@pytest.mark.parametrize(
    ("annotation", "value", "wrong"),
    [
        (
            TAINTS,
            '[{"key":"a","effect":"x"}]',
            f'metadata.annotations.{TAINTS}[0].effect: Unsupported value: "x": supported values: "NoSchedule", '
            '"PreferNoSchedule", "NoExecute"',
        ),
        (
            TAINTS,
            "x",
            f"metadata.annotations: Invalid value: \"{TAINTS}\": invalid character 'x' looking for beginning of value",
        ),
        (
            AVOIDED_PODS,
            "[]",
            f'metadata.annotations.AvoidPods: Invalid value: "{AVOIDED_PODS}": json: cannot unmarshal array into Go '
            "value of type v1.AvoidPods",
        ),
        (
            AVOIDED_PODS,
            '{"preferAvoidPods":[{}]}',
            f"metadata.annotations.{AVOIDED_PODS}[0].PodSignature: Required value",
        ),
    ],
)
def test_annotations_of_nodes_that_hold_json_are_read(annotation: str, value: str, wrong: str) -> None:
    manifest = node()
    manifest["metadata"]["annotations"] = {annotation: value}
    assert problems(NODES, manifest) == [wrong]


def test_an_empty_list_stays_null_where_lists_inside_its_elements_are_too() -> None:
    shown: Any = {"spec": {"drivers": []}}
    for path in CSI_NODES.null_lists:
        shown = as_null(shown, steps_of(path))
    assert shown == {"spec": {"drivers": None}}


def test_a_row_of_a_node_tells_the_kernels_architecture() -> None:
    stored = created(NODES, node())
    stored["status"] = {"nodeInfo": {"kernelVersion": "6.1", "architecture": "amd64"}}
    assert cells(NODES, stored, wide=True)["Kernel-Version"] == "6.1 (amd64)"
