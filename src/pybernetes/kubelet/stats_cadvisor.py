"""The numbers of a summary under the names that dashboards know from cAdvisor, as /metrics/cadvisor serves them.

A pod's own series (its network, its sum) have an empty `container`, a machine's have the `id` "/".
Not there: per-device and per-CPU series, and limits (`container_spec_*`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from pybernetes.api.meta import parse_time
from pybernetes.kubelet.cgroup_usage import meminfo

Document = dict[str, Any]

_LABELS = ["container", "id", "image", "name", "namespace", "pod"]
_MEMORY = {
    "container_memory_working_set_bytes": ("workingSetBytes", "Current working set in bytes"),
    "container_memory_usage_bytes": ("usageBytes", "Current memory usage in bytes, with all caches"),
    "container_memory_rss": ("rssBytes", "Size of anonymous memory in bytes"),
}
_NETWORK = {
    "container_network_receive_bytes": ("rxBytes", "Cumulative count of bytes received"),
    "container_network_receive_errors": ("rxErrors", "Cumulative count of errors while receiving"),
    "container_network_transmit_bytes": ("txBytes", "Cumulative count of bytes transmitted"),
    "container_network_transmit_errors": ("txErrors", "Cumulative count of errors while transmitting"),
}


def cadvisor_metrics(summary: Document, images: Mapping[tuple[str, str, str], tuple[str, str]]) -> bytes:
    """`images` tells for (namespace, pod, container) the container's id and image."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(summary, images))
    return generate_latest(registry)


class _Collector:
    def __init__(self, summary: Document, images: Mapping[tuple[str, str, str], tuple[str, str]]) -> None:
        self._summary = summary
        self._images = images

    def collect(self) -> Iterator[Metric]:
        parts = list(self._parts())
        yield _counter_of(
            "container_cpu_usage_seconds", "Cumulative cpu time consumed in seconds", parts, "usageCoreNanoSeconds"
        )
        for name, (key, text) in _MEMORY.items():
            yield _memory(name, text, parts, key)
        yield from self._started()
        yield from self._network()
        cores = GaugeMetricFamily("machine_cpu_cores", "Number of logical CPU cores")
        cores.add_metric([], os.cpu_count() or 1)
        yield cores
        memory = GaugeMetricFamily("machine_memory_bytes", "Amount of memory installed on the machine")
        memory.add_metric([], int(meminfo()["MemTotal"].split()[0]) * 1024)
        yield memory

    def _parts(self) -> Iterator[tuple[list[str], Document]]:
        """Everything that has a cpu and a memory: the machine, each pod, each container."""
        yield ["", "/", "", "", "", ""], self._summary["node"]
        for pod in self._summary["pods"]:
            yield self._labels(pod, ""), pod
            for container in pod["containers"]:
                yield self._labels(pod, container["name"]), container

    def _labels(self, pod: Document, container: str) -> list[str]:
        namespace, name = pod["podRef"]["namespace"], pod["podRef"]["name"]
        identifier, image = self._images.get((namespace, name, container), (f"pod{pod['podRef']['uid']}", ""))
        return [container, identifier, image, identifier if container else "", namespace, name]

    def _started(self) -> Iterator[Metric]:
        family = GaugeMetricFamily("container_start_time_seconds", "Start time since unix epoch", labels=_LABELS)
        for pod in self._summary["pods"]:
            for container in pod["containers"]:
                family.add_metric(self._labels(pod, container["name"]), parse_time(container["startTime"]).timestamp())
        yield family

    def _network(self) -> Iterator[Metric]:
        owners = [(["", "/", "", "", "", ""], self._summary["node"])]
        owners += [(self._labels(pod, ""), pod) for pod in self._summary["pods"]]
        for name, (key, text) in _NETWORK.items():
            family = CounterMetricFamily(name, text, labels=[*_LABELS, "interface"])
            for labels, owner in owners:
                for interface in (owner.get("network") or {}).get("interfaces", ()):
                    family.add_metric([*labels, interface["name"]], interface[key])
            yield family


def _counter_of(name: str, text: str, parts: list[tuple[list[str], Document]], key: str) -> Metric:
    family = CounterMetricFamily(name, text, labels=[*_LABELS, "cpu"])
    for labels, part in parts:
        if (nanoseconds := part["cpu"].get(key)) is not None:
            family.add_metric([*labels, "total"], nanoseconds / 1e9)
    return family


def _memory(name: str, text: str, parts: list[tuple[list[str], Document]], key: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=_LABELS)
    for labels, part in parts:
        if (value := part["memory"].get(key)) is not None:
            family.add_metric(labels, value)
    return family
