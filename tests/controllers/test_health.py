"""What the controllers' process says of its queues, and the names by which controllers are chosen."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from controllers.make import template
from pybernetes.api.models import apps_v1, core_v1, meta_v1
from pybernetes.controllers import CONTROLLERS, REGISTRY, UnknownController, not_running, select
from pybernetes.controllers.aliases import ALIASES
from pybernetes.controllers.health import FAILURES, health_of, metrics_of
from pybernetes.controllers.not_run import NOT_RUN
from pybernetes.testing.cluster import Cluster


def test_controllers_are_chosen_by_upstreams_short_names_too() -> None:
    names = {one.name for one in select(CONTROLLERS, ("*", "-cronjob", "-endpoint"))}
    by_default = {name for name, controller in REGISTRY.items() if controller.enabled_by_default}
    assert names == by_default - {"cronjob-controller", "endpoints-controller"}
    assert [one.name for one in select(CONTROLLERS, ("garbagecollector",))] == ["garbage-collector-controller"]
    with pytest.raises(UnknownController, match="'cronjobs' is not in the list of known controllers"):
        select(CONTROLLERS, ("*", "-cronjobs"))


def test_an_alias_is_no_controllers_proper_name_and_stands_for_one() -> None:
    known = set(REGISTRY) | set(NOT_RUN)
    assert not set(ALIASES) & known
    assert set(ALIASES.values()) <= known


def test_names_of_controllers_that_do_not_run_are_known_and_told() -> None:
    assert not set(NOT_RUN) & set(REGISTRY)
    assert select(CONTROLLERS, ("csrsigning", "-node-route-controller")) == []
    assert not_running(("*", "svm", "-route", "job")) == {
        "storage-version-migrator-controller": NOT_RUN["storage-version-migrator-controller"]
    }


async def test_queues_are_told_of_under_upstreams_names(cluster: Cluster) -> None:
    await cluster.apply(replica_set("web"))
    await cluster.settle()
    samples = {
        (sample.name, sample.labels.get("name"), sample.labels.get("le")): sample.value
        for family in text_string_to_metric_families(metrics_of(cluster.manager.controllers).decode())
        for sample in family.samples
    }
    queue = "replicaset-controller"
    assert samples["workqueue_depth", queue, None] == 0
    assert samples["workqueue_adds_total", queue, None] >= 2
    assert samples["workqueue_retries_total", queue, None] == 0
    assert samples["workqueue_unfinished_work_seconds", queue, None] == 0
    assert samples["workqueue_longest_running_processor_seconds", queue, None] == 0
    worked = samples["workqueue_work_duration_seconds_count", queue, None]
    assert worked == samples["workqueue_queue_duration_seconds_bucket", queue, "+Inf"] >= 2
    assert ("workqueue_work_duration_seconds_bucket", queue, "1e-08") in samples


async def test_a_controller_that_keeps_failing_says_at_what(cluster: Cluster) -> None:
    quota = core_v1.ResourceQuota(
        metadata=meta_v1.ObjectMeta(name="none", namespace="default"),
        spec=core_v1.ResourceQuotaSpec(hard={"pods": "0"}),
    )
    await cluster.apply(quota)
    await cluster.settle()
    web = await cluster.apply(replica_set("web"))
    await asyncio.sleep(20)
    [controller] = [one for one in cluster.manager.controllers if one.name == "replicaset-controller"]
    health = health_of(controller)
    assert health.failing == 1
    assert health.problem.startswith("default/web failed ")
    assert "exceeded quota: none" in health.problem
    assert controller.queue.failing(FAILURES)
    await cluster.delete(quota)
    await cluster.pods_of(web, ready=1)
    assert health_of(controller).problem == ""


def replica_set(name: str) -> apps_v1.ReplicaSet:
    return apps_v1.ReplicaSet(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default"),
        spec=apps_v1.ReplicaSetSpec(
            replicas=1, selector=meta_v1.LabelSelector(match_labels={"app": "web"}), template=template()
        ),
    )
