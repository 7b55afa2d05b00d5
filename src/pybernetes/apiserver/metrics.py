"""How many requests, how long, how large, under upstream's names. Follows k8s.io/apiserver/pkg/endpoints/metrics.

Requests are counted in plain integers, which a collector turns into metrics when somebody asks: a request must not pay
for being counted. What the other rooms of the server count is read by the collectors of the other ``metrics_*`` files.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from pybernetes.api.features import ALPHA
from pybernetes.api.figures import Counts, Histogram, Histograms
from pybernetes.api.metric_families import counter, cumulative, gauge, histogram, single
from pybernetes.apiserver.figures import REQUEST_SECONDS
from pybernetes.apiserver.http import PLAIN_TEXT, ApiRequest, ApiResponse
from pybernetes.apiserver.list_body import ListBody
from pybernetes.apiserver.metrics_access import AccessMetrics
from pybernetes.apiserver.metrics_admission import AdmissionMetrics
from pybernetes.apiserver.metrics_fairness import FairnessMetrics
from pybernetes.apiserver.metrics_process import ProcessMetrics
from pybernetes.apiserver.metrics_storage import StorageMetrics
from pybernetes.apiserver.request_info import RequestInfo, parse
from pybernetes.apiserver.routes import Call
from pybernetes.apiserver.server import ApiServer

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
EVENT_BYTES = tuple(1024 * 2**power for power in range(8))
"""By which the lines of watches are told apart."""
_BYTES = (1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)
_BODY_BYTES = tuple(50_000 + 100_000 * step for step in range(31))
_COARSE = 2
"""Of the bounds of durations, the first ones are missing where only objectives matter."""
_LABELS = ("verb", "group", "version", "resource", "subresource", "scope", "component")
_GROUPED = ("group", "version", "resource")
_STABILITY = ("stability_level", "deprecated_version")
_BODY_LABELS = ("group", "resource", "verb")
Labels = tuple[str, str, str, str, str, str, str]

_VERBS = {"create": "POST", "update": "PUT", "deletecollection": "DELETECOLLECTION"}
_CONNECTED = frozenset({"attach", "exec", "log", "portforward", "proxy"})
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_APPLY = "application/apply-patch"
_STATUS_LABEL = "code"
_BODY_VERBS = {
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "APPLY": "patch",
    "DELETE": "delete",
    "DELETECOLLECTION": "delete_collection",
}
_VALIDATIONS = frozenset({"Ignore", "Warn", "Strict"})
_DEPRECATED = {("", "v1", "componentstatuses"), ("", "v1", "endpoints")}
_WITHOUT_ENDING = (
    "apiserver_admission_webhook_fail_open_count",
    "apiserver_admission_webhook_rejection_count",
    "authenticated_user_requests",
    "authentication_attempts",
)
"""Counters whose names upstream does not end with `_total`, as the library does."""


class _Tally:
    """What happened to requests of one kind."""

    __slots__ = ("codes", "received", "seconds", "size", "sizes", "times")

    def __init__(self) -> None:
        self.codes: dict[tuple[int, str], int] = {}
        self.seconds = 0.0
        self.times = [0] * (len(REQUEST_SECONDS) + 1)
        self.size = 0
        self.sizes = [0] * (len(_BYTES) + 1)
        self.received = Histogram(_BODY_BYTES)


class Watching:
    """One client's watch, while it is open. Of its lines, ``sizes`` says how many were how long."""

    __slots__ = ("_metrics", "bytes", "labels", "sizes")

    def __init__(self, metrics: Metrics, labels: Labels) -> None:
        self._metrics = metrics
        self.labels = labels
        self.sizes = [0] * (len(EVENT_BYTES) + 1)
        self.bytes = 0

    def end(self) -> None:
        self._metrics.forget(self)


