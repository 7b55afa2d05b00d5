"""What this server registers of itself, and what it leaves alone."""

from __future__ import annotations

import pytest

from apiserver.aggregation.extension import API_SERVICES, aggregating
from apiserver.custom.definitions import DEFINITIONS, definition, version
from apiserver.serving import Talk
from pybernetes.apiserver.aggregation.records import AUTOMANAGED
from pybernetes.apiserver.aggregation.registration import Act, History, built_in, decide
from pybernetes.apiserver.health import Health
from pybernetes.apiserver.metrics_storage import StorageMetrics
from pybernetes.apiserver.start_hooks import AGGREGATION, add_checks, add_hook
from pybernetes.store.memory import MemoryStore

NEW, RESTARTED, SETTLED = History(False, False), History(True, False), History(True, True)
AUTOMANAGED_BY_HAND = "v1.other.example.com"


async def group_names(talk: Talk) -> list[str]:
    return [group["name"] for group in (await talk.get("/apis")).body["groups"]]


def registered(managed: str = "", priority: int = 15) -> dict[str, object]:
    labels = {AUTOMANAGED: managed} if managed else {}
    return {"metadata": {"name": "v1.apps", "labels": labels}, "spec": {"versionPriority": priority}}


@pytest.mark.parametrize(
    ("desired", "current", "history", "act"),
    [
        (None, None, NEW, Act.NOTHING),
        (registered("onstart"), None, NEW, Act.CREATE),
        (registered("true"), None, NEW, Act.CREATE),
        (registered("onstart"), None, SETTLED, Act.NOTHING),
        (registered("true"), None, SETTLED, Act.CREATE),
        (None, registered(), RESTARTED, Act.NOTHING),
        (registered("true"), registered(priority=1), RESTARTED, Act.NOTHING),
        (None, registered("onstart"), NEW, Act.NOTHING),
        (registered("true"), registered("onstart", 1), NEW, Act.NOTHING),
        (None, registered("onstart"), RESTARTED, Act.DELETE),
        (registered("onstart"), registered("onstart", 1), RESTARTED, Act.UPDATE),
        (registered("onstart"), registered("onstart", 1), SETTLED, Act.NOTHING),
        (None, registered("true"), NEW, Act.DELETE),
        (registered("true"), registered("true", 1), SETTLED, Act.UPDATE),
        (registered("true"), registered("true"), NEW, Act.NOTHING),
    ],
)
def test_what_was_made_at_the_start_is_its_users_and_the_rest_follows_what_is_served(
    desired: dict[str, object] | None, current: dict[str, object] | None, history: History, act: Act
) -> None:
    assert decide(desired, current, history) is act


def test_only_groups_with_a_priority_of_upstreams_are_registered_but_for_the_registry_itself() -> None:
    found = built_in([("", "v1"), ("apps", "v1"), ("metrics.k8s.io", "v1beta1"), ("apiregistration.k8s.io", "v1")])
    assert found == {
        "v1.": {
            "metadata": {"name": "v1.", "labels": {AUTOMANAGED: "onstart"}},
            "spec": {"version": "v1", "groupPriorityMinimum": 18000, "versionPriority": 1},
        },
        "v1.apps": {
            "metadata": {"name": "v1.apps", "labels": {AUTOMANAGED: "onstart"}},
            "spec": {"group": "apps", "version": "v1", "groupPriorityMinimum": 17800, "versionPriority": 15},
        },
    }


async def test_every_group_version_that_is_built_in_is_registered_and_available() -> None:
    async with aggregating() as talk:
        services = (await talk.get(API_SERVICES)).body["items"]
        served = {(one["spec"].get("group", ""), one["spec"]["version"]) for one in services}
        assert {("", "v1"), ("apps", "v1"), ("batch", "v1"), ("autoscaling", "v2")} <= served
        assert ("apiregistration.k8s.io", "v1") not in served
        for one in services:
            (condition,) = one["status"]["conditions"]
            assert condition.pop("lastTransitionTime")
            assert condition == {
                "type": "Available",
                "status": "True",
                "reason": "Local",
                "message": "Local APIServices are always available",
            }
        assert (await group_names(talk))[:2] == ["apiregistration.k8s.io", "apps"]


async def test_metrics_tell_which_ones_cannot_be_had() -> None:
    async with aggregating() as talk:
        await talk.register(AUTOMANAGED_BY_HAND)
        await talk.condition("ServiceNotFound", AUTOMANAGED_BY_HAND)
        metrics = {one.name: one for one in StorageMetrics(talk.server).collect()}
        samples = metrics["aggregator_unavailable_apiservice"].samples
        told = {sample.labels["name"]: sample.value for sample in samples}
        assert (told["v1.apps"], told[AUTOMANAGED_BY_HAND]) == (0, 1)


