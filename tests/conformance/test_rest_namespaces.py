"""Namespaces: changed in every way, and deleted with what is in them, pods first."""

from __future__ import annotations

import pytest

from conformance.rest_server import annotations_of, labels_of, names_of
from conformance.typed_client import MERGE, Document, TypedClient, condition
from pybernetes.api.errors import ApiError
from pybernetes.testing.cluster import Cluster

FAKE = "e2e.example.com/fakeFinalizer"


@pytest.mark.conformance(
    "Namespace patching",
    "Namespace, apply update to a namespace",
    "Namespace, apply changes to a namespace status",
    "Namespace, apply finalizer to a namespace",
)
async def test_a_namespace_is_changed_in_every_way(cluster: Cluster) -> None:
    client = TypedClient(cluster.server)
    namespaces = client.of("", "v1", "namespaces")
    made = await namespaces.create({"metadata": {"generateName": "nspatchtest-"}})
    name = made["metadata"]["name"]
    assert labels_of(made)["kubernetes.io/metadata.name"] == name
    patched = await namespaces.patch(name, {"metadata": {"labels": {"testLabel": "testValue"}}})
    assert labels_of(patched)["testLabel"] == "testValue"
    patched["metadata"]["labels"]["updated"] = "yes"
    assert labels_of(await namespaces.update(patched))["updated"] == "yes"
    assert labels_of(await namespaces.get(name))["testLabel"] == "testValue"

    assert (await namespaces.get(name, "status"))["status"]["phase"] == "Active"
    told = {"type": "StatusPatch", "status": "True", "reason": "E2E", "message": "Patched by an e2e test"}
    patch = {"metadata": {"annotations": {"e2e-patched-ns-status": name}}, "status": {"conditions": [told]}}
    patched = await namespaces.patch(name, patch, MERGE, "status")
    assert annotations_of(patched)["e2e-patched-ns-status"] == name
    assert (condition(patched, "StatusPatch") or {})["reason"] == "E2E"
    patched["status"]["conditions"].append({**told, "type": "StatusUpdate"})
    updated = await namespaces.update(patched, "status")
    assert [one["type"] for one in updated["status"]["conditions"]] == ["StatusPatch", "StatusUpdate"]
    assert updated["status"]["phase"] == "Active"

    updated["spec"]["finalizers"].append(FAKE)
    held = await namespaces.update(updated, "finalize")
    assert FAKE in held["spec"]["finalizers"]
    assert FAKE in (await namespaces.get(name))["spec"]["finalizers"]
    held["spec"]["finalizers"].remove(FAKE)
    free = await namespaces.update(held, "finalize")
    assert free["spec"]["finalizers"] == ["kubernetes"]
    await namespaces.delete(name)
    await cluster.settle(quiet=30)
    await is_gone(client, name)


async def is_gone(client: TypedClient, name: str) -> None:
    with pytest.raises(ApiError) as missing:
        await client.of("", "v1", "namespaces").get(name)
    assert missing.value.reason == "NotFound"


def pod(name: str, **metadata: object) -> Document:
    containers = [{"name": "nginx", "image": "registry.k8s.io/pause:3.10"}]
    return {"metadata": {"name": name, **metadata}, "spec": {"containers": containers}}


@pytest.mark.conformance("namespace-deletion-removes-pods", "namespace-deletion-removes-services")
async def test_a_namespace_that_is_made_again_has_none_of_its_pods_and_services(cluster: Cluster) -> None:
    client = TypedClient(cluster.server)
    namespaces = client.of("", "v1", "namespaces")
    await namespaces.create({"metadata": {"name": "nsdeletetest"}})
    await cluster.settle()
    pods, services = (client.of("", "v1", plural, "nsdeletetest") for plural in ("pods", "services"))
    await pods.create(pod("test-pod"))
    port = {"port": 80, "targetPort": 80}
    await services.create({"metadata": {"name": "test-service"}, "spec": {"selector": {"a": "b"}, "ports": [port]}})
    await cluster.settle(quiet=5)
    assert (await pods.get("test-pod"))["status"]["phase"] == "Running"
    deleted = await namespaces.delete("nsdeletetest")
    assert deleted["status"]["phase"] == "Terminating"
    assert "nsdeletetest" in names_of(await namespaces.list())
    with pytest.raises(ApiError, match="because it is being terminated") as refused:
        await services.create({"metadata": {"name": "late"}, "spec": {"ports": [port]}})
    assert refused.value.code == 403
    await cluster.settle(quiet=60)
    await is_gone(client, "nsdeletetest")
    await namespaces.create({"metadata": {"name": "nsdeletetest"}})
    await cluster.settle()
    assert await pods.list() == await services.list() == []
    assert names_of(await client.of("", "v1", "serviceaccounts", "nsdeletetest").list()) == ["default"]


@pytest.mark.conformance("Ordered Namespace Deletion")
async def test_a_pod_that_stays_keeps_everything_else_in_its_namespace(cluster: Cluster) -> None:
    client = TypedClient(cluster.server)
    namespaces = client.of("", "v1", "namespaces")
    await namespaces.create({"metadata": {"name": "ordered"}})
    await cluster.settle()
    pods, maps = client.of("", "v1", "pods", "ordered"), client.of("", "v1", "configmaps", "ordered")
    await pods.create(pod("first", finalizers=["e2e.example.com/finalizer"]))
    await maps.create({"metadata": {"name": "second"}, "data": {"key": "value"}})
    await cluster.settle(quiet=5)
    await namespaces.delete("ordered")
    await cluster.clock.advance(120)
    terminating = await namespaces.get("ordered")
    assert terminating["status"]["phase"] == "Terminating"
    assert (condition(terminating, "NamespaceDeletionContentFailure") or {})["status"] == "False"
    assert (await pods.get("first"))["metadata"]["deletionTimestamp"]
    assert not (await maps.get("second"))["metadata"].get("deletionTimestamp")
    await pods.patch("first", {"metadata": {"finalizers": []}}, MERGE)
    await cluster.clock.advance(120)
    await is_gone(client, "ordered")
