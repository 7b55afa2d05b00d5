"""Values at the edge of what is allowed: what is kept of them, and what is refused in upstream's words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.resources.support import completed_by, problems
from pybernetes.api.schema import DecodeError, shape_of
from pybernetes.apiserver.resource import Document, Resource
from pybernetes.apiserver.resources.lease import LEASES
from pybernetes.apiserver.resources.persistent_volume import PERSISTENT_VOLUMES
from pybernetes.apiserver.resources.pod import PODS
from pybernetes.apiserver.resources.resource_claim_template import RESOURCE_CLAIM_TEMPLATES
from pybernetes.apiserver.resources.resource_quota import RESOURCE_QUOTAS
from pybernetes.apiserver.resources.resource_slice import RESOURCE_SLICES
from pybernetes.apiserver.resources.volume_attachment import VOLUME_ATTACHMENTS

NAMED = {"name": "a"}
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def container(**fields: Any) -> Document:
    return {"metadata": NAMED, "spec": {"containers": [{"name": "c", "image": "i", **fields}]}}


def asking(**amounts: str) -> Document:
    return container(resources={"requests": {"cpu": "1"}, "limits": {"cpu": "1", **amounts}})


def quota(**hard: str) -> Document:
    return {"metadata": NAMED, "spec": {"hard": {name.replace("_", "-"): amount for name, amount in hard.items()}}}


def sliced(step: str) -> Document:
    policy = {"default": "1Gi", "validRange": {"min": "1Gi", "max": "4Gi", "step": step}}
    device = {
        "name": "d",
        "allowMultipleAllocations": True,
        "capacity": {"m": {"value": "8Gi", "requestPolicy": policy}},
    }
    pool = {"name": "p", "generation": 1, "resourceSliceCount": 1}
    return {
        "metadata": NAMED,
        "spec": {"driver": "d.example.com", "nodeName": "n", "pool": pool, "devices": [device]},
    }


def field_reference(version: str) -> Document:
    source = {"fieldRef": {"apiVersion": version, "fieldPath": "metadata.name"}}
    return container(env=[{"name": "A", "valueFrom": source}])


def template_of_claims(**metadata: Any) -> Document:
    return {"metadata": NAMED, "spec": {"metadata": metadata, "spec": {}}}


def attached(disk: Document) -> Document:
    inline = {"accessModes": ["ReadWriteOnce"], "azureDisk": disk}
    return {
        "metadata": NAMED,
        "spec": {"attacher": "d.example.com", "nodeName": "n", "source": {"inlineVolumeSpec": inline}},
    }


@pytest.mark.parametrize(
    ("resource", "manifest", "refusals"),
    [
        (
            PODS,
            field_reference("v2"),
            [
                "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "
                '"metadata.name": error converting fieldPath: unsupported pod version: v2'
            ],
        ),
        (PODS, asking(**{"hugepages-2Mi": "0"}), []),
        (
            PODS,
            asking(**{"hugepages-2Mi": "1Mi"}),
            [
                "spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: "
                '"1Mi": 1Mi is not positive integer multiple of hugepages-2Mi',
                "spec.containers[0].resources.requests[hugepages-2Mi]: Invalid value: "
                '"1Mi": 1Mi is not positive integer multiple of hugepages-2Mi',
            ],
        ),
        (RESOURCE_QUOTAS, quota(hugepages_2Mi="1"), []),
        (RESOURCE_QUOTAS, quota(pods="1.5"), ['spec.hard[pods]: Invalid value: "1500m": must be an integer']),
        (RESOURCE_QUOTAS, quota(pods="9" * 30), [f'spec.hard[pods]: Invalid value: "{"9" * 30}": must be an integer']),
        (RESOURCE_SLICES, sliced("1Gi"), []),
        (
            RESOURCE_SLICES,
            sliced("0"),
            [
                "spec.devices[0].capacity[m].requestPolicy.validRange.step: Invalid value: "
                '"1Gi": value is not a multiple of a given step (0) from (1Gi)',
                "spec.devices[0].capacity[m].requestPolicy.validRange.step: Invalid value: "
                '"4Gi": value is not a multiple of a given step (0) from (1Gi)',
            ],
        ),
        (LEASES, {"metadata": {**NAMED, "finalizers": ["a"]}, "spec": {}}, []),
        (RESOURCE_CLAIM_TEMPLATES, template_of_claims(uid="u"), ["spec.metadata.uID: Forbidden: cannot be set"]),
        (
            RESOURCE_CLAIM_TEMPLATES,
            template_of_claims(deletionGracePeriodSeconds=0),
            ["spec.metadata.deletionGracePeriodSeconds: Forbidden: cannot be set"],
        ),
        (
            VOLUME_ATTACHMENTS,
            attached({"diskName": "d", "diskURI": "x"}),
            [
                "spec.source.inlineVolumeSpec.csi: Required value: "
                "has to be specified in the context of inline volumes",
                'spec.source.inlineVolumeSpec.azureDisk.diskURI: Unsupported value: "x": supported values: '
                '"https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"',
            ],
        ),
    ],
)
def test_odd_values_are_judged_as_upstream_does(resource: Resource, manifest: Document, refusals: list[str]) -> None:
    assert problems(resource, manifest) == refusals


@pytest.mark.parametrize(
    ("stated", "stored"),
    [("+5", "+5"), (" 1 ", "1"), ("1.500", "1.500"), ("100n", "1m"), ("0.0001", "1m"), ("1e3", "1e3")],
)
def test_amounts_of_resources_are_stored_as_upstream_writes_them(stated: str, stored: str) -> None:
    assert completed_by(RESOURCE_QUOTAS, quota(pods=stated))["spec"]["hard"]["pods"] == stored


def test_a_pod_asks_as_a_whole_only_for_what_pods_may_ask_for() -> None:
    manifest = container()
    manifest["spec"]["resources"] = {"limits": {"cpu": "1", "example.com/gpu": "1"}}
    assert completed_by(PODS, manifest)["spec"]["resources"]["requests"] == {"cpu": "1"}


def test_a_list_of_numbers_is_read_as_the_octets_it_lists() -> None:
    secrets = shape_of("", "v1", "Secret")
    assert secrets.read({"data": {"a": [], "b": [97, None], "c": "Yg=="}}).document["data"] == {
        "a": "",
        "b": "YQA=",
        "c": "Yg==",
    }
    with pytest.raises(DecodeError, match=r"number 256 into Go struct field Secret\.data of type uint8"):
        secrets.read({"data": {"a": [256]}})


def test_fields_of_features_that_are_off_are_dropped_when_a_pod_is_prepared() -> None:
    manifest = container(lifecycle={"stopSignal": "SIGTERM"})
    projected = {"sources": [{"clusterTrustBundle": {"name": "b", "path": "p"}}]}
    manifest["spec"] |= {"volumes": [{"name": "v", "projected": projected}], "schedulingGroup": {"podGroupName": "g"}}
    spec = completed_by(PODS, manifest)["spec"]
    assert "lifecycle" not in spec["containers"][0]
    assert spec["volumes"][0]["projected"]["sources"] == [{}]
    assert "schedulingGroup" not in spec


def test_a_volumes_class_is_shown_from_the_annotation_of_old_first() -> None:
    annotated = {"metadata": {**NAMED, "annotations": {"volume.beta.kubernetes.io/storage-class": "old"}}, "spec": {}}
    shown = {column.name: column.extract(annotated, NOW) for column in PERSISTENT_VOLUMES.columns[1:8]}
    assert shown["StorageClass"] == "old"
    assert shown["VolumeAttributesClass"] == "<unset>"
    assert shown["Capacity"] == "0"
