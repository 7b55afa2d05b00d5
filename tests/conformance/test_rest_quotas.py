"""Quotas: what is counted, refused and given back; and ranges of limits."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.rest_server import annotations_of, labels_of, names_of
from conformance.typed_client import MERGE, Document, TypedClient, Verbs
from pybernetes.api.errors import ApiError
from pybernetes.testing.cluster import Cluster

HARD = {
    "pods": "5",
    "services": "10",
    "services.nodeports": "1",
    "services.loadbalancers": "1",
    "replicationcontrollers": "10",
    "resourcequotas": "1",
    "configmaps": "10",
    "secrets": "10",
    "persistentvolumeclaims": "10",
    "requests.storage": "10Gi",
    "cpu": "1",
    "memory": "500Mi",
    "ephemeral-storage": "50Gi",
    "count/replicasets.apps": "5",
    "requests.example.com/dongle": "3",
}


class Space:
    """A namespace of its own, with a quota."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.client = TypedClient(cluster.server)

    def of(self, plural: str, group: str = "") -> Verbs:
        return self.client.of(group, "v1", plural, "quota")

    async def begin(self, **hard: str) -> None:
        await self.client.of("", "v1", "namespaces").create({"metadata": {"name": "quota"}})
        await self.cluster.settle()
        await self.add("test-quota", {**HARD, **hard})

    async def add(self, name: str, hard: dict[str, str], **spec: Any) -> None:
        await self.of("resourcequotas").create({"metadata": {"name": name}, "spec": {"hard": hard, **spec}})
        assert (await self.status(name))["hard"] == hard

    async def status(self, name: str = "test-quota") -> Document:
        await self.cluster.settle(quiet=5)
        found: Document = (await self.of("resourcequotas").get(name))["status"]
        return found

    async def used(self, *resources: str, quota: str = "test-quota") -> list[str]:
        used = (await self.status(quota))["used"]
        return [used[name] for name in resources]