class Metrics(Collector):
    """Request metrics of one server; ``serve`` is the handler of `/metrics`, ``registry`` takes further collectors."""

    def __init__(self, server: ApiServer) -> None:
        self._tallies: dict[Labels, _Tally] = {}
        self._features = server.options.features
        self._watches: set[Watching] = set()
        self._told = Histograms(EVENT_BYTES)
        self._terminated = Counts()
        self._aborted = Counts()
        self._field_validation = Histograms(REQUEST_SECONDS[_COARSE:])
        self.registry = CollectorRegistry()
        self.registry.register(self)
        more = (StorageMetrics, FairnessMetrics, AccessMetrics, AdmissionMetrics)
        for collector in (*(make(server) for make in more), ProcessMetrics()):
            self.registry.register(collector)
        ProcessCollector(registry=self.registry)

    def count(self, request: ApiRequest, answer: ApiResponse, seconds: float) -> None:
        labels = _labels(parse(request), request)
        tally = self._tallies.get(labels)
        if tally is None:
            tally = self._tallies[labels] = _Tally()
        dry_run = ""
        if request.query:
            dry_run = request.param("dryRun")
            if "fieldValidation" in request.query:
                stated = request.param("fieldValidation")
                self._field_validation[(stated if stated in _VALIDATIONS else "invalid",)].observe(seconds)
        code = (answer.status, dry_run)
        tally.codes[code] = tally.codes.get(code, 0) + 1
        tally.seconds += seconds
        tally.times[bisect_left(REQUEST_SECONDS, seconds)] += 1
        if request.body:
            tally.received.observe(len(request.body))
        if isinstance(answer.body, bytes | ListBody):
            size = len(answer.body)
            tally.size += size
            tally.sizes[bisect_left(_BYTES, size)] += 1

    def terminated(self, request: ApiRequest, code: int) -> None:
        """The server ended it before it was done."""
        self._terminated.add(*_labels(parse(request), request), str(code))

    def aborted(self, request: ApiRequest) -> None:
        """The client went before it was answered."""
        self._aborted.add(*_labels(parse(request), request)[:-1])

    def watching(self, request: ApiRequest) -> Watching:
        """To be told of the lines that go out, and of the end."""
        found = Watching(self, _labels(parse(request), request))
        self._watches.add(found)
        return found

    def forget(self, watching: Watching) -> None:
        if watching in self._watches:
            self._watches.discard(watching)
            _add(self._told[watching.labels[1:4]], watching)

    def describe(self) -> list[Metric]:
        """Nothing is collected before somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield from self._requests()
        yield from self._bodies()
        yield from self._long_running()
        yield counter(
            "apiserver_request_terminations_total",
            "[ALPHA] Requests that the server ended itself.",
            (*_LABELS, _STATUS_LABEL),
            self._terminated,
        )
        yield counter(
            "apiserver_request_aborts_total", "[ALPHA] Requests that nobody waited for.", _LABELS[:-1], self._aborted
        )
        yield gauge(
            "apiserver_requested_deprecated_apis",
            "[STABLE] Deprecated resources that somebody has asked for.",
            ("group", "version", "resource", "subresource", "removed_release"),
            {(*labels[1:5], ""): 1 for labels in self._tallies if labels[1:4] in _DEPRECATED},
        )

        yield gauge(
            "kubernetes_feature_enabled",
            "[BETA] Features that can be turned on.",
            ("name", "stage"),
            {(name, "ALPHA"): int(name in self._features) for name in ALPHA},
        )

    def _requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "apiserver_request",
            "[STABLE] Requests by verb, resource, scope and HTTP status.",
            labels=(*_LABELS, "dry_run", _STATUS_LABEL),
        )
        durations = HistogramMetricFamily(
            "apiserver_request_duration_seconds",
            "[STABLE] Time until the answer was ready.",
            labels=(*_LABELS, "dry_run"),
        )
        objectives = HistogramMetricFamily(
            "apiserver_request_sli_duration_seconds", "[ALPHA] Time until the answer was ready.", labels=_LABELS
        )
        sizes = HistogramMetricFamily("apiserver_response_sizes", "[STABLE] Bytes of answers.", labels=_LABELS)
        for labels, tally in self._tallies.items():
            for (code, dry_run), number in tally.codes.items():
                requests.add_metric((*labels, dry_run, str(code)), number)
            times = cumulative(REQUEST_SECONDS, tally.times)
            durations.add_metric((*labels, ""), buckets=times, sum_value=tally.seconds)
            objectives.add_metric(labels, buckets=times[_COARSE:], sum_value=tally.seconds)
            sizes.add_metric(labels, buckets=cumulative(_BYTES, tally.sizes), sum_value=tally.size)
        yield from (requests, durations, objectives, sizes)

    def _bodies(self) -> Iterator[Metric]:
        bodies = Histograms(_BODY_BYTES)
        for (verb, group, _, resource, *_), tally in self._tallies.items():
            named = _BODY_VERBS.get(verb)
            if named is not None and resource and tally.received.count:
                bodies[group, resource, named].include(tally.received)
        yield histogram("apiserver_request_body_size_bytes", "[ALPHA] Bytes that were sent.", _BODY_LABELS, bodies)
        yield histogram(
            "field_validation_request_duration_seconds",
            "[ALPHA] Time until the answer was ready, by what the client wants of unknown fields.",
            ("field_validation",),
            self._field_validation,
        )

    def _long_running(self) -> Iterator[Metric]:
        running: dict[tuple[str, ...], float] = {}
        told = Histograms(EVENT_BYTES)
        for key, histogram_ in self._told.items():
            told[key].include(histogram_)
        for watching in self._watches:
            running[watching.labels] = running.get(watching.labels, 0) + 1
            _add(told[watching.labels[1:4]], watching)
        yield gauge("apiserver_longrunning_requests", "[STABLE] Watches that are open.", _LABELS, running)
        yield counter(
            "apiserver_watch_events_total",
            "[ALPHA] Events sent to watchers.",
            _GROUPED,
            {key: one.count for key, one in told.items()},
        )
        yield histogram("apiserver_watch_events_sizes", "[ALPHA] Bytes of events sent to watchers.", _GROUPED, told)

    def reset(self) -> None:
        """Counts requests from nothing on; what is under way stays under way."""
        self._tallies.clear()
        for one in (self._told, self._terminated, self._aborted, self._field_validation):
            one.clear()

    async def serve(self, call: Call) -> ApiResponse:
        if call.request.method == "DELETE":
            self.reset()
            return ApiResponse(200, b"metrics reset\n", {"Content-Type": PLAIN_TEXT})
        return ApiResponse(200, self.text(), {"Content-Type": CONTENT_TYPE})

    def text(self) -> bytes:
        found = generate_latest(self.registry)
        for name in _WITHOUT_ENDING:
            found = found.replace(f"{name}_total".encode(), name.encode())
        return found + _registered(found)


def _registered(found: bytes) -> bytes:
    """How many metrics are told, by how stable they are. None is hidden or turned off here."""
    stages = Counts()
    for stage in re.findall(rb"^# HELP \S+ \[(STABLE|BETA|ALPHA)\]", found, re.MULTILINE):
        stages.add(stage.decode(), "")
    told = [
        counter("registered_metrics_total", "[BETA] Metrics by their stability.", _STABILITY, stages),
        counter("hidden_metrics_total", "[BETA] Metrics that are hidden.", (), single(0)),
        counter("disabled_metrics_total", "[BETA] Metrics that are turned off.", (), single(0)),
    ]
    return generate_latest(_Told(told))


class _Told(CollectorRegistry):
    """Metrics that are there already."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        super().__init__()
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _add(told: Histogram, watching: Watching) -> None:
    told.counts = [one + other for one, other in zip(told.counts, watching.sizes, strict=True)]
    told.total += watching.bytes


def _labels(info: RequestInfo, request: ApiRequest) -> Labels:
    if not info.is_resource:
        verb = request.method if request.method in _METHODS else "other"
        return (verb, "", "", "", info.path, "", "")
    scope = "resource" if info.name or info.verb == "create" else "namespace" if info.namespace else "cluster"
    verb = _VERBS.get(info.verb) or info.verb.upper()
    if info.subresource in _CONNECTED:
        verb = "CONNECT"
    elif verb == "PATCH" and request.headers.get("content-type", "").startswith(_APPLY):
        verb = "APPLY"
    return (verb, info.group, info.version, info.resource, info.subresource, scope, "apiserver")
