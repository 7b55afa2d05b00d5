"""Endpoints, slices, ingresses, policies, volumes, claims, classes, quotas and limits."""

# ruff: noqa: E501
from __future__ import annotations

from typing import Any

import pytest

from apiserver.resources.support import cells, changed, created, problems, update_problems
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.resources.endpoint_slice import ENDPOINT_SLICES, generation_rises
from pybernetes.apiserver.resources.endpoints import ENDPOINTS
from pybernetes.apiserver.resources.horizontal_pod_autoscaler import HORIZONTAL_POD_AUTOSCALERS
from pybernetes.apiserver.resources.ingress import INGRESSES
from pybernetes.apiserver.resources.limit_range import LIMIT_RANGES
from pybernetes.apiserver.resources.network_policy import NETWORK_POLICIES
from pybernetes.apiserver.resources.persistent_volume import PERSISTENT_VOLUMES
from pybernetes.apiserver.resources.persistent_volume_claim import PERSISTENT_VOLUME_CLAIMS
from pybernetes.apiserver.resources.pod_disruption_budget import POD_DISRUPTION_BUDGETS
from pybernetes.apiserver.resources.resource_quota import RESOURCE_QUOTAS
from pybernetes.apiserver.resources.storage_class import STORAGE_CLASSES


def named(**fields: Any) -> Document:
    return {"metadata": {"name": "one"}, **fields}


def test_endpoints_show_three_addresses_and_count_the_rest() -> None:
    addresses = [{"ip": f"10.0.0.{n}"} for n in range(1, 6)]
    stored = created(ENDPOINTS, named(subsets=[{"addresses": addresses, "ports": [{"port": 80}]}]))
    assert stored["subsets"][0]["ports"] == [{"port": 80, "protocol": "TCP"}]
    assert cells(ENDPOINTS, stored)["Endpoints"] == "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more..."


def test_endpoints_cannot_be_the_node_itself() -> None:
    assert problems(ENDPOINTS, named(subsets=[{"addresses": [{"ip": "127.0.0.1"}]}])) == [
        'subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'
    ]


def test_a_slice_gets_defaults_and_reads_as_upstream_prints_it() -> None:
    manifest = named(addressType="IPv4", endpoints=[{"addresses": ["10.0.0.1"]}], ports=[{"port": 80}])
    stored = created(ENDPOINT_SLICES, manifest)
    assert stored["ports"] == [{"name": "", "port": 80, "protocol": "TCP"}]
    shown = cells(ENDPOINT_SLICES, stored)
    assert (shown["AddressType"], shown["Ports"], shown["Endpoints"]) == ("IPv4", "80", "10.0.0.1")
    assert generation_rises(changed(stored, endpoints=[]), stored)
    assert not generation_rises(changed(stored, metadata__annotations={"a": "b"}), stored)


def test_the_address_type_of_a_slice_is_given_and_kept() -> None:
    assert "addressType: Required value" in problems(ENDPOINT_SLICES, named())
    stored = created(ENDPOINT_SLICES, named(addressType="IPv4"))
    assert update_problems(ENDPOINT_SLICES, stored, addressType="IPv6") == [
        'addressType: Invalid value: "IPv6": field is immutable'
    ]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"),
        (
            {"rules": [{"host": "10.0.0.1", "http": {"paths": []}}]},
            'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
        ),
        (
            {
                "rules": [
                    {"http": {"paths": [{"path": "/", "backend": {"service": {"name": "a", "port": {"number": 1}}}}]}}
                ]
            },
            "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified",
        ),
        (
            {"defaultBackend": {"service": {"name": "a"}}},
            "spec.defaultBackend: Required value: port name or number is required",
        ),
    ],
)
def test_mistakes_in_an_ingress_get_the_message_of_upstream(spec: Document, expected: str) -> None:
    assert expected in problems(INGRESSES, named(spec=spec))


