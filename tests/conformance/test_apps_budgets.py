"""Budgets of disruption as clients see them, and the evictions that they allow or block."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.typed_client import JSON_PATCH, MERGE, Document, TypedClient
from pybernetes.api.errors import ApiError
from pybernetes.testing.cluster import Cluster

LABELS = {"foo": "bar"}
SPECIFIC = {"foo": "bar", "test": "specific"}


def budget(name: str = "foo", **spec: Any) -> Document:
    return {"metadata": {"name": name, "labels": SPECIFIC}, "spec": {"selector": {"matchLabels": LABELS}, **spec}}


def pod(name: str) -> Document:
    containers = [{"name": "donothing", "image": "pause:1"}]
    return {"metadata": {"name": name, "labels": LABELS}, "spec": {"containers": containers, "restartPolicy": "Always"}}


class Space:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.client = TypedClient(cluster.server)
        self.budgets = self.client.of("policy", "v1", "poddisruptionbudgets")
        self.pods = self.client.of("", "v1", "pods")

    async def seen(self) -> Document:
        """The budget once the controller has looked at its present form."""
        await self.cluster.settle(quiet=5)
        found = await self.budgets.get("foo")
        assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
        return found

    async def running(self, count: int) -> None:
        for number in range(count):
            await self.pods.create(pod(f"pod-{number}"))
        await self.cluster.settle(quiet=5)
        assert {one["status"]["phase"] for one in await self.pods.list("foo=bar")} == {"Running"}

    async def evict(self, name: str) -> Document:
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}}
        return await self.client.call("POST", self.pods.path(name, "eviction"), eviction)


@pytest.mark.cluster(nodes=0)
@pytest.mark.conformance(
    "PodDisruptionBudget: create, update, patch, and delete object",
    "PodDisruptionBudget: list and delete collection",
)
async def test_budgets_are_made_changed_listed_and_deleted(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.budgets.create(budget(minAvailable="1%"))
    before = await space.seen()
    assert before["spec"]["minAvailable"] == "1%"
    before["spec"]["minAvailable"] = "2%"
    assert (await space.budgets.update(before))["spec"]["minAvailable"] == "2%"
    assert (await space.seen())["metadata"]["generation"] == 2
    patch = {"spec": {"minAvailable": "3%"}}
    assert (await space.budgets.patch("foo", patch))["spec"]["minAvailable"] == "3%"
    assert (await space.seen())["metadata"]["generation"] == 3
    stale = {**before, "metadata": {**before["metadata"], "resourceVersion": ""}}
    with pytest.raises(ApiError) as refused:
        await space.budgets.update(stale)
    assert refused.value.code == 422

    await space.client.of("", "v1", "namespaces").create({"metadata": {"name": "other"}})
    elsewhere = space.client.of("policy", "v1", "poddisruptionbudgets", "other")
    await elsewhere.create(budget(minAvailable=1))
    await space.budgets.create(budget("foo2", minAvailable=2))
    everywhere = space.client.of("policy", "v1", "poddisruptionbudgets", None)
    listed = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in await everywhere.list("test=specific")}
    assert listed == {("default", "foo"), ("default", "foo2"), ("other", "foo")}
    assert len(await space.budgets.list("test=specific")) == 2
    await space.budgets.delete("foo")
    await space.budgets.delete_collection("test=specific")
    assert await space.budgets.list("test=specific") == []
    assert len(await elsewhere.list()) == 1


@pytest.mark.conformance("PodDisruptionBudget: Status updates", "PodDisruptionBudget: update and patch status")
async def test_the_status_says_how_many_may_go_and_is_written_by_others_too(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.budgets.create(budget(minAvailable=1))
    assert (await space.seen())["status"].get("disruptionsAllowed", 0) == 0
    await space.running(3)
    found = await space.seen()
    assert found["status"]["disruptionsAllowed"] == 2
    assert (found["status"]["currentHealthy"], found["status"]["desiredHealthy"]) == (3, 1)
    assert found["status"]["expectedPods"] == 3

    now = "2030-01-01T00:00:30Z"
    found["status"]["disruptedPods"] = {"pod-0": now}
    updated = await space.budgets.update(found, "status")
    assert updated["status"]["disruptedPods"] == {"pod-0": now}
    assert (await space.seen())["status"]["disruptedPods"] == {"pod-0": now}
    patched = await space.budgets.patch("foo", {"status": {"disruptedPods": {"pod-1": now}}}, MERGE, "status")
    assert patched["status"]["disruptedPods"] == {"pod-0": now, "pod-1": now}
    counted = (await space.seen())["status"]
    assert (counted["disruptedPods"].keys(), counted["currentHealthy"]) == ({"pod-0", "pod-1"}, 1)
    emptied = await space.budgets.patch(
        "foo", [{"op": "replace", "path": "/status/disruptedPods", "value": {}}], JSON_PATCH, "status"
    )
    assert emptied["status"].get("disruptedPods", {}) == {}


@pytest.mark.conformance("PodDisruptionBudget: block an eviction until the PDB is updated to allow it")
async def test_an_eviction_is_blocked_until_the_budget_allows_it(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.budgets.create(budget(minAvailable=3))
    await space.running(3)
    assert (await space.seen())["status"]["currentHealthy"] == 3
    for change in ({"minAvailable": 2}, {"maxUnavailable": 0, "minAvailable": None}):
        with pytest.raises(ApiError) as blocked:
            await space.evict("pod-0")
        assert (blocked.value.code, blocked.value.reason) == (429, "TooManyRequests")
        causes = blocked.value.status()["details"]["causes"]
        assert [one["reason"] for one in causes] == ["DisruptionBudget"]
        assert (await space.pods.get("pod-0"))["metadata"].get("deletionTimestamp") is None
        await space.budgets.patch("foo", {"spec": change}, MERGE)
        await space.seen()
        if "maxUnavailable" not in change:
            assert (await space.evict("pod-0"))["status"] == "Success"
            await cluster.settle(quiet=60)
            await space.pods.create(pod("pod-0"))
            await space.seen()
            await space.budgets.patch("foo", {"spec": {"minAvailable": 3}}, MERGE)
            await space.seen()
    with pytest.raises(ApiError):
        await space.evict("pod-0")
    await space.budgets.delete("foo")
    await space.evict("pod-0")
    await cluster.settle(quiet=60)
    with pytest.raises(ApiError) as gone:
        await space.pods.get("pod-0")
    assert gone.value.code == 404
