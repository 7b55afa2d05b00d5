"""Daemon sets, and the revisions they keep, as clients see them."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from conformance.typed_client import JSON_PATCH, MERGE, Document, TypedClient, Verbs, condition, is_true
from pybernetes.testing.cluster import Cluster

LABELS = {"daemonset-name": "agents"}
SELECTED = "daemonset-name=agents"


def daemon_set(name: str = "agents", **spec: Any) -> Document:
    template = {
        "metadata": {"labels": LABELS},
        "spec": {"containers": [{"name": "app", "image": "httpd:1", "ports": [{"containerPort": 9376}]}], **spec},
    }
    return {
        "metadata": {"name": name, "labels": LABELS},
        "spec": {"selector": {"matchLabels": LABELS}, "template": template},
    }


class Space:
    """Daemon sets, pods, nodes and revisions of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        client = self.client = TypedClient(cluster.server)
        self.sets = client.of("apps", "v1", "daemonsets")
        self.revisions = client.of("apps", "v1", "controllerrevisions")
        self.pods = client.of("", "v1", "pods")
        self.nodes = client.of("", "v1", "nodes")

    async def running(self) -> dict[str, Document]:
        """The sets' ready pods by node."""
        await self.cluster.settle(quiet=5)
        pods = await self.pods.list(SELECTED)
        assert all(is_true(pod, "Ready") for pod in pods)
        found = {pod["spec"]["nodeName"]: pod for pod in pods}
        assert len(found) == len(pods)
        return found


@pytest.mark.cluster(nodes=2)
@pytest.mark.conformance(
    "DaemonSet-Creation", "DaemonSet-FailedPodCreation", "DaemonSet, list and delete a collection of DaemonSets"
)
async def test_a_daemon_on_every_node_is_made_again_when_it_is_deleted_or_fails(cluster: Cluster) -> None:
    space = Space(cluster)
    made = await space.sets.create(daemon_set())
    assert made["metadata"]["annotations"]["deprecated.daemonset.template.generation"] == "1"
    first = await space.running()
    assert first.keys() == {"node-0", "node-1"}

    await space.pods.delete(first["node-0"]["metadata"]["name"])
    second = await space.running()
    assert second.keys() == first.keys()
    assert second["node-0"]["metadata"]["uid"] != first["node-0"]["metadata"]["uid"]

    failing = copy.deepcopy(second["node-1"])
    failing["metadata"]["resourceVersion"] = ""
    failing["status"]["phase"] = "Failed"
    assert (await space.pods.update(failing, "status"))["status"]["phase"] == "Failed"
    third = await space.running()
    assert third.keys() == first.keys()
    assert third["node-1"]["metadata"]["uid"] != second["node-1"]["metadata"]["uid"]
    assert third["node-0"]["metadata"]["uid"] == second["node-0"]["metadata"]["uid"]
    status = (await space.sets.get("agents"))["status"]
    assert (status["currentNumberScheduled"], status["desiredNumberScheduled"]) == (2, 2)
    assert (status["numberReady"], status["numberAvailable"], status["numberMisscheduled"]) == (2, 2, 0)

    everywhere = space.client.of("apps", "v1", "daemonsets", None)
    assert [one["metadata"]["name"] for one in await everywhere.list(SELECTED)] == ["agents"]
    await space.sets.delete_collection(SELECTED)
    await cluster.settle(quiet=60)
    assert await space.sets.list(SELECTED) == []
    assert await space.pods.list(SELECTED) == []


