"""What each pod asks for and may use at most, as `/metrics/resources` tells it: a line for each pod and resource.

Follows pkg/scheduler/metrics/resources.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pybernetes.api.codec import to_document
from pybernetes.api.models import core_v1
from pybernetes.api.quota.amounts import Amounts, read, total
from pybernetes.api.quota.pod_resources import pod_limits, pod_requests

_LABELS = ("namespace", "pod", "node", "scheduler", "priority", "resource", "unit")
_UNITS = {"cpu": "cores", "memory": "bytes", "storage": "bytes", "ephemeral-storage": "bytes"}


def pod_resource_metrics(pods: Iterable[core_v1.Pod]) -> bytes:
    registry = CollectorRegistry()
    registry.register(_PodResources(pods))
    return generate_latest(registry)


class _PodResources(Collector):
    def __init__(self, pods: Iterable[core_v1.Pod]) -> None:
        self._pods = pods

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        requests = GaugeMetricFamily("kube_pod_resource_request", "[STABLE] What pods ask for.", labels=_LABELS)
        limits = GaugeMetricFamily("kube_pod_resource_limit", "[STABLE] What pods may use at most.", labels=_LABELS)
        for pod in self._pods:
            if pod.spec.node_name and pod.status.phase in ("Succeeded", "Failed"):
                continue
            spec = to_document(pod).get("spec") or {}
            overhead = read(spec.get("overhead"))
            most = pod_limits(spec)
            _add(requests, pod, total(pod_requests(spec), overhead))
            _add(limits, pod, total(most, {name: amount for name, amount in overhead.items() if name in most}))
        yield from (one for one in (requests, limits) if one.samples)


def _add(family: GaugeMetricFamily, pod: core_v1.Pod, amounts: Amounts) -> None:
    spec = pod.spec
    priority = "" if spec.priority is None else str(spec.priority)
    known = (pod.metadata.namespace, pod.metadata.name, spec.node_name, spec.scheduler_name, priority)
    for name, amount in sorted(amounts.items()):
        if value := float(amount):
            family.add_metric((*known, name, _unit(name)), value)


def _unit(resource: str) -> str:
    if resource.startswith("hugepages-"):
        return "bytes"
    return "integer" if resource.startswith("attachable-volumes-") else _UNITS.get(resource, "")
