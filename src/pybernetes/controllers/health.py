"""How the controllers of a process are, and what their queues have done: for people, for probes and for Prometheus.

A controller that keeps failing at something, or has worked at it for long, is troubled; the process is healthy all the
same: starting it again would help nobody. Metrics have upstream's names, `name` is the controller's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    from pybernetes.api.metric_families import counter, gauge, histogram

    names = ["name"]
    queues = {(one.name,): one.queue for one in controllers}
    figures = {name: queue.figures for name, queue in queues.items()}
    yield gauge("workqueue_depth", "Keys that wait", names, {name: len(queue) for name, queue in queues.items()})
    added = {name: one.adds for name, one in figures.items()}
    yield counter("workqueue_adds_total", "Keys that were added", names, added)
    waited = {name: one.waited for name, one in figures.items()}
    yield histogram("workqueue_queue_duration_seconds", "How long keys waited", names, waited)
    worked = {name: one.worked for name, one in figures.items()}
    yield histogram("workqueue_work_duration_seconds", "How long keys were worked on", names, worked)
    yield gauge(
        "workqueue_unfinished_work_seconds",
        "Seconds of work under way, all together",
        names,
        {name: one.unfinished() for name, one in figures.items()},
    )
    yield gauge(
        "workqueue_longest_running_processor_seconds",
        "Seconds that the oldest work under way has taken",
        names,
        {name: one.longest() for name, one in figures.items()},
    )
    again = {name: one.retries for name, one in figures.items()}
    yield counter("workqueue_retries_total", "Keys that were added again after a failure", names, again)
