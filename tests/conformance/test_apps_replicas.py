"""Replica sets and replication controllers as clients see them. What their pods serve needs containers."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from conformance.typed_client import MERGE, Document, TypedClient, condition, is_true
from pybernetes.api.errors import ApiError
from pybernetes.testing.cluster import Cluster


def template(labels: Document, image: str = "httpd:1", **container: Any) -> Document:
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image, **container}]}}


def replica_set(name: str, replicas: int, **labels: str) -> Document:
    labels = labels or {"name": name}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template(labels)}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


def replication_controller(name: str, replicas: int, **labels: str) -> Document:
    labels = labels or {"name": name}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": replicas, "selector": labels, "template": template(labels)},
    }


def bare_pod(name: str) -> Document:
    return {"metadata": {"name": name, "labels": {"name": name}}, "spec": template({})["spec"]}


class Space:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        client = self.client = TypedClient(cluster.server)
        self.replica_sets = client.of("apps", "v1", "replicasets")
        self.controllers = client.of("", "v1", "replicationcontrollers")
        self.pods = client.of("", "v1", "pods")
        self.quotas = client.of("", "v1", "resourcequotas")


def owner_of(pod: Document) -> str | None:
    """The uid of who controls it."""
    owners = pod["metadata"].get("ownerReferences", [])
    return next((one["uid"] for one in owners if one["controller"]), None)


@pytest.mark.conformance(
    "Replica Set, adopt matching pods and release non matching pods",
    "Replication Controller, adopt matching pods",
    "Replication Controller, release pods",
)
@pytest.mark.parametrize("kind", ["replica set", "replication controller"])
async def test_matching_pods_are_adopted_and_those_that_no_longer_match_are_let_go(cluster: Cluster, kind: str) -> None:
    space = Space(cluster)
    await space.pods.create(bare_pod("adopted"))
    await cluster.settle(quiet=5)
    is_set = kind == "replica set"
    verbs = space.replica_sets if is_set else space.controllers
    make = replica_set if is_set else replication_controller
    owner = await verbs.create(make("adopted", 1))
    await cluster.settle(quiet=5)
    (pod,) = await space.pods.list("name=adopted")
    assert (pod["metadata"]["name"], owner_of(pod)) == ("adopted", owner["metadata"]["uid"])
    reference = pod["metadata"]["ownerReferences"][0]
    assert (reference["kind"], reference["blockOwnerDeletion"]) == (owner["kind"], True)

    pod["metadata"]["labels"]["name"] = "not-matching"
    await space.pods.update(pod)
    await cluster.settle(quiet=5)
    assert owner_of(await space.pods.get("adopted")) is None
    (instead,) = await space.pods.list("name=adopted")
    assert owner_of(instead) == owner["metadata"]["uid"]
    assert (await verbs.get("adopted"))["status"]["readyReplicas"] == 1


@pytest.mark.conformance(
    "ReplicaSet, completes the scaling of a ReplicaSet subresource", "ReplicaSet, is created, Replaced and Patched"
)
async def test_a_replica_set_is_scaled_replaced_and_patched(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.replica_sets.create(replica_set("web", 1))
    await cluster.settle(quiet=5)
    scale = await space.replica_sets.get("web", "scale")
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (1, 1)
    scale["metadata"]["resourceVersion"] = ""
    scale["spec"]["replicas"] = 2
    assert (await space.replica_sets.update(scale, "scale"))["spec"]["replicas"] == 2
    await cluster.settle(quiet=5)
    assert (await space.replica_sets.get("web"))["spec"]["replicas"] == 2
    patch = {"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 4}}
    assert (await space.replica_sets.patch("web", patch, subresource="scale"))["spec"]["replicas"] == 4
    await cluster.settle(quiet=5)
    assert (await space.replica_sets.get("web"))["status"]["readyReplicas"] == 4

    read = await space.replica_sets.get("web")
    read["spec"]["replicas"] = 2
    await space.replica_sets.update(read)
    await cluster.settle(quiet=60)
    assert len(await space.pods.list("name=web")) == 2
    async with await space.replica_sets.watch("name=web") as watch:
        change = {
            "metadata": {"labels": {"test-rs": "patched"}},
            "spec": {
                "replicas": 3,
                "template": {
                    "spec": {
                        "terminationGracePeriodSeconds": 0,
                        "containers": [{"name": "main", "image": "agnhost:2", "command": ["/bin/sleep", "100000"]}],
                    }
                },
            },
        }
        await space.replica_sets.patch("web", change)
        seen = await watch.until("MODIFIED", lambda one: one["metadata"]["labels"].get("test-rs") == "patched")
        assert seen["spec"]["template"]["spec"]["containers"][0]["image"] == "agnhost:2"
        assert seen["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 0
        await watch.until("MODIFIED", lambda one: one["status"]["readyReplicas"] == 3)
    images = [pod["spec"]["containers"][0]["image"] for pod in await space.pods.list("name=web")]
    assert sorted(images) == ["agnhost:2", "httpd:1", "httpd:1"]


@pytest.mark.conformance("ReplicaSet, list and delete a collection of ReplicaSets", "ReplicaSet, status sub-resource")
async def test_a_replica_sets_status_is_written_and_a_collection_deleted(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.replica_sets.create(replica_set("web", 1, app="sample", pod="httpd"))
    await cluster.settle(quiet=5)
    selected = "app=sample,pod=httpd"
    read = await space.replica_sets.get("web", "status")
    assert read["status"]["readyReplicas"] == 1
    async with await space.replica_sets.watch(selected, read["metadata"]["resourceVersion"]) as watch:
        told = {"type": "StatusUpdate", "status": "True", "reason": "Test", "message": "Set from a test"}
        changed = copy.deepcopy(read)
        changed["status"].setdefault("conditions", []).append(told)
        updated = await space.replica_sets.update(changed, "status")
        assert condition(updated, "StatusUpdate")["message"] == "Set from a test"  # type: ignore[index]
        await watch.until("MODIFIED", lambda one: is_true(one, "StatusUpdate"))
        patch = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
        await space.replica_sets.patch("web", patch, MERGE, "status")
        await watch.until("MODIFIED", lambda one: is_true(one, "StatusPatched"))
    await cluster.settle()
    assert is_true(await space.replica_sets.get("web"), "StatusPatched")

    everywhere = space.client.of("apps", "v1", "replicasets", None)
    assert [one["metadata"]["name"] for one in await everywhere.list(selected)] == ["web"]
    await space.replica_sets.delete_collection(selected)
    await cluster.settle(quiet=60)
    assert await space.replica_sets.list(selected) == []
    assert await space.pods.list(selected) == []


@pytest.mark.conformance("Replication Controller, get and update ReplicationController scale")
async def test_a_replication_controller_is_scaled(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.controllers.create(replication_controller("web", 1))
    await cluster.settle(quiet=5)
    scale = await space.controllers.get("web", "scale")
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (1, 1)
    scale["metadata"]["resourceVersion"] = ""
    scale["spec"]["replicas"] = 2
    assert (await space.controllers.update(scale, "scale"))["spec"]["replicas"] == 2
    await cluster.settle(quiet=5)
    after = await space.controllers.get("web", "scale")
    assert (after["spec"]["replicas"], after["status"]["replicas"]) == (2, 2)


@pytest.mark.conformance("Replication Controller, check for issues like exceeding allocated quota")
@pytest.mark.parametrize("kind", ["replica set", "replication controller"])
async def test_a_quota_that_is_exceeded_shows_as_a_condition_until_there_is_room(cluster: Cluster, kind: str) -> None:
    space = Space(cluster)
    await space.quotas.create({"metadata": {"name": "tight"}, "spec": {"hard": {"pods": "2"}}})
    await cluster.settle()
    quota = await space.quotas.get("tight")
    assert quota["spec"]["hard"] == {"pods": "2"}
    assert quota["status"] == {"hard": {"pods": "2"}, "used": {"pods": "0"}}
    is_set = kind == "replica set"
    verbs = space.replica_sets if is_set else space.controllers
    await verbs.create((replica_set if is_set else replication_controller)("web", 3))
    await cluster.clock.advance(10)
    stuck = await verbs.get("web")
    failure = condition(stuck, "ReplicaFailure")
    assert failure is not None
    assert (failure["status"], failure["reason"]) == ("True", "FailedCreate")
    assert "exceeded quota: tight, requested: pods=1, used: pods=2, limited: pods=2" in failure["message"]
    assert stuck["status"]["readyReplicas"] == 2
    stuck["spec"]["replicas"] = 2
    await verbs.update(stuck)
    await cluster.clock.advance(60)
    assert condition(await verbs.get("web"), "ReplicaFailure") is None


@pytest.mark.conformance("Replication Controller, lifecycle")
async def test_the_life_of_a_replication_controller_as_a_watcher_sees_it(cluster: Cluster) -> None:
    space = Space(cluster)
    wanted = replication_controller("life", 1)
    wanted["metadata"]["labels"] = {"test-rc-static": "true"}
    selected = "test-rc-static=true"
    async with await space.controllers.watch(selected) as watch:
        await space.controllers.create(wanted)
        await watch.until("ADDED")
        await watch.until("MODIFIED", lambda one: one["status"]["readyReplicas"] == 1)
        patch = {"metadata": {"labels": {"test-rc": "patched"}}}
        patched = await space.controllers.patch("life", patch)
        assert patched["metadata"]["labels"]["test-rc"] == "patched"
        await watch.until("MODIFIED", lambda one: one["metadata"]["labels"].get("test-rc") == "patched")

        told = {"status": {"readyReplicas": 0, "availableReplicas": 0}}
        status = await space.controllers.patch("life", told, subresource="status")
        assert (status["status"].get("readyReplicas"), status["status"].get("availableReplicas")) == (0, 0)
        await watch.until("MODIFIED", lambda one: one["status"]["readyReplicas"] == 0)
        await watch.until("MODIFIED", lambda one: one["status"]["readyReplicas"] == 1)
        read = await space.controllers.get("life", "status")
        assert read["status"]["replicas"] == 1

        await space.controllers.patch("life", {"spec": {"replicas": 2}}, subresource="scale")
        await watch.until("MODIFIED", lambda one: one["status"]["readyReplicas"] == 2)
        everywhere = space.client.of("", "v1", "replicationcontrollers", None)
        (listed,) = await everywhere.list(selected)
        listed["spec"]["replicas"] = 3
        listed["metadata"]["resourceVersion"] = ""
        await space.controllers.update(listed)
        await watch.until("MODIFIED", lambda one: one["status"]["readyReplicas"] == 3)
        await space.controllers.delete_collection(selected)
        await watch.until("DELETED")
    with pytest.raises(ApiError) as gone:
        await space.controllers.get("life")
    assert gone.value.code == 404
