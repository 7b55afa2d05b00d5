"""How the controllers of a process are, and what their queues have done: for people, for probes and for Prometheus.

A controller that keeps failing at something, or has worked at it for long, is troubled; the process is healthy all the
same: starting it again would help nobody. Metrics have upstream's names, `name` is the controller's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybernetes.client.queue_figures import BOUNDS, Durations
from pybernetes.controllers.controller import Controller

if TYPE_CHECKING:
    from prometheus_client.core import Metric

FAILURES, SLOW_SECONDS = 8, 60.0
"""Eight failures in a row take more than a second of waiting; no reconcile takes a minute."""


@dataclass(frozen=True, slots=True)
class Health:
    """One controller. `problem` is empty where it is well."""

    name: str
    waiting: int
    failing: int
    longest_seconds: float
    problem: str


def health_of(controller: Controller) -> Health:
    queue = controller.queue
    failing = queue.failing(FAILURES)
    longest = queue.figures.longest()
    problem = ""
    if failing:
        key, times = max(failing.items(), key=lambda item: item[1])
        problem = f"{key} failed {times} times in a row: {controller.last_errors.get(key, 'no reason is known')}"
    elif longest > SLOW_SECONDS:
        problem = f"has been at work on one object for {longest:.0f} s"
    return Health(controller.name, len(queue), len(failing), round(longest, 3), problem)


def metrics_of(controllers: Sequence[Controller]) -> bytes:
    """The text that /metrics answers."""
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
    from prometheus_client.registry import Collector

    class Queues(Collector):
        def collect(self) -> Iterator[Metric]:
            yield from _families(controllers)

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(Queues())
    return generate_latest(registry)


def _families(controllers: Sequence[Controller]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    names = ["name"]
    depth = GaugeMetricFamily("workqueue_depth", "Keys that wait", labels=names)
    unfinished = GaugeMetricFamily(
        "workqueue_unfinished_work_seconds", "Seconds of work under way, all together", labels=names
    )
    longest = GaugeMetricFamily(
        "workqueue_longest_running_processor_seconds", "Seconds that the oldest work under way has taken", labels=names
    )
    adds = CounterMetricFamily("workqueue_adds", "Keys that were added", labels=names)
    retries = CounterMetricFamily("workqueue_retries", "Keys that were added again after a failure", labels=names)
    waited = HistogramMetricFamily("workqueue_queue_duration_seconds", "How long keys waited", labels=names)
    worked = HistogramMetricFamily("workqueue_work_duration_seconds", "How long keys were worked on", labels=names)
    for one in controllers:
        name, figures = [one.name], one.queue.figures
        depth.add_metric(name, len(one.queue))
        unfinished.add_metric(name, figures.unfinished())
        longest.add_metric(name, figures.longest())
        adds.add_metric(name, figures.adds)
        retries.add_metric(name, figures.retries)
        waited.add_metric(name, _buckets(figures.waited), figures.waited.total)
        worked.add_metric(name, _buckets(figures.worked), figures.worked.total)
    yield from (depth, adds, waited, worked, unfinished, longest, retries)


def _buckets(durations: Durations) -> list[tuple[str, float]]:
    sums, so_far = [], 0
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), durations.counts, strict=True):
        so_far += count
        sums.append((bound, float(so_far)))
    return sums