@pytest.mark.cluster(nodes=2)
@pytest.mark.conformance("DaemonSet-NodeSelection")
async def test_daemons_come_and_go_with_the_labels_of_nodes(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.sets.create(daemon_set(nodeSelector={"color": "blue"}))
    assert await space.running() == {}
    await _paint(space.nodes, "node-0", "blue")
    assert (await space.running()).keys() == {"node-0"}
    status = (await space.sets.get("agents"))["status"]
    assert (status["desiredNumberScheduled"], status["numberReady"]) == (1, 1)
    await _paint(space.nodes, "node-0", "green")
    assert await space.running() == {}
    selector = {"spec": {"template": {"spec": {"nodeSelector": {"color": "green"}}}}}
    strategy = {"spec": {"updateStrategy": {"type": "RollingUpdate"}}}
    changed = await space.sets.patch("agents", selector | {"spec": selector["spec"] | strategy["spec"]})
    assert changed["spec"]["template"]["spec"]["nodeSelector"] == {"color": "green"}
    assert (await space.running()).keys() == {"node-0"}


async def _paint(nodes: Verbs, name: str, color: str) -> None:
    node = await nodes.get(name)
    node["metadata"].setdefault("labels", {})["color"] = color
    await nodes.update(node)


@pytest.mark.cluster(nodes=3)
@pytest.mark.conformance("DaemonSet-RollingUpdate", "DaemonSet-Rollback")
async def test_an_update_rolls_and_one_taken_back_restarts_nothing_that_is_well(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.sets.create(daemon_set())
    before = await space.running()
    (first,) = await space.revisions.list(SELECTED)
    assert first["revision"] == 1
    assert json.dumps(first["data"]) == json.dumps(first["data"], sort_keys=True)
    hash_of_first = first["metadata"]["labels"]["controller-revision-hash"]
    assert {pod["metadata"]["labels"]["controller-revision-hash"] for pod in before.values()} == {hash_of_first}

    await space.sets.patch("agents", _image("httpd:2"))
    rolled = await space.running()
    assert {pod["spec"]["containers"][0]["image"] for pod in rolled.values()} == {"httpd:2"}
    revisions = sorted(await space.revisions.list(SELECTED), key=lambda one: int(one["revision"]))
    assert [one["revision"] for one in revisions] == [1, 2]
    hash_of_second = revisions[1]["metadata"]["labels"]["controller-revision-hash"]
    assert {pod["metadata"]["labels"]["controller-revision-hash"] for pod in rolled.values()} == {hash_of_second}

    broken = await space.sets.get("agents")
    broken["spec"]["template"]["spec"]["containers"][0]["image"] = "nowhere.invalid/none:1"
    await space.sets.update(broken)
    await cluster.clock.advance(60)
    now = {pod["spec"]["nodeName"]: pod for pod in await space.pods.list(SELECTED)}
    spared = {node for node, pod in now.items() if pod["metadata"]["uid"] == rolled[node]["metadata"]["uid"]}
    assert len(spared) == 2
    assert (await space.sets.get("agents"))["status"]["numberUnavailable"] == 1

    await space.sets.patch("agents", _image("httpd:2"))
    mended = await space.running()
    assert {pod["spec"]["containers"][0]["image"] for pod in mended.values()} == {"httpd:2"}
    for node in spared:
        assert mended[node]["metadata"]["uid"] == rolled[node]["metadata"]["uid"]
        assert mended[node]["status"]["containerStatuses"][0]["restartCount"] == 0
    status = (await space.sets.get("agents"))["status"]
    assert (status["updatedNumberScheduled"], status["numberAvailable"]) == (3, 3)
    highest = max(await space.revisions.list(SELECTED), key=lambda one: int(one["revision"]))
    assert (highest["revision"], highest["metadata"]["name"]) == (4, revisions[1]["metadata"]["name"])


def _image(image: str) -> list[Document] | Document:
    return {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}}


@pytest.mark.conformance("DaemonSet, status sub-resource")
async def test_what_is_written_to_a_daemon_sets_status_stays(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.sets.create(daemon_set())
    await space.running()
    read = await space.sets.get("agents", "status")
    assert read["status"]["numberReady"] == 1
    async with await space.sets.watch(SELECTED, read["metadata"]["resourceVersion"]) as watch:
        told = {"type": "StatusUpdate", "status": "True", "reason": "Test", "message": "Set from a test"}
        read["status"].setdefault("conditions", []).append(told)
        updated = await space.sets.update(read, "status")
        assert condition(updated, "StatusUpdate") == {**told, "lastTransitionTime": None}
        seen = await watch.until("MODIFIED", lambda one: is_true(one, "StatusUpdate"))
        assert seen["metadata"]["resourceVersion"] == updated["metadata"]["resourceVersion"]
        patch = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
        patched = await space.sets.patch("agents", patch, MERGE, "status")
        assert is_true(patched, "StatusPatched")
        await watch.until("MODIFIED", lambda one: is_true(one, "StatusPatched"))
    await cluster.settle()
    kept = await space.sets.get("agents")
    assert is_true(kept, "StatusPatched")
    assert kept["status"]["numberReady"] == 1


@pytest.mark.cluster(nodes=2)
@pytest.mark.conformance("ControllerRevision, resource lifecycle")
async def test_revisions_are_listed_patched_made_updated_and_deleted_like_anything(cluster: Cluster) -> None:
    space = Space(cluster)
    made = await space.sets.create(daemon_set())
    await space.running()
    (initial,) = await space.revisions.list(SELECTED)
    name = initial["metadata"]["name"]
    read = await space.revisions.get(name)
    assert (read["revision"], read["metadata"]["ownerReferences"][0]["uid"]) == (1, made["metadata"]["uid"])
    await space.revisions.patch(name, {"metadata": {"labels": {name: "patched"}}})
    assert [one["metadata"]["name"] for one in await space.revisions.list(f"{name}=patched")] == [name]

    metadata = {
        "name": "agents-7d4b9c6f5",
        "labels": initial["metadata"]["labels"],
        "annotations": initial["metadata"]["annotations"],
        "ownerReferences": initial["metadata"]["ownerReferences"],
    }
    created = await space.revisions.create({"metadata": metadata, "data": initial["data"], "revision": 2})
    assert created["data"] == initial["data"]
    await cluster.settle(quiet=5)
    assert len(await space.revisions.list(SELECTED)) == 2
    await space.revisions.delete(name)
    await cluster.settle(quiet=5)
    (left,) = await space.revisions.list(SELECTED)
    assert left["metadata"]["name"] == "agents-7d4b9c6f5"

    left["metadata"]["labels"]["agents-7d4b9c6f5"] = "updated"
    await space.revisions.update(left)
    assert len(await space.revisions.list("agents-7d4b9c6f5=updated")) == 1
    patch = [{"op": "add", "path": "/spec/template/spec/terminationGracePeriodSeconds", "value": 1}]
    await space.sets.patch("agents", patch, JSON_PATCH)
    await space.running()
    assert len(await space.revisions.list(SELECTED)) == 2
    await space.revisions.delete_collection("agents-7d4b9c6f5=updated")
    await cluster.settle(quiet=5)
    (last,) = await space.revisions.list(SELECTED)
    assert last["revision"] == 3