@pytest.mark.conformance(
    "ResourceQuota, object count quota, resourcequotas",
    "ResourceQuota, object count quota, configmap",
    "ResourceQuota, object count quota, secret",
    "ResourceQuota, object count quota, replicationController",
    "ResourceQuota, object count quota, replicaSet",
    "ResourceQuota, object count quota, service",
)
async def test_objects_are_counted_while_they_are_there(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.begin()
    assert (await space.status())["used"] == {**dict.fromkeys(HARD, "0"), "resourcequotas": "1", "configmaps": "1"}

    await space.of("configmaps").create({"metadata": {"name": "test-configmap"}, "data": {"a": "b"}})
    assert await space.used("configmaps") == ["2"]
    await space.of("configmaps").delete("test-configmap")
    assert await space.used("configmaps") == ["1"]

    await space.of("secrets").create({"metadata": {"name": "test-secret"}, "data": {"data-1": "dmFsdWUtMQ=="}})
    assert await space.used("secrets") == ["1"]
    await space.of("secrets").delete("test-secret")
    assert await space.used("secrets") == ["0"]

    container = {"name": "test-rc", "image": "pause:3.10"}
    template = {"metadata": {"labels": {"name": "test"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"name": "test"}, "template": template}
    await space.of("replicationcontrollers").create({"metadata": {"name": "test-rc"}, "spec": spec})
    assert await space.used("replicationcontrollers") == ["1"]
    await space.of("replicationcontrollers").delete("test-rc", propagationPolicy="Background")
    assert await space.used("replicationcontrollers") == ["0"]

    spec = {"replicas": 0, "selector": {"matchLabels": {"name": "test"}}, "template": template}
    await space.of("replicasets", "apps").create({"metadata": {"name": "test-rs"}, "spec": spec})
    assert await space.used("count/replicasets.apps") == ["1"]
    await space.of("replicasets", "apps").delete("test-rs")
    assert await space.used("count/replicasets.apps") == ["0"]

    services, counted = space.of("services"), ("services", "services.nodeports", "services.loadbalancers")
    await services.create(service("test-service", "ClusterIP"))
    await services.create(service("test-service-np", "NodePort"))
    with pytest.raises(ApiError, match=r"exceeded quota: test-quota, requested: services\.nodeports=1") as refused:
        await services.create(service("test-service-lbnp", "LoadBalancer"))
    assert refused.value.code == 403
    await services.create(service("test-service-lb", "LoadBalancer", allocateLoadBalancerNodePorts=False))
    assert await space.used(*counted) == ["3", "1", "1"]
    for name in names_of(await services.list()):
        await services.delete(name)
    assert await space.used(*counted) == ["0", "0", "0"]


def service(name: str, type: str, **spec: Any) -> Document:
    port = {"port": 80, "targetPort": 80}
    return {"metadata": {"name": name}, "spec": {"type": type, "ports": [port], **spec}}


def pod(name: str, requests: dict[str, str], limits: dict[str, str], **spec: Any) -> Document:
    container = {"name": "pause", "image": "pause:3.10", "resources": {"requests": requests, "limits": limits}}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}


DONGLES = "requests.example.com/dongle"
POD = ("pods", "cpu", "memory", "ephemeral-storage", DONGLES)


@pytest.mark.conformance("ResourceQuota, object count quota, pod")
async def test_what_pods_ask_for_is_counted_and_no_more_than_the_quota_is_given(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.begin()
    pods = space.of("pods")
    requests = {"cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", "example.com/dongle": "2"}
    dongles = {"example.com/dongle": "2"}
    made = await pods.create(pod("test-pod", requests, dongles))
    assert await space.used(*POD) == ["1", "500m", "252Mi", "30Gi", "2"]

    with pytest.raises(
        ApiError, match="exceeded quota: test-quota, requested: cpu=600m, used: cpu=500m, limited: cpu=1"
    ):
        await pods.create(pod("fail-pod", {"cpu": "600m", "memory": "100Mi", "ephemeral-storage": "1Gi"}, {}))
    more = {**requests, "ephemeral-storage": "10Gi", "memory": "100Mi"}
    with pytest.raises(ApiError, match=f"exceeded quota: test-quota, requested: {DONGLES}=2") as refused:
        await pods.create(pod("fail-pod-for-extended-resource", more, dongles))
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")

    made = await pods.get("test-pod")
    made["spec"]["containers"][0]["resources"]["requests"] = {"cpu": "100m", "memory": "100Mi"}
    with pytest.raises(ApiError, match="pod updates may not change fields other than") as refused:
        await pods.update(made)
    assert refused.value.reason == "Invalid"
    assert await space.used(*POD) == ["1", "500m", "252Mi", "30Gi", "2"]
    await pods.delete("test-pod", gracePeriodSeconds=0)
    assert await space.used(*POD) == ["0", "0", "0", "0", "0"]


@pytest.mark.conformance("ResourceQuota, quota scope, BestEffort and NotBestEffort scope")
async def test_pods_count_for_the_quota_of_their_quality(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.begin(resourcequotas="5")
    await space.add("best-effort", {"pods": "5"}, scopes=["BestEffort"])
    await space.add("not-best-effort", {"pods": "5"}, scopes=["NotBestEffort"])
    await space.of("resourcequotas").delete("test-quota")

    async def counted() -> list[str]:
        return [*await space.used("pods", quota="best-effort"), *await space.used("pods", quota="not-best-effort")]

    assert await counted() == ["0", "0"]
    pods = space.of("pods")
    await pods.create(pod("besteffort-pod", {}, {}))
    assert await counted() == ["1", "0"]
    await pods.delete("besteffort-pod", gracePeriodSeconds=0)
    assert await counted() == ["0", "0"]
    await pods.create(pod("burstable-pod", {"cpu": "500m", "memory": "200Mi"}, {"cpu": "500m", "memory": "200Mi"}))
    assert await counted() == ["0", "1"]
    await pods.delete("burstable-pod", gracePeriodSeconds=0)
    assert await counted() == ["0", "0"]


BOTH = ("pods", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")


@pytest.mark.conformance("ResourceQuota, quota scope, Terminating and NotTerminating scope")
async def test_pods_with_a_deadline_count_apart(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.begin(resourcequotas="5")
    hard = {
        "pods": "5",
        "requests.cpu": "1",
        "requests.memory": "500Mi",
        "limits.cpu": "2",
        "limits.memory": "1Gi",
    }
    await space.add("terminating", hard, scopes=["Terminating"])
    await space.add("not-terminating", hard, scopes=["NotTerminating"])
    requests, limits = {"cpu": "500m", "memory": "200Mi"}, {"cpu": "1", "memory": "400Mi"}
    full, none = ["1", "500m", "200Mi", "1", "400Mi"], ["0", "0", "0", "0", "0"]
    pods = space.of("pods")

    async def counted() -> tuple[list[str], list[str]]:
        return await space.used(*BOTH, quota="terminating"), await space.used(*BOTH, quota="not-terminating")

    assert await counted() == (none, none)
    await pods.create(pod("test-pod", requests, limits))
    assert await counted() == (none, full)
    await pods.delete("test-pod", gracePeriodSeconds=0)
    assert await counted() == (none, none)
    await pods.create(pod("terminating-pod", requests, limits, activeDeadlineSeconds=3600))
    assert await counted() == (full, none)
    await pods.delete("terminating-pod", gracePeriodSeconds=0)
    assert await counted() == (none, none)


@pytest.mark.conformance("ResourceQuota, update and delete", "ResourceQuota, manage lifecycle of a ResourceQuota")
async def test_a_quota_is_updated_patched_and_deleted(cluster: Cluster) -> None:
    client = TypedClient(cluster.server)
    quotas = client.of("", "v1", "resourcequotas")
    made = await quotas.create({"metadata": {"name": "test-quota"}, "spec": {"hard": {"cpu": "1", "memory": "500Mi"}}})
    assert made["spec"]["hard"] == {"cpu": "1", "memory": "500Mi"}
    await cluster.settle()
    read = await quotas.get("test-quota")
    read["spec"]["hard"] = {"cpu": "2", "memory": "1Gi"}
    assert (await quotas.update(read))["spec"]["hard"] == {"cpu": "2", "memory": "1Gi"}
    assert (await quotas.get("test-quota"))["spec"]["hard"] == {"cpu": "2", "memory": "1Gi"}
    await quotas.delete("test-quota")
    with pytest.raises(ApiError) as missing:
        await quotas.get("test-quota")
    assert missing.value.reason == "NotFound"

    labels = {"e2e": "own"}
    spec = {"hard": {"cpu": "1", "memory": "500Mi"}}
    await quotas.create({"metadata": {"name": "e2e-quota", "labels": labels}, "spec": spec})
    everywhere = client.of("", "v1", "resourcequotas", None)
    assert names_of(await everywhere.list("e2e=own")) == ["e2e-quota"]
    patch = {"metadata": {"labels": {"e2e-quota": "patched"}}, "spec": {"hard": {"memory": "750Mi"}}}
    patched = await quotas.patch("e2e-quota", patch)
    assert labels_of(patched) == {**labels, "e2e-quota": "patched"}
    assert patched["spec"]["hard"] == {"cpu": "1", "memory": "750Mi"}
    await quotas.delete_collection("e2e-quota=patched")
    assert await everywhere.list("e2e=own") == []


@pytest.mark.conformance("ResourceQuota, apply changes to a ResourceQuota status")
async def test_a_quotas_status_is_written_through_its_subresource(cluster: Cluster) -> None:
    quotas = TypedClient(cluster.server).of("", "v1", "resourcequotas")
    labels = {"e2e-rq-status": "own"}
    spec = {"hard": {"cpu": "500m", "memory": "500Mi"}}
    await quotas.create({"metadata": {"name": "e2e-rq-status", "labels": labels}, "spec": spec})
    await cluster.settle()
    read = await quotas.get("e2e-rq-status")
    assert read["status"]["hard"] == spec["hard"]
    async with await quotas.watch("e2e-rq-status=own", read["metadata"]["resourceVersion"]) as watching:
        read["status"]["hard"] = {"cpu": "1", "memory": "1Gi"}
        assert (await quotas.update(read, "status"))["status"]["hard"] == {"cpu": "1", "memory": "1Gi"}
        seen = await watching.until("MODIFIED", lambda one: one["status"]["hard"] == {"cpu": "1", "memory": "1Gi"})
        assert seen["spec"] == spec
        await watching.until("MODIFIED", lambda one: one["status"]["hard"] == spec["hard"])

        patched = await quotas.patch("e2e-rq-status", {"spec": {"hard": {"cpu": "1", "memory": "1Gi"}}})
        assert patched["spec"]["hard"] == {"cpu": "1", "memory": "1Gi"}
        patch = {
            "metadata": {"annotations": {"patchedstatus": "true"}},
            "status": {"hard": {"cpu": "1", "memory": "1Gi"}},
        }
        patched = await quotas.patch("e2e-rq-status", patch, MERGE, "status")
        assert annotations_of(patched)["patchedstatus"] == "true"
        assert patched["status"]["hard"] == patched["spec"]["hard"] == {"cpu": "1", "memory": "1Gi"}
        assert (await quotas.get("e2e-rq-status", "status"))["status"]["hard"] == {"cpu": "1", "memory": "1Gi"}

        patch = {"spec": {"hard": {"cpu": "9"}}, "status": {"hard": {"cpu": "2", "memory": "2Gi"}}}
        again = await quotas.patch("e2e-rq-status", patch, MERGE, "status")
        assert again["status"]["hard"] == {"cpu": "2", "memory": "2Gi"}
        assert again["spec"]["hard"] == {"cpu": "1", "memory": "1Gi"}
        await watching.until("MODIFIED", lambda one: one["status"]["hard"] == {"cpu": "2", "memory": "2Gi"})
        await watching.until("MODIFIED", lambda one: one["status"]["hard"] == {"cpu": "1", "memory": "1Gi"})


LIMIT = {
    "type": "Container",
    "min": {"cpu": "50m", "memory": "100Mi", "ephemeral-storage": "100Gi"},
    "max": {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"},
    "default": {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"},
    "defaultRequest": {"cpu": "100m", "memory": "200Mi", "ephemeral-storage": "200Gi"},
}


@pytest.mark.conformance("LimitRange, resources")
async def test_pods_get_the_defaults_of_a_range_and_must_stay_within_it(cluster: Cluster) -> None:
    client = TypedClient(cluster.server)
    ranges, pods = client.of("", "v1", "limitranges"), client.of("", "v1", "pods")
    await cluster.settle()
    async with await ranges.watch("time=now") as watching:
        made = await ranges.create(
            {"metadata": {"name": "limit-range", "labels": {"time": "now"}}, "spec": {"limits": [LIMIT]}}
        )
        assert (await watching.until("ADDED"))["spec"]["limits"][0]["min"] == LIMIT["min"]
    assert (await ranges.get("limit-range"))["spec"] == made["spec"]

    bare = await pods.create(pod("pod-no-resources", {}, {}))
    assert bare["spec"]["containers"][0]["resources"] == {
        "requests": LIMIT["defaultRequest"],
        "limits": LIMIT["default"],
    }
    partly = await pods.create(
        pod("pod-partial-resources", {"cpu": "150m", "memory": "150Mi"}, {"cpu": "300m", "ephemeral-storage": "400Gi"})
    )
    assert partly["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "150m", "memory": "150Mi", "ephemeral-storage": "400Gi"},
        "limits": {"cpu": "300m", "memory": "500Mi", "ephemeral-storage": "400Gi"},
    }
    with pytest.raises(ApiError, match="minimum cpu usage per Container is 50m, but request is 10m") as refused:
        await pods.create(pod("pfailed", {"cpu": "10m", "memory": "50Mi", "ephemeral-storage": "50Gi"}, {}))
    assert refused.value.code == 403
    with pytest.raises(ApiError, match="maximum cpu usage per Container is 500m, but limit is 600m"):
        await pods.create(pod("pfailed", {}, {"cpu": "600m", "memory": "600Mi", "ephemeral-storage": "600Gi"}))

    lower = {**LIMIT, "min": {"cpu": "9m", "memory": "49Mi", "ephemeral-storage": "49Gi"}}
    made["spec"]["limits"] = [lower]
    await ranges.update(made)
    await cluster.settle()
    assert (await ranges.get("limit-range"))["spec"]["limits"][0]["min"] == lower["min"]
    small = {"cpu": "10m", "memory": "50Mi", "ephemeral-storage": "50Gi"}
    assert (await pods.create(pod("pod-3", small, {})))["spec"]["containers"][0]["resources"]["requests"] == small
    with pytest.raises(ApiError, match="maximum cpu usage per Container is 500m"):
        await pods.create(pod("pfailed", {}, {"cpu": "600m", "memory": "600Mi", "ephemeral-storage": "600Gi"}))
    await ranges.delete("limit-range")
    assert await ranges.list() == []
    await cluster.settle()
    await pods.create(pod("pod-4", {}, {"cpu": "600m", "memory": "600Mi", "ephemeral-storage": "600Gi"}))
