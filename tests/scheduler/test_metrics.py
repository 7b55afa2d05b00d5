from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pybernetes.api.clock import SystemClock
from pybernetes.api.models import core_v1
from pybernetes.scheduler.figures import SchedulerFigures, attempts_label
from pybernetes.scheduler.metrics import metrics_of
from pybernetes.scheduler.pod_resource_metrics import pod_resource_metrics
from pybernetes.scheduler.scheduler import Scheduler
from pybernetes.testing.cluster import Cluster


def pod(name: str, cpu: str, **spec: Any) -> core_v1.Pod:
    container = {"name": "main", "image": "app", "resources": {"requests": {"cpu": cpu}, "limits": {"memory": "1Gi"}}}
    document = {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": [container], **spec}}
    return msgspec.convert(document, core_v1.Pod)


def samples(text: bytes) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for one in family.samples:
            found.setdefault(one.name, {})[frozenset(one.labels.items())] = one.value
    return found


def at(**labels: str) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items())


@pytest.mark.virtual_time
async def test_attempts_queues_and_plugins_are_told_under_upstreams_names() -> None:
    async with Cluster(nodes=1, scheduler=False) as cluster:
        scheduler = Scheduler(cluster.client, cluster.clock, Random(0))
        running = asyncio.create_task(scheduler.run())
        await cluster.apply(pod("fits", "1"))
        await cluster.apply(pod("large", "60"))
        await cluster.apply(pod("gated", "1", schedulingGates=[{"name": "example.com/wait"}]))
        await cluster.settle()
        told = samples(metrics_of(scheduler, leads=True))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    mine = "default-scheduler"
    attempts = told["scheduler_schedule_attempts_total"]
    assert attempts == {at(result="scheduled", profile=mine): 1, at(result="unschedulable", profile=mine): 1}
    assert told["scheduler_scheduling_attempt_duration_seconds_count"] == attempts
    assert told["scheduler_pod_scheduling_sli_duration_seconds_count"] == {at(attempts="1"): 1}
    assert told["scheduler_pod_scheduling_attempts_sum"] == {at(): 1}
    assert told["scheduler_scheduling_algorithm_duration_seconds_count"] == {at(): 2}
    pending = told["scheduler_pending_pods"]
    assert pending == {at(queue=one): number for one, number in zip(QUEUES, (0, 0, 1, 1), strict=True)}
    assert told["scheduler_unschedulable_pods"] == {
        at(plugin="NodeResourcesFit", profile=mine): 1,
        at(plugin="SchedulingGates", profile=mine): 1,
    }
    incoming = told["scheduler_queue_incoming_pods_total"]
    assert incoming[at(queue="active", event="UnschedulablePodAdd")] == 2
    assert incoming[at(queue="unschedulable", event="UnschedulablePodAdd")] == 1
    assert incoming[at(queue="unschedulable", event="ScheduleAttemptFailure")] == 1
    points = told["scheduler_framework_extension_point_duration_seconds_count"]
    assert points[at(extension_point="Filter", status="Success", profile=mine)] == 2
    assert points[at(extension_point="PostFilter", status="Unschedulable", profile=mine)] == 1
    evaluated = told["scheduler_plugin_evaluation_total"]
    assert evaluated[at(plugin="NodeResourcesFit", extension_point="Filter", profile=mine)] >= 1
    assert told["scheduler_preemption_attempts_total"] == {at(): 1}
    assert told["scheduler_cache_size"] == {at(type="nodes"): 1, at(type="pods"): 1, at(type="assumed_pods"): 0}
    assert told["leader_election_master_status"] == {at(name="kube-scheduler"): 1}


QUEUES = ("active", "backoff", "unschedulable", "gated")


def test_one_decision_in_ten_is_sampled() -> None:
    figures = SchedulerFigures(SystemClock())
    assert [figures.is_sampled() for _ in range(20)].count(True) == 2


@pytest.mark.parametrize(("attempts", "label"), [(1, "1"), (14, "14"), (15, "15+"), (90, "15+")])
def test_many_attempts_are_told_as_one(attempts: int, label: str) -> None:
    assert attempts_label(attempts) == label


def test_what_pods_ask_for_is_told_with_units_and_without_pods_that_have_ended() -> None:
    waits, runs, ended = pod("waits", "250m", priority=7), pod("runs", "1"), pod("ended", "1")
    runs.spec.node_name = ended.spec.node_name = "node-0"
    runs.spec.scheduler_name = "mine"
    ended.status.phase = "Failed"
    told = samples(pod_resource_metrics([waits, runs, ended]))
    labels = {"namespace": "default", "resource": "cpu", "unit": "cores"}
    assert told["kube_pod_resource_request"] == {
        at(pod="waits", node="", scheduler="", priority="7", **labels): 0.25,
        at(pod="runs", node="node-0", scheduler="mine", priority="", **labels): 1,
    }
    assert set(told["kube_pod_resource_limit"].values()) == {1024.0**3}
