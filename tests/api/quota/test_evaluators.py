"""What objects cost, and what a quota of them uses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybernetes.api.quantity import of_value
from pybernetes.api.quota import amounts, evaluator_of, used_of
from pybernetes.api.quota.evaluator import Evaluator
from pybernetes.api.quota.pods import counts
from pybernetes.api.quota.scopes import Scope

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LISTS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 50).map(of_value))


def evaluator(kind: str) -> Evaluator:
    found = evaluator_of(kind)
    assert found is not None
    return found


def usage(kind: str, document: dict[str, Any]) -> dict[str, str]:
    return amounts.written(amounts.without_zeros(evaluator(kind).usage(document, NOW)))


def container(name: str = "c", **resources: dict[str, str]) -> dict[str, Any]:
    return {"name": name, "resources": resources}


@given(LISTS, LISTS)
def test_growth_is_what_must_be_added(new: amounts.Amounts, old: amounts.Amounts) -> None:
    more = amounts.growth(new, old)
    assert not amounts.negative(more)
    assert all(old.get(name, of_value(0)) + more[name] >= new[name] for name in new)


@given(LISTS, LISTS)
def test_a_sum_has_every_name_and_loses_nothing(one: amounts.Amounts, other: amounts.Amounts) -> None:
    assert amounts.total(one, other) == amounts.total(other, one)
    assert amounts.exceeding(one, amounts.total(one, other)) == []


def test_a_pod_costs_its_containers_together_or_its_largest_step_of_initialisation() -> None:
    spec = {
        "containers": [container("a", requests={"cpu": "1"}), container("b", requests={"cpu": "500m"})],
        "initContainers": [
            container("i", requests={"cpu": "3"}),
            {**container("s", requests={"cpu": "250m"}), "restartPolicy": "Always"},
        ],
        "overhead": {"cpu": "100m"},
    }
    assert usage("pods", {"metadata": {}, "spec": spec})["requests.cpu"] == "3100m"


def test_what_a_pod_states_for_itself_counts_instead() -> None:
    spec = {"containers": [container(requests={"cpu": "1"})], "resources": {"requests": {"cpu": "2"}}}
    assert usage("pods", {"metadata": {}, "spec": spec})["cpu"] == "2"


def test_what_a_node_has_granted_counts_while_it_is_more() -> None:
    pod = {
        "metadata": {},
        "spec": {"containers": [container(requests={"cpu": "1"})]},
        "status": {"containerStatuses": [{"name": "c", "resources": {"requests": {"cpu": "3"}}}]},
    }
    assert usage("pods", pod)["cpu"] == "3"


def test_devices_and_huge_pages_are_counted_as_requests() -> None:
    spec = {"containers": [container(requests={"example.com/gpu": "2", "hugepages-2Mi": "4Mi"})]}
    found = usage("pods", {"metadata": {}, "spec": spec})
    assert found["requests.example.com/gpu"] == "2"
    assert found["hugepages-2Mi"] == found["requests.hugepages-2Mi"] == "4Mi"


def test_a_pod_that_has_ended_counts_as_an_object_only() -> None:
    pod = {"metadata": {}, "spec": {"containers": [container(requests={"cpu": "1"})]}, "status": {"phase": "Failed"}}
    assert usage("pods", pod) == {"count/pods": "1"}


def test_a_pod_that_should_have_gone_is_not_charged_for() -> None:
    def going(seconds: int) -> dict[str, Any]:
        since = (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"metadata": {"deletionTimestamp": since, "deletionGracePeriodSeconds": 30}, "spec": {}}

    assert counts(going(10), NOW)
    assert not counts(going(31), NOW)


@pytest.mark.parametrize(
    ("spec", "ports", "balancers"),
    [
        ({"type": "ClusterIP", "ports": [{}]}, "0", "0"),
        ({"type": "NodePort", "ports": [{}, {}]}, "2", "0"),
        ({"type": "LoadBalancer", "ports": [{}, {}]}, "2", "1"),
        (
            {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False, "ports": [{"nodePort": 30000}, {}]},
            "1",
            "1",
        ),
    ],
)
def test_a_service_costs_what_it_will_take(spec: dict[str, Any], ports: str, balancers: str) -> None:
    found = amounts.written(evaluator("services").usage({"spec": spec}, NOW))
    assert (found["services.nodeports"], found["services.loadbalancers"]) == (ports, balancers)


def test_a_claim_costs_whole_bytes_also_of_its_class() -> None:
    spec = {"storageClassName": "gold", "resources": {"requests": {"storage": "1500m"}}}
    assert usage("persistentvolumeclaims", {"spec": spec}) == {
        "persistentvolumeclaims": "1",
        "count/persistentvolumeclaims": "1",
        "requests.storage": "2",
        "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
        "gold.storageclass.storage.k8s.io/requests.storage": "2",
    }


def test_a_claim_for_devices_costs_the_worst_of_its_alternatives() -> None:
    def one(name: str, count: int) -> dict[str, Any]:
        return {"deviceClassName": name, "allocationMode": "ExactCount", "count": count}

    requests = [
        {"exactly": one("gpu", 2)},
        {"firstAvailable": [one("gpu", 1), {"deviceClassName": "gpu", "allocationMode": "All"}, one("tpu", 4)]},
    ]
    found = usage("resourceclaims.resource.k8s.io", {"spec": {"devices": {"requests": requests}}})
    assert found["gpu.deviceclass.resource.k8s.io/devices"] == "34"
    assert found["tpu.deviceclass.resource.k8s.io/devices"] == "4"


def test_every_other_kind_is_counted_by_its_name_and_some_never() -> None:
    assert usage("widgets.example.com", {}) == {"count/widgets.example.com": "1"}
    assert evaluator_of("events") is None
    assert evaluator_of("tokenreviews.authentication.k8s.io") is None


@pytest.mark.parametrize(
    ("scope", "names", "holds"),
    [
        (Scope("PriorityClass", "In", ("high",)), ["high"], True),
        (Scope("PriorityClass", "In", ("high",)), [], False),
        (Scope("PriorityClass", "NotIn", ("high",)), [], True),
        (Scope("PriorityClass", "NotIn", ("high",)), ["high"], False),
        (Scope("VolumeAttributesClass", "NotIn", ("a",)), ["a", "b"], True),
        (Scope("PriorityClass", "Exists"), ["any"], True),
        (Scope("PriorityClass", "DoesNotExist"), ["any"], False),
    ],
)
def test_a_scope_compares_names(scope: Scope, names: list[str], holds: bool) -> None:
    assert scope.holds_for(names) is holds


@pytest.mark.parametrize(
    ("scope", "inside", "outside"),
    [
        ("BestEffort", {}, {"containers": [container(limits={"cpu": "1"})]}),
        ("NotBestEffort", {"containers": [container(requests={"memory": "1"})]}, {}),
        ("Terminating", {"activeDeadlineSeconds": 0}, {}),
        ("NotTerminating", {}, {"activeDeadlineSeconds": 5}),
        (
            "CrossNamespacePodAffinity",
            {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["a"]}]}}},
            {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}},
        ),
    ],
)
def test_pods_are_in_scopes(scope: str, inside: dict[str, Any], outside: dict[str, Any]) -> None:
    pods = evaluator("pods")
    assert pods.is_in(Scope(scope), {"spec": inside})
    assert not pods.is_in(Scope(scope), {"spec": outside})


def test_a_quota_counts_what_is_in_its_scopes_and_nothing_it_does_not_limit() -> None:
    pods = [
        {"metadata": {}, "spec": {"containers": [container(requests={"cpu": "1"})]}},
        {"metadata": {}, "spec": {"containers": [container()]}},
    ]
    spec = {"hard": {"pods": "5", "cpu": "9", "secrets": "1"}, "scopes": ["NotBestEffort"]}
    used = used_of(spec, [evaluator("pods")], lambda kind: pods if kind == "pods" else [], NOW)
    assert amounts.written(used) == {"pods": "1", "cpu": "1"}
