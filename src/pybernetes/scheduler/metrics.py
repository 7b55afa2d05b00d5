"""The scheduler's figures under upstream's names, put together when somebody asks.

Not there, because there is nothing like it: batches (`scheduler_batch_*`, `…_get_node_hint_…`,
`…_store_schedule_results_…`), API calls on the side (`scheduler_async_api_call_*`), goroutines, and points at which no
plugin is asked by itself (`Sign`, `PreScore`, `PreBindPreFlight`).
Not built: the times of hints, permits, evictions, and of points after a node is chosen.

Follows pkg/scheduler/metrics/metrics.go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from pybernetes.api.features import ALPHA
from pybernetes.api.figures import Counts
from pybernetes.api.metric_families import counter, gauge, histogram, single
from pybernetes.scheduler.event_names import NAMES
from pybernetes.scheduler.figures import FILTER, SCORE, SchedulerFigures
from pybernetes.scheduler.scheduler import Scheduler

_RESULT, _POINT = ("result", "profile"), ("extension_point", "status", "profile")


def metrics_of(scheduler: Scheduler, *, leads: bool) -> bytes:
    """The text that /metrics answers. ``leads``: whether it is this scheduler that schedules."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Metrics(scheduler, leads=leads))
    return generate_latest(registry)


class _Metrics(Collector):
    def __init__(self, scheduler: Scheduler, *, leads: bool) -> None:
        self._scheduler = scheduler
        self._leads = leads

    def describe(self) -> list[Metric]:
        """Nothing is collected before somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        figures = self._scheduler.figures
        yield from _attempts(figures)
        yield from _points(figures)
        yield from _preemption(figures, self._scheduler.state.devices.claims_created)
        yield from _queues(self._scheduler)
        yield from _now(self._scheduler)
        gates = {(name, "ALPHA"): int(name in self._scheduler.features) for name in ALPHA}
        yield gauge("kubernetes_feature_enabled", "[BETA] Features that can be turned on.", ("name", "stage"), gates)
        yield gauge(
            "leader_election_master_status",
            "[ALPHA] Whether this process leads.",
            ("name",),
            {("kube-scheduler",): float(self._leads)},
        )


def _attempts(figures: SchedulerFigures) -> Iterator[Metric]:
    attempts = {
        (result.value, name): one
        for name, profile in figures.profiles.items()
        for result, one in profile.attempts.items()
        if one.count
    }
    yield counter(
        "scheduler_schedule_attempts_total",
        "[STABLE] Attempts to schedule pods, by what came of them.",
        _RESULT,
        {labels: one.count for labels, one in attempts.items()},
    )
    seconds = "scheduler_scheduling_attempt_duration_seconds"
    yield histogram(seconds, "[STABLE] How long attempts took, with binding.", _RESULT, attempts)
    yield histogram(
        "scheduler_scheduling_algorithm_duration_seconds",
        "[ALPHA] How long decisions took.",
        (),
        {(): figures.algorithm},
    )
    yield histogram(
        "scheduler_pod_scheduling_sli_duration_seconds",
        "[BETA] How long it took until pods were scheduled, from when they could be tried.",
        ("attempts",),
        figures.objective,
    )
    tries = "scheduler_pod_scheduling_attempts"
    yield histogram(tries, "[STABLE] How many attempts it took to schedule pods.", (), {(): figures.tries})
    yield counter(
        "scheduler_pod_scheduled_after_flush_total",
        "[ALPHA] Pods that were scheduled after nothing had happened for them for long.",
        (),
        single(figures.after_flush),
    )


def _points(figures: SchedulerFigures) -> Iterator[Metric]:
    profiles = figures.profiles.items()
    yield histogram(
        "scheduler_framework_extension_point_duration_seconds",
        "[STABLE] How long all plugins of an extension point took.",
        _POINT,
        {(*labels, name): one for name, profile in profiles for labels, one in profile.points.items()},
    )
    yield histogram(
        "scheduler_plugin_execution_duration_seconds",
        "[ALPHA] How long one plugin took, for one decision in ten.",
        ("plugin", "extension_point", "status"),
        figures.plugins,
    )
    yield counter(
        "scheduler_plugin_evaluation_total",
        "[BETA] How often plugins were asked, about all nodes at once.",
        ("plugin", "extension_point", "profile"),
        {
            (plugin, point, name): number
            for name, profile in profiles
            for point, asked in ((FILTER, profile.filtered), (SCORE, profile.scored))
            for plugin, number in asked.items()
        },
    )


def _preemption(figures: SchedulerFigures, claims_created: Counts) -> Iterator[Metric]:
    attempts = "scheduler_preemption_attempts_total"
    yield counter(attempts, "[STABLE] How often it was asked who might have to go.", (), single(figures.preemptions))
    yield histogram(
        "scheduler_preemption_victims", "[STABLE] Pods that had to go, each time.", (), {(): figures.victims}
    )
    created = "scheduler_resourceclaim_creates_total"
    yield counter(created, "[ALPHA] Claims that were created for extended resources.", ("status",), claims_created)


def _queues(scheduler: Scheduler) -> Iterator[Metric]:
    queue = scheduler.queue
    lengths = queue.pending()
    by_queue = {(name,): getattr(lengths, name) for name in ("active", "backoff", "unschedulable", "gated")}
    yield gauge("scheduler_pending_pods", "[STABLE] Pods that wait, by queue.", ("queue",), by_queue)
    incoming = "scheduler_queue_incoming_pods_total"
    yield counter(
        incoming, "[STABLE] Pods that came into a queue, by what brought them.", ("queue", "event"), queue.incoming
    )
    handling = "scheduler_event_handling_duration_seconds"
    yield histogram(handling, "[ALPHA] How long it took to see whom news could help.", ("event",), queue.handling)
    refused = Counter((plugin, pod.scheduler_name) for pod, plugins in queue.refused() for plugin in plugins)
    text = "[BETA] Pods that wait, by the plugins to which they owe it."
    yield gauge("scheduler_unschedulable_pods", text, ("plugin", "profile"), refused)
    tried, changes = queue.in_flight
    events = Counter((NAMES[one.event],) for one in changes)
    events["PodPopped",] = tried
    yield gauge("scheduler_inflight_events", "[ALPHA] News kept for pods that are being tried.", ("event",), events)


def _now(scheduler: Scheduler) -> Iterator[Metric]:
    nodes, pods, assumed = scheduler.state.sizes
    sizes = {("nodes",): nodes, ("pods",): pods, ("assumed_pods",): assumed}
    yield gauge("scheduler_cache_size", "[ALPHA] Nodes, pods and pods on their way to a node.", ("type",), sizes)
