"""Kinds whose deletion waits for a controller: volumes, claims, attributes classes, and ranges of cluster addresses."""

from __future__ import annotations

import pytest

from conformance.rest_server import Kind, has_a_status, is_discovered, labels_of, names_of, updated_with
from conformance.typed_client import MERGE, Document, TypedClient, Verbs, condition
from pybernetes.api.errors import ApiError
from pybernetes.testing.cluster import Cluster

VOLUME: Document = {
    "capacity": {"storage": "1Gi"},
    "accessModes": ["ReadWriteOnce"],
    "storageClassName": "e2e-pv-class",
    "csi": {"driver": "e2e-driver", "volumeHandle": "e2e-handle"},
}
CLAIM: Document = {
    "accessModes": ["ReadWriteOnce"],
    "storageClassName": "e2e-pvc-class",
    "resources": {"requests": {"storage": "1Gi"}},
}


class Space:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        client = TypedClient(cluster.server)
        self.volumes = client.of("", "v1", "persistentvolumes")
        self.claims = client.of("", "v1", "persistentvolumeclaims")

    async def both(self, volume: str, claim: str) -> tuple[Document, Document]:
        """Of different classes, so that they do not find each other."""
        await self.volumes.create({"metadata": {"name": volume, "labels": {"e2e": "pv"}}, "spec": VOLUME})
        await self.claims.create({"metadata": {"name": claim, "labels": {"e2e": "pvc"}}, "spec": CLAIM})
        await self.cluster.settle()
        return await self.volumes.get(volume), await self.claims.get(claim)


@pytest.mark.conformance("PersistentVolumes(Claims), lifecycle")
async def test_a_volume_and_a_claim_are_made_changed_and_deleted(cluster: Cluster) -> None:
    space = Space(cluster)
    volume, claim = await space.both("pv-1", "pvc-1")
    assert names_of(await space.volumes.list("e2e=pv")) == ["pv-1"]
    assert names_of(await space.claims.list()) == ["pvc-1"]
    for verbs, made in ((space.volumes, volume), (space.claims, claim)):
        name = made["metadata"]["name"]
        patched = await verbs.patch(name, {"metadata": {"labels": {name: "patched"}}})
        assert labels_of(patched)[name] == "patched"
        assert (await verbs.get(name))["metadata"]["uid"] == made["metadata"]["uid"]
    await space.claims.delete("pvc-1")
    await space.volumes.delete("pv-1")
    await cluster.settle(quiet=5)
    assert await space.claims.list() == await space.volumes.list() == []

    await space.both("pv-2", "pvc-2")
    for verbs, name in ((space.volumes, "pv-2"), (space.claims, "pvc-2")):
        found = await verbs.get(name)
        found["metadata"]["labels"]["updated"] = "yes"
        assert labels_of(await verbs.update(found))["updated"] == "yes"
        assert names_of(await verbs.list("updated=yes")) == [name]
    await space.claims.delete_collection("updated=yes")
    await space.volumes.delete_collection("updated=yes")
    await cluster.settle(quiet=5)
    assert await space.claims.list() == await space.volumes.list() == []


@pytest.mark.conformance("PersistentVolumes(Claims), apply changes to a pv/pvc status")
async def test_the_status_of_a_volume_and_of_a_claim_are_written(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.both("pv", "pvc")
    assert (await space.claims.get("pvc", "status"))["status"]["phase"] == "Pending"
    assert (await space.volumes.get("pv", "status"))["status"]["phase"] == "Available"
    told = {"type": "StatusPatched", "status": "True", "reason": "E2E patchedStatus", "message": "Set by an e2e test"}
    patched = await space.claims.patch("pvc", {"status": {"conditions": [told]}}, MERGE, "status")
    assert (condition(patched, "StatusPatched") or {})["reason"] == told["reason"]
    words = {"message": "StatusPatched", "reason": "E2E patchStatus"}
    volume = await space.volumes.patch("pv", {"status": words}, MERGE, "status")
    assert (volume["status"]["message"], volume["status"]["reason"]) == (words["message"], words["reason"])
    claim = await space.claims.get("pvc")
    claim["status"]["conditions"].append({**told, "type": "StatusUpdated"})
    updated = await space.claims.update(claim, "status")
    assert [one["type"] for one in updated["status"]["conditions"]] == ["StatusPatched", "StatusUpdated"]
    volume = await space.volumes.get("pv")
    volume["status"] |= {"message": "StatusUpdated", "reason": "E2E updateStatus"}
    updated = await space.volumes.update(volume, "status")
    assert updated["status"]["reason"] == "E2E updateStatus"
    assert updated["status"]["phase"] == "Available"


@pytest.mark.conformance("VolumeAttributesClass, lifecycle")
async def test_a_class_of_attributes_is_made_changed_and_deleted(cluster: Cluster) -> None:
    body = {"driverName": "e2e-fake-csi-driver", "parameters": {"foo": "bar"}}
    await lives(cluster, Kind("storage.k8s.io", "volumeattributesclasses", body))


@pytest.mark.conformance("ServiceCIDR API")
async def test_a_range_of_cluster_addresses_is_made_changed_and_deleted(cluster: Cluster) -> None:
    status = {
        "conditions": [
            {
                "type": "OwnCondition",
                "status": "False",
                "reason": "E2E",
                "message": "Set by an e2e test",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ]
    }
    client = TypedClient(cluster.server)
    await is_discovered(client, "networking.k8s.io", "v1", "servicecidrs", "servicecidrs/status")
    kind = Kind("networking.k8s.io", "servicecidrs", {"spec": {"cidrs": ["10.123.0.0/24"]}}, status)
    verbs = await lives(cluster, kind)
    await verbs.create({"metadata": {"name": "own"}, **kind.body})
    await cluster.settle()
    found = await verbs.get("own")
    assert found["metadata"]["finalizers"] == ["networking.k8s.io/service-cidr-finalizer"]
    assert (condition(found, "Ready") or {})["status"] == "True"
    with pytest.raises(ApiError, match="immutable"):
        await verbs.patch("own", {"spec": {"cidrs": ["10.124.0.0/24"]}}, MERGE)
    await has_a_status(verbs, "own", {"conditions": [*found["status"]["conditions"], *status["conditions"]]})


async def lives(cluster: Cluster, kind: Kind) -> Verbs:
    """Made, read, patched, deleted; made again, updated, deleted as a collection; all of which a watch tells."""
    verbs = TypedClient(cluster.server).of(kind.group, "v1", kind.plural)
    labels = {"special": "own"}
    async with await verbs.watch("special=own") as watching:
        made = await verbs.create({"metadata": {"name": "first", "labels": labels}, **kind.body})
        assert (await watching.until("ADDED"))["metadata"]["uid"] == made["metadata"]["uid"]
        assert (await verbs.get("first"))["metadata"]["uid"] == made["metadata"]["uid"]
        assert labels_of(await verbs.patch("first", {"metadata": {"labels": {"name": "patched"}}}))["name"] == "patched"
        await watching.until("MODIFIED", lambda one: labels_of(one).get("name") == "patched")
        assert names_of(await verbs.list("name=patched")) == ["first"]
        await verbs.delete("first")
        await cluster.settle(quiet=30)
        await watching.until("DELETED")
        with pytest.raises(ApiError, match="not found"):
            await verbs.get("first")
        await verbs.create({"metadata": {"name": "second", "labels": labels}, **kind.body})
        await cluster.settle()
        await updated_with(verbs, "second", "updated")
        await verbs.delete_collection("special=own")
        await cluster.settle(quiet=30)
        await watching.until("DELETED")
        assert await verbs.list("special=own") == []
    return verbs
