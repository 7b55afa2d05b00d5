"""What becomes of dependents when their owners are deleted, as clients ask for it."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.rest_server import names_of
from conformance.typed_client import Document, TypedClient, Verbs
from pybernetes.api.errors import ApiError
from pybernetes.testing.cluster import Cluster

TEMPLATE = {
    "metadata": {"labels": {"app": "gc"}},
    "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "nginx", "image": "pause:3.10"}]},
}


class Space:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        client = TypedClient(cluster.server)
        self.pods = client.of("", "v1", "pods")
        self.controllers = client.of("", "v1", "replicationcontrollers")
        self.deployments = client.of("apps", "v1", "deployments")
        self.replica_sets = client.of("apps", "v1", "replicasets")

    async def controller(self, name: str, replicas: int, **selector: str) -> Document:
        labels = {"app": "gc", **selector}
        template = {**TEMPLATE, "metadata": {"labels": labels}}
        spec = {"replicas": replicas, "selector": labels, "template": template}
        made = await self.controllers.create({"metadata": {"name": name}, "spec": spec})
        await self.cluster.settle(quiet=5)
        assert (await self.controllers.get(name))["status"]["replicas"] == replicas
        return made

    async def deployment(self, name: str) -> Document:
        labels = {"app": "gc"}
        spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": TEMPLATE}
        made = await self.deployments.create({"metadata": {"name": name}, "spec": spec})
        await self.cluster.settle(quiet=5)
        assert len(await self.replica_sets.list()) == 1
        return made


async def is_gone(verbs: Verbs, name: str) -> bool:
    return name not in names_of(await verbs.list())


def only(made: Document) -> dict[str, Any]:
    """That this very object is meant, as careful clients say."""
    return {"uid": made["metadata"]["uid"]}


@pytest.mark.conformance(
    "Garbage Collector, delete replication controller, propagation policy background",
    "Garbage Collector, delete deployment,  propagation policy background",
)
async def test_in_the_background_dependents_follow_their_owner(cluster: Cluster) -> None:
    space = Space(cluster)
    made = await space.controller("simpletest.rc", 2)
    await space.controllers.delete("simpletest.rc", propagationPolicy="Background", preconditions=only(made))
    assert await is_gone(space.controllers, "simpletest.rc")
    await cluster.settle(quiet=30)
    assert await space.pods.list() == []

    made = await space.deployment("simpletest.deployment")
    await space.deployments.delete("simpletest.deployment", propagationPolicy="Background", preconditions=only(made))
    await cluster.settle(quiet=30)
    assert await space.deployments.list() == await space.replica_sets.list() == await space.pods.list() == []


@pytest.mark.conformance(
    "Garbage Collector, delete replication controller, propagation policy orphan",
    "Garbage Collector, delete deployment, propagation policy orphan",
)
async def test_orphans_stay_and_have_no_owner(cluster: Cluster) -> None:
    space = Space(cluster)
    made = await space.controller("simpletest.rc", 10)
    await space.controllers.delete("simpletest.rc", propagationPolicy="Orphan", preconditions=only(made))
    await cluster.clock.advance(30)
    assert await is_gone(space.controllers, "simpletest.rc")
    pods = await space.pods.list()
    assert len(pods) == 10
    assert not any(pod["metadata"].get("ownerReferences") for pod in pods)
    await space.pods.delete_collection(gracePeriodSeconds=0)

    made = await space.deployment("simpletest.deployment")
    await space.deployments.delete("simpletest.deployment", propagationPolicy="Orphan", preconditions=only(made))
    await cluster.clock.advance(30)
    assert await is_gone(space.deployments, "simpletest.deployment")
    [replica_set] = await space.replica_sets.list()
    assert not replica_set["metadata"].get("ownerReferences")
    owners = [pod["metadata"]["ownerReferences"][0]["uid"] for pod in await space.pods.list()]
    assert owners == [replica_set["metadata"]["uid"]] * 2


@pytest.mark.conformance("Garbage Collector, delete replication controller, after owned pods")
async def test_in_the_foreground_the_controller_stays_until_its_pods_are_gone(cluster: Cluster) -> None:
    space = Space(cluster)
    made = await space.controller("simpletest.rc", 10)
    async with await space.controllers.watch(version=made["metadata"]["resourceVersion"]) as watching:
        await space.controllers.delete("simpletest.rc", propagationPolicy="Foreground", preconditions=only(made))
        waiting = await space.controllers.get("simpletest.rc")
        assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]
        assert waiting["metadata"]["deletionTimestamp"]
        await watching.until("DELETED")
        assert await space.pods.list() == []
    with pytest.raises(ApiError, match="not found"):
        await space.controllers.get("simpletest.rc")


@pytest.mark.conformance("Garbage Collector, multiple owners")
async def test_pods_that_another_controller_owns_too_stay(cluster: Cluster) -> None:
    space = Space(cluster)
    leaving = await space.controller("simpletest-rc-to-be-deleted", 10, of="leaving")
    staying = await space.controller("simpletest-rc-to-stay", 0, of="staying")
    reference = {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "name": "simpletest-rc-to-stay",
        "uid": staying["metadata"]["uid"],
    }
    shared = names_of(await space.pods.list())[:5]
    for name in shared:
        patched = await space.pods.patch(name, {"metadata": {"ownerReferences": [reference]}})
        assert len(patched["metadata"]["ownerReferences"]) == 2
    deleted = {"propagationPolicy": "Foreground", "preconditions": only(leaving)}
    await space.controllers.delete("simpletest-rc-to-be-deleted", **deleted)
    await cluster.clock.advance(90)
    assert await is_gone(space.controllers, "simpletest-rc-to-be-deleted")
    pods = await space.pods.list()
    assert names_of(pods) == shared
    for pod in pods:
        assert not pod["metadata"].get("deletionTimestamp")
        assert [one["uid"] for one in pod["metadata"]["ownerReferences"]] == [staying["metadata"]["uid"]]


@pytest.mark.conformance("Garbage Collector, dependency cycle")
async def test_pods_that_own_each_other_in_a_circle_all_go(cluster: Cluster) -> None:
    space = Space(cluster)
    made = [
        await space.pods.create({"metadata": {"name": f"pod{number}"}, "spec": TEMPLATE["spec"]})
        for number in (1, 2, 3)
    ]
    for pod, owner in zip(made, (made[2], made[0], made[1]), strict=True):
        reference = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        patch = {"metadata": {"ownerReferences": [reference]}}
        patched = await space.pods.patch(pod["metadata"]["name"], patch)
        assert patched["metadata"]["ownerReferences"] == [reference]
    await cluster.settle(quiet=5)
    assert len(await space.pods.list()) == 3
    await space.pods.delete("pod1", propagationPolicy="Foreground", preconditions=only(made[0]))
    await cluster.clock.advance(90)
    assert await space.pods.list() == []