def test_what_aggregation_does_is_told_before_the_end_of_the_server() -> None:
    async def check() -> str | None:
        return None

    health = Health()
    health.ready["shutdown"] = check
    hook = add_hook(health, AGGREGATION)
    add_checks(health, ("autoregister-completion",), hook)
    assert list(health.ready)[-2:] == ["poststarthook/apiservice-openapiv3-controller", "shutdown"]
    assert "autoregister-completion" in health.live
    assert "shutdown" not in health.live


async def test_a_definitions_versions_are_registered_while_they_are_served() -> None:
    async with aggregating() as talk:
        versions = [version("v1"), version("v1alpha1"), {**version("v2"), "served": False}]
        assert (await talk.post(DEFINITIONS, definition(versions=versions))).status == 201
        await talk.condition("Local", "v1.example.com")
        await talk.condition("Local", "v1alpha1.example.com")
        one = (await talk.get(f"{API_SERVICES}/v1.example.com")).body
        assert one["metadata"]["labels"] == {AUTOMANAGED: "true"}
        assert one["spec"] == {
            "group": "example.com",
            "version": "v1",
            "groupPriorityMinimum": 1000,
            "versionPriority": 100,
        }
        assert (await talk.get(f"{API_SERVICES}/v2.example.com")).status == 404
        watches = [
            await talk.watch(API_SERVICES, fieldSelector=f"metadata.name={name}.example.com")
            for name in ("v1", "v1alpha1")
        ]
        for watch in watches:
            assert (await watch.next())[0] == "ADDED"
        await talk.patch(f"{API_SERVICES}/v1.example.com", {"spec": {"versionPriority": 7}})
        changed = [(await watches[0].next())[1]["spec"]["versionPriority"] for _ in range(2)]
        assert changed == [7, 100]
        await talk.delete(f"{DEFINITIONS}/widgets.example.com")
        assert [(await watch.next())[0] for watch in watches] == ["DELETED", "DELETED"]


async def test_a_built_in_one_that_is_deleted_stays_away_until_the_next_start() -> None:
    store = MemoryStore()
    async with aggregating(store=store) as talk:
        watch = await talk.watch(API_SERVICES, fieldSelector="metadata.name=v1.batch")
        await watch.next()
        assert (await talk.delete(f"{API_SERVICES}/v1.batch")).status == 200
        assert (await watch.next())[0] == "DELETED"
        await talk.register(AUTOMANAGED_BY_HAND)
        await talk.condition("ServiceNotFound", AUTOMANAGED_BY_HAND)
        assert (await talk.get(f"{API_SERVICES}/v1.batch")).status == 404
        assert "batch" not in await group_names(talk)
        assert (await talk.get("/apis/batch/v1")).status == 200
        await talk.delete("/api/v1/namespaces/default/serviceaccounts/default")
    async with aggregating(store=store) as talk:
        assert (await talk.get(f"{API_SERVICES}/v1.batch")).status == 200
        assert "batch" in await group_names(talk)


async def test_a_priority_that_was_changed_counts_in_the_older_discovery() -> None:
    async with aggregating() as talk:
        before = await group_names(talk)
        await talk.patch(f"{API_SERVICES}/v1.autoscaling", {"spec": {"versionPriority": 99}})
        await talk.patch(f"{API_SERVICES}/v1.apps", {"spec": {"groupPriorityMinimum": 5}})
        await talk.register(AUTOMANAGED_BY_HAND, groupPriorityMinimum=1)
        await talk.condition("ServiceNotFound", AUTOMANAGED_BY_HAND)
        assert await group_names(talk) == [*(one for one in before if one != "apps"), "apps", "other.example.com"]
        group = (await talk.get("/apis/autoscaling")).body
        assert [one["version"] for one in group["versions"]] == ["v1", "v2"]
        assert group["preferredVersion"]["version"] == "v1"


async def test_a_local_one_that_nobody_serves_is_listed_and_not_found() -> None:
    async with aggregating() as talk:
        await talk.register("v3.nobody.example.com", service=None, caBundle=None)
        await talk.register(AUTOMANAGED_BY_HAND)
        await talk.condition("ServiceNotFound", AUTOMANAGED_BY_HAND)
        assert "nobody.example.com" in await group_names(talk)
        assert (await talk.get("/apis/nobody.example.com")).body["versions"] == [
            {"groupVersion": "nobody.example.com/v3", "version": "v3"}
        ]
        assert (await talk.get("/apis/nobody.example.com/v3")).status == 404


async def test_one_that_becomes_local_is_available() -> None:
    async with aggregating() as talk:
        await talk.register()
        await talk.condition("ServiceNotFound")
        path = f"{API_SERVICES}/v1.wardle.example.com"
        written = await talk.patch(path, {"spec": {"service": None, "caBundle": None}})
        assert written.status == 200
        assert (await talk.condition("Local"))["status"] == "True"
