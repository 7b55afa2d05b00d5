"""The benchmark's workloads, and how it counts."""

from __future__ import annotations

import msgspec
import pytest

from benchmarks.scheduler.throughput import BoundPods, Throughput
from benchmarks.scheduler.workloads import WORKLOADS, Pods, Workload
from pybernetes.api.models import core_v1


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=lambda one: one.name)
def test_a_workload_measures_as_many_pods_as_it_says(workload: Workload) -> None:
    steps = workload.steps(workload.size)
    measured = [step for step in steps if isinstance(step, Pods) and step.measured]
    assert [step.count for step in measured] == [workload.size.pods]
    for step in steps:
        if isinstance(step, Pods):
            msgspec.convert(step.template, core_v1.Pod)


def test_a_smaller_run_has_as_many_pods_for_each_node() -> None:
    size = WORKLOADS["SchedulingPodAffinity"].size.scaled(50, None)
    assert (size.nodes, size.pods, size.first) == (50, 50, 50)


@pytest.mark.parametrize("length", [1, 7, 16, 1000])
def test_events_are_counted_wherever_the_stream_is_cut(length: int) -> None:
    counter = BoundPods()
    stream = b'{"type":"ADDED","object":{}}\n' * 5 + b'{"type":"MODIFIED","object":{}}\n'
    for start in range(0, len(stream), length):
        counter.data_received(stream[start : start + length])
    assert counter.count == 5


def test_percentiles_are_those_of_the_sorted_samples() -> None:
    throughput = Throughput(100, 4.0, [30.0, 10.0, 40.0, 20.0])
    assert throughput.average == 25
    assert [throughput.percentile(percent) for percent in (50, 90, 99)] == [20, 40, 40]
