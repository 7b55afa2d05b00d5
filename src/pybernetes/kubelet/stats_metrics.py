"""Numbers in Prometheus' text format: those of a summary as /metrics/resource serves them, and of what runs.

Follows pkg/kubelet/metrics/collectors/resource_metrics.go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from pybernetes.api.meta import parse_time
from pybernetes.kubelet.runtime import ContainerState

Document = dict[str, Any]


def resource_metrics(summary: Document) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Summary(summary))
    return generate_latest(registry)


def running_metrics(states: Sequence[ContainerState], pods: int) -> bytes:
    """How many pods and containers there are, for the kubelet's own metrics."""
    registry = CollectorRegistry(auto_describe=False)
    containers = Gauge(
        "kubelet_running_containers", "Number of containers by state", ["container_state"], registry=registry
    )
    for state, count in Counter(states).items():
        containers.labels(state.name.lower()).set(count)
    Gauge("kubelet_running_pods", "Number of pods of this node", registry=registry).set(pods)
    return generate_latest(registry)


class _Summary:
    """A collector over one summary."""

    def __init__(self, summary: Document) -> None:
        self._summary = summary

    def collect(self) -> Iterator[Metric]:
        yield from self._node()
        yield from self._pods()
        yield from self._containers()
        failed = GaugeMetricFamily("resource_scrape_error", "1 if the numbers could not be had, 0 otherwise")
        failed.add_metric([], 0)
        yield failed

    def _node(self) -> Iterator[Metric]:
        node = self._summary["node"]
        cpu = CounterMetricFamily("node_cpu_usage_seconds", "Cumulative cpu time consumed by the node in core-seconds")
        memory = GaugeMetricFamily("node_memory_working_set_bytes", "Current working set of the node in bytes")
        _add(cpu, memory, [], node)
        yield cpu
        yield memory

    def _pods(self) -> Iterator[Metric]:
        names = ["namespace", "pod"]
        cpu = CounterMetricFamily(
            "pod_cpu_usage_seconds", "Cumulative cpu time consumed by the pod in core-seconds", labels=names
        )
        memory = GaugeMetricFamily(
            "pod_memory_working_set_bytes", "Current working set of the pod in bytes", labels=names
        )
        for pod in self._summary["pods"]:
            _add(cpu, memory, [pod["podRef"]["namespace"], pod["podRef"]["name"]], pod)
        yield cpu
        yield memory

    def _containers(self) -> Iterator[Metric]:
        names = ["container", "namespace", "pod"]
        cpu = CounterMetricFamily(
            "container_cpu_usage_seconds", "Cumulative cpu time consumed by the container in core-seconds", labels=names
        )
        memory = GaugeMetricFamily(
            "container_memory_working_set_bytes", "Current working set of the container in bytes", labels=names
        )
        started = GaugeMetricFamily(
            "container_start_time_seconds", "Start time of the container since unix epoch in seconds", labels=names
        )
        for pod in self._summary["pods"]:
            for container in pod["containers"]:
                labels = [container["name"], pod["podRef"]["namespace"], pod["podRef"]["name"]]
                _add(cpu, memory, labels, container)
                started.add_metric(labels, parse_time(container["startTime"]).timestamp())
        yield cpu
        yield memory
        yield started


def _add(cpu: CounterMetricFamily, memory: GaugeMetricFamily, labels: list[str], part: Document) -> None:
    if (nanoseconds := part["cpu"].get("usageCoreNanoSeconds")) is not None:
        cpu.add_metric(labels, nanoseconds / 1e9)
    if (working_set := part["memory"].get("workingSetBytes")) is not None:
        memory.add_metric(labels, working_set)
