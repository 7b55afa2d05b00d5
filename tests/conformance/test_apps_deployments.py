"""Deployments as clients see them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from conformance.typed_client import MERGE, Document, TypedClient, Watching, condition, is_true
from pybernetes.testing.cluster import Cluster

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"


def deployment(name: str, replicas: int, image: str = "httpd:1", **spec: Any) -> Document:
    labels = {"name": name}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": image}]},
            },
            **spec,
        },
    }


def rolling(surge: int | str, unavailable: int | str) -> Document:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def image(name: str) -> Document:
    return {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": name}]}}}}


class Space:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        client = self.client = TypedClient(cluster.server)
        self.deployments = client.of("apps", "v1", "deployments")
        self.replica_sets = client.of("apps", "v1", "replicasets")
        self.pods = client.of("", "v1", "pods")

    async def rolled_out(self, name: str) -> Document:
        await self.cluster.settle(quiet=15)
        found = await self.deployments.get(name)
        status, wanted = found["status"], found["spec"]["replicas"]
        assert status["observedGeneration"] == found["metadata"]["generation"]
        assert [status[one] for one in ("replicas", "updatedReplicas", "availableReplicas")] == [wanted] * 3
        assert condition(found, "Progressing")["reason"] == "NewReplicaSetAvailable"  # type: ignore[index]
        return found

    async def sets_of(self, name: str) -> list[Document]:
        """From the first revision to the last."""
        found = await self.replica_sets.list(f"name={name}")
        return sorted(found, key=lambda one: int(one["metadata"].get("annotations", {}).get(REVISION, 0)))


@pytest.mark.conformance("Deployment RollingUpdate")
async def test_a_rolling_update_takes_over_a_replica_set_that_matches(cluster: Cluster) -> None:
    space = Space(cluster)
    template = deployment("web", 1)["spec"]["template"]
    template["metadata"]["labels"]["pod"] = "httpd"
    metadata = {"name": "controlled", "labels": {"name": "web", "pod": "httpd"}, "annotations": {REVISION: "3546342"}}
    selector = {"matchLabels": {"name": "web", "pod": "httpd"}}
    await space.replica_sets.create(
        {"metadata": metadata, "spec": {"replicas": 1, "selector": selector, "template": template}}
    )
    await cluster.settle(quiet=5)
    wanted = deployment("web", 1, "agnhost:2")
    wanted["spec"]["selector"] = selector
    wanted["spec"]["template"]["metadata"]["labels"] = {"name": "web", "pod": "httpd"}
    await space.deployments.create(wanted)
    done = await space.rolled_out("web")
    assert done["metadata"]["annotations"][REVISION] == "3546343"
    old, new = await space.sets_of("web")
    assert (old["metadata"]["name"], old["spec"]["replicas"]) == ("controlled", 0)
    assert new["spec"]["template"]["spec"]["containers"][0]["image"] == "agnhost:2"
    assert old["metadata"]["ownerReferences"][0]["uid"] == done["metadata"]["uid"]
    digest = new["metadata"]["labels"][HASH]
    assert new["metadata"]["name"] == f"web-{digest}"
    assert new["spec"]["selector"]["matchLabels"][HASH] == digest
    (pod,) = await space.pods.list("name=web")
    assert pod["metadata"]["labels"][HASH] == digest


@pytest.mark.conformance("Deployment Recreate")
async def test_recreating_never_has_pods_of_two_templates(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.deployments.create(deployment("web", 2, strategy={"type": "Recreate"}))
    await space.rolled_out("web")
    old = {pod["metadata"]["name"] for pod in await space.pods.list("name=web")}
    async with await space.pods.watch("name=web") as watch:
        await space.deployments.patch("web", image("agnhost:2"))
        await space.rolled_out("web")
        there = await _most_together(watch, old)
    assert there == {"httpd:1": 0, "agnhost:2": 2}


async def _most_together(watch: Watching, old: set[str]) -> dict[str, int]:
    """Follows pods until two new ones run; no new one may have come before the last old one went."""
    present: dict[str, str] = {}
    ready: set[str] = set()
    while len(ready) < 2:
        told, pod = await watch.next()
        name = pod["metadata"]["name"]
        if told == "DELETED":
            del present[name]
        else:
            present[name] = pod["spec"]["containers"][0]["image"]
            assert len(set(present.values())) == 1
            ready |= {name} - old if is_true(pod, "Ready") else set()
    images = list(present.values())
    return {one: images.count(one) for one in ("httpd:1", "agnhost:2")}


@pytest.mark.conformance("Deployment RevisionHistoryLimit")
async def test_old_replica_sets_go_beyond_the_history_limit(cluster: Cluster) -> None:
    space = Space(cluster)
    template = deployment("web", 1)["spec"]["template"]
    template["metadata"]["labels"]["pod"] = "cleanup"
    spec = {"replicas": 1, "selector": {"matchLabels": template["metadata"]["labels"]}, "template": template}
    await space.replica_sets.create(
        {"metadata": {"name": "old", "labels": template["metadata"]["labels"]}, "spec": spec}
    )
    await cluster.settle(quiet=5)
    (before,) = await space.pods.list("name=web")
    wanted = deployment("web", 1, "agnhost:2", revisionHistoryLimit=0)
    wanted["spec"] |= {"selector": spec["selector"]}
    wanted["spec"]["template"]["metadata"]["labels"] = template["metadata"]["labels"]
    async with await space.pods.watch("name=web", before["metadata"]["resourceVersion"]) as watch:
        await space.deployments.create(wanted)
        await cluster.settle(quiet=5)
        created = await watch.until("ADDED")
        assert created["spec"]["containers"][0]["image"] == "agnhost:2"
    (left,) = await space.sets_of("web")
    assert left["metadata"]["name"] != "old"
    await space.rolled_out("web")


@pytest.mark.conformance("Deployment Rollover")
async def test_a_new_template_rolls_over_one_that_is_still_rolling_out(cluster: Cluster) -> None:
    space = Space(cluster)
    labels = {"name": "web", "pod": "httpd"}
    template = deployment("web", 1)["spec"]["template"]
    template["metadata"]["labels"] = labels
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    await space.replica_sets.create({"metadata": {"name": "rollover", "labels": labels}, "spec": spec})
    await cluster.settle(quiet=5)
    strategy = {**rolling(1, 0)}
    wanted = deployment("web", 1, "nowhere.invalid/slow:1", strategy=strategy, minReadySeconds=10)
    wanted["spec"]["selector"] = {"matchLabels": labels}
    wanted["spec"]["template"]["metadata"]["labels"] = labels
    await space.deployments.create(wanted)
    await cluster.clock.advance(5)
    first, second = await space.sets_of("web")
    assert (first["spec"]["replicas"], second["spec"]["replicas"]) == (1, 1)
    stuck = await space.deployments.get("web")
    assert stuck["status"]["unavailableReplicas"] == 1
    stuck["spec"]["template"]["spec"]["containers"][0] |= {"name": "agnhost", "image": "agnhost:2"}
    await space.deployments.update(stuck)
    done = await space.rolled_out("web")
    assert done["status"]["readyReplicas"] == 1
    sets = await space.sets_of("web")
    assert [one["spec"]["replicas"] for one in sets] == [0, 0, 1]
    assert [one["status"]["replicas"] for one in sets] == [0, 0, 1]
    assert sets[2]["spec"]["template"]["spec"]["containers"][0]["image"] == "agnhost:2"
    assert len({one["metadata"]["labels"].get(HASH) for one in sets}) == 3


@pytest.mark.conformance("Deployment Proportional Scaling")
async def test_scaling_in_the_midst_of_a_rollout_is_shared_out(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.deployments.create(deployment("web", 10, strategy=rolling(3, 2)))
    await space.rolled_out("web")
    await space.deployments.patch("web", image("nowhere.invalid/none:404"))
    await cluster.clock.advance(30)
    first, second = await space.sets_of("web")
    assert (first["spec"]["replicas"], second["spec"]["replicas"]) == (8, 5)
    assert first["status"]["availableReplicas"] == 8
    assert second["status"].get("availableReplicas", 0) == 0
    between = await space.deployments.get("web")
    assert (between["status"]["replicas"], between["status"]["unavailableReplicas"]) == (13, 5)

    between["spec"]["replicas"] = 30
    await space.deployments.update(between)
    await cluster.clock.advance(30)
    first, second = await space.sets_of("web")
    assert (first["spec"]["replicas"], second["spec"]["replicas"]) == (20, 13)
    assert first["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] == "30"
    assert first["metadata"]["annotations"]["deployment.kubernetes.io/max-replicas"] == "33"


@pytest.mark.conformance("Deployment, completes the scaling of a Deployment subresource")
async def test_a_deployment_is_scaled_through_its_scale(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.deployments.create(deployment("web", 1))
    await space.rolled_out("web")
    scale = await space.deployments.get("web", "scale")
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (1, 1)
    assert scale["status"]["selector"] == "name=web"
    scale["metadata"]["resourceVersion"] = ""
    scale["spec"]["replicas"] = 2
    assert (await space.deployments.update(scale, "scale"))["spec"]["replicas"] == 2
    assert (await space.rolled_out("web"))["spec"]["replicas"] == 2
    patch = {"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 4}}
    assert (await space.deployments.patch("web", patch, subresource="scale"))["spec"]["replicas"] == 4
    assert (await space.rolled_out("web"))["status"]["readyReplicas"] == 4


@pytest.mark.conformance("Deployment, completes the lifecycle of a Deployment")
async def test_the_life_of_a_deployment_as_a_watcher_sees_it(cluster: Cluster) -> None:
    space = Space(cluster)
    wanted = deployment("life", 2)
    wanted["metadata"]["labels"]["test-deployment-static"] = "true"
    selected = "test-deployment-static=true"
    async with await space.deployments.watch(selected) as watch:
        await space.deployments.create(wanted)
        await watch.until("ADDED")
        await watch.until("MODIFIED", _has_ready(2))
        patch = {
            "metadata": {"labels": {"test-deployment": "patched"}},
            "spec": {
                "replicas": 1,
                "template": {
                    "spec": {
                        "terminationGracePeriodSeconds": 1,
                        "containers": [{"name": "main", "image": "agnhost:2", "command": ["/bin/sleep", "100000"]}],
                    }
                },
            },
        }
        await space.deployments.patch("life", patch)
        seen = await watch.until("MODIFIED", lambda one: one["metadata"]["labels"].get("test-deployment") == "patched")
        assert seen["metadata"]["generation"] == 2
        await watch.until("MODIFIED", _has_ready(1))

        everywhere = space.client.of("apps", "v1", "deployments", None)
        (listed,) = await everywhere.list(selected)
        assert listed["spec"]["template"]["spec"]["containers"][0]["image"] == "agnhost:2"
        assert listed["metadata"]["labels"]["test-deployment"] == "patched"

        listed["metadata"]["labels"]["test-deployment"] = "updated"
        listed["spec"]["replicas"] = 2
        listed["spec"]["template"]["spec"]["containers"][0]["image"] = "httpd:2"
        await space.deployments.update({**listed, "metadata": {**listed["metadata"], "resourceVersion": ""}})
        await watch.until("MODIFIED", _has_ready(2))

        status = {"status": {"readyReplicas": 2, "availableReplicas": 2}}
        patched = await space.deployments.patch("life", status, MERGE, "status")
        assert patched["status"]["readyReplicas"] == 2
        read = await space.deployments.get("life", "status")
        assert (read["status"]["readyReplicas"], read["spec"]["replicas"]) == (2, 2)
        await space.rolled_out("life")
        await space.deployments.delete_collection(selected, propagationPolicy="Foreground")
        await cluster.settle(quiet=60)
        await watch.until("DELETED")
    assert await space.pods.list("name=life") == []
    assert await space.sets_of("life") == []


def _has_ready(count: int) -> Any:
    def holds(one: Document) -> bool:
        status = one["status"]
        seen = status["observedGeneration"] == one["metadata"]["generation"]
        return bool(seen and status["readyReplicas"] == count and status["updatedReplicas"] == count)

    return holds


@pytest.mark.conformance("Deployment, status sub-resource")
async def test_what_is_written_to_a_deployments_status_stays(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.deployments.create(deployment("web", 1))
    await space.rolled_out("web")
    read = await space.deployments.get("web", "status")
    async with await space.deployments.watch("name=web", read["metadata"]["resourceVersion"]) as watch:
        told = {"type": "StatusUpdate", "status": "True", "reason": "Test", "message": "Set from a test"}
        changed = copy.deepcopy(read)
        changed["status"]["conditions"].append(told)
        updated = await space.deployments.update(changed, "status")
        assert condition(updated, "StatusUpdate")["message"] == "Set from a test"  # type: ignore[index]
        await watch.until("MODIFIED", lambda one: is_true(one, "StatusUpdate"))
        patch = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
        patched = await space.deployments.patch("web", patch, MERGE, "status")
        assert [one["type"] for one in patched["status"]["conditions"]] == ["StatusPatched"]
        await watch.until("MODIFIED", lambda one: is_true(one, "StatusPatched"))
        await cluster.settle()
        kept = await space.deployments.get("web")
        assert {one["type"] for one in kept["status"]["conditions"]} == {"StatusPatched", "Available", "Progressing"}