def test_the_types_of_a_network_policy_follow_from_its_rules() -> None:
    assert created(NETWORK_POLICIES, named(spec={}))["spec"]["policyTypes"] == ["Ingress"]
    stored = created(NETWORK_POLICIES, named(spec={"egress": [{"ports": [{"port": 53}]}]}))
    assert stored["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert stored["spec"]["egress"][0]["ports"] == [{"port": 53, "protocol": "TCP"}]


def test_a_volume_gets_defaults_and_needs_a_source() -> None:
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    stored = created(PERSISTENT_VOLUMES, named(spec=spec))
    assert stored["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert stored["status"] == {"phase": "Pending", "lastPhaseTransitionTime": "2030-01-01T12:00:00Z"}
    assert cells(PERSISTENT_VOLUMES, stored)["Access Modes"] == "RWO"
    del spec["hostPath"]
    assert "spec: Required value: must specify a volume type" in problems(PERSISTENT_VOLUMES, named(spec=spec))


def test_a_claim_asks_for_an_amount_and_then_only_grows() -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
    stored = created(PERSISTENT_VOLUME_CLAIMS, named(spec=spec))
    assert stored["spec"]["volumeMode"] == "Filesystem"
    assert problems(PERSISTENT_VOLUME_CLAIMS, named(spec={"accessModes": ["ReadWriteOnce"]})) == [
        "spec.resources[storage]: Required value"
    ]
    bound = changed(stored, status__phase="Bound", spec__volumeName="v", status__capacity={"storage": "2Gi"})
    path = "spec__resources__requests__storage"
    assert update_problems(PERSISTENT_VOLUME_CLAIMS, bound, **{path: "3Gi"}) == []
    assert update_problems(PERSISTENT_VOLUME_CLAIMS, bound, **{path: "1Gi"}) == [
        "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
    ]
    growing = changed(bound, **{path: "4Gi"})
    assert update_problems(PERSISTENT_VOLUME_CLAIMS, growing, **{path: "3Gi"}) == []


def test_a_default_storage_class_says_so() -> None:
    manifest = named(provisioner="example.com/disk")
    manifest["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    stored = created(STORAGE_CLASSES, manifest)
    assert (stored["reclaimPolicy"], stored["volumeBindingMode"]) == ("Delete", "Immediate")
    assert cells(STORAGE_CLASSES, stored)["Name"] == "one (default)"


def test_limits_of_containers_default_from_one_another() -> None:
    limit = {"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}}
    (item,) = created(LIMIT_RANGES, named(spec={"limits": [limit]}))["spec"]["limits"]
    assert item["default"] == {"cpu": "2"}
    assert item["defaultRequest"] == {"cpu": "2", "memory": "1Mi"}


def test_the_lowest_limit_is_not_above_the_highest() -> None:
    limit = {"type": "Pod", "max": {"cpu": "1"}, "min": {"cpu": "2"}}
    assert problems(LIMIT_RANGES, named(spec={"limits": [limit]})) == [
        'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1'
    ]


def test_a_quota_shows_what_is_used() -> None:
    status = {"hard": {"pods": "10", "limits.cpu": "4"}, "used": {"pods": "3", "limits.cpu": "1"}}
    shown = cells(RESOURCE_QUOTAS, named(spec={}, status=status))
    assert (shown["Request"], shown["Limit"]) == ("pods: 3/10", "limits.cpu: 1/4")


def test_a_budget_has_one_bound() -> None:
    both = named(spec={"minAvailable": 1, "maxUnavailable": 1})
    (text,) = problems(POD_DISRUPTION_BUDGETS, both)
    assert text.endswith("minAvailable and maxUnavailable cannot be both set")


def test_an_autoscaler_follows_the_processor_unless_told_otherwise() -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    stored = created(HORIZONTAL_POD_AUTOSCALERS, named(spec={"maxReplicas": 3, "scaleTargetRef": target}))
    assert stored["spec"]["minReplicas"] == 1
    assert cells(HORIZONTAL_POD_AUTOSCALERS, stored)["Targets"] == "cpu: <unknown>/80%"
