"""How many requests, how long, how large, under upstream's names. Follows k8s.io/apiserver/pkg/endpoints/metrics.

Requests are counted in plain integers, which a collector turns into metrics when somebody asks: a request must not pay
for being counted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from pybernetes.apiserver.http import PLAIN_TEXT, ApiRequest, ApiResponse
from pybernetes.apiserver.request_info import RequestInfo, parse
from pybernetes.apiserver.routes import Call
from pybernetes.apiserver.server import ApiServer
from pybernetes.apiserver.state_metrics import StateMetrics, cumulative

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
_BYTES = (1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)
_LABELS = ("verb", "group", "version", "resource", "subresource", "scope", "component")
_GROUPED = ("group", "version", "resource")
Labels = tuple[str, str, str, str, str, str, str]

_VERBS = {"create": "POST", "update": "PUT", "deletecollection": "DELETECOLLECTION"}
_CONNECTED = frozenset({"attach", "exec", "log", "portforward", "proxy"})
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_APPLY = "application/apply-patch"
_STATUS_LABEL = "code"


class _Tally:
    """What happened to requests of one kind."""

    __slots__ = ("codes", "seconds", "size", "sizes", "times")

    def __init__(self) -> None:
        self.codes: dict[tuple[int, str], int] = {}
        self.seconds = 0.0
        self.times = [0] * (len(_SECONDS) + 1)
        self.size = 0
        self.sizes = [0] * (len(_BYTES) + 1)


class Watching:
    """One client's watch, while it is open."""

    __slots__ = ("_metrics", "bytes", "events", "labels")

    def __init__(self, metrics: Metrics, labels: Labels) -> None:
        self._metrics = metrics
        self.labels = labels
        self.events = 0
        self.bytes = 0

    def end(self) -> None:
        self._metrics.forget(self)


class Metrics(Collector):
    """Request metrics of one server; ``serve`` is the handler of `/metrics`, ``registry`` takes further collectors."""

    def __init__(self, server: ApiServer) -> None:
        self._tallies: dict[Labels, _Tally] = {}
        self._watches: set[Watching] = set()
        self._told: dict[tuple[str, str, str], int] = {}
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self.registry.register(StateMetrics(server))
        ProcessCollector(registry=self.registry)

    def count(self, request: ApiRequest, answer: ApiResponse, seconds: float) -> None:
        labels = _labels(parse(request), request)
        tally = self._tallies.get(labels)
        if tally is None:
            tally = self._tallies[labels] = _Tally()
        code = (answer.status, request.param("dryRun") if request.query else "")
        tally.codes[code] = tally.codes.get(code, 0) + 1
        tally.seconds += seconds
        tally.times[bisect_left(_SECONDS, seconds)] += 1
        if isinstance(answer.body, bytes):
            size = len(answer.body)
            tally.size += size
            tally.sizes[bisect_left(_BYTES, size)] += 1

    def watching(self, request: ApiRequest) -> Watching:
        """To be told of the lines that go out, and of the end."""
        found = Watching(self, _labels(parse(request), request))
        self._watches.add(found)
        return found

    def forget(self, watching: Watching) -> None:
        if watching in self._watches:
            self._watches.discard(watching)
            key = watching.labels[1:4]
            self._told[key] = self._told.get(key, 0) + watching.events

    def describe(self) -> list[Metric]:
        """Nothing is collected before somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield from self._requests()
        yield from self._long_running()

    def _requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "apiserver_request",
            "Requests by verb, resource, scope and HTTP status.",
            labels=(*_LABELS, "dry_run", _STATUS_LABEL),
        )
        durations = HistogramMetricFamily(
            "apiserver_request_duration_seconds", "Time until the answer was ready.", labels=(*_LABELS, "dry_run")
        )
        objectives = HistogramMetricFamily(
            "apiserver_request_sli_duration_seconds", "Time until the answer was ready.", labels=_LABELS
        )
        sizes = HistogramMetricFamily("apiserver_response_sizes", "Bytes of answers.", labels=_LABELS)
        for labels, tally in self._tallies.items():
            for (code, dry_run), number in tally.codes.items():
                requests.add_metric((*labels, dry_run, str(code)), number)
            times = cumulative(_SECONDS, tally.times)
            durations.add_metric((*labels, ""), buckets=times, sum_value=tally.seconds)
            objectives.add_metric(labels, buckets=times, sum_value=tally.seconds)
            sizes.add_metric(labels, buckets=cumulative(_BYTES, tally.sizes), sum_value=tally.size)
        yield from (requests, durations, objectives, sizes)

    def _long_running(self) -> Iterator[Metric]:
        running: dict[Labels, int] = {}
        told = dict(self._told)
        for watching in self._watches:
            running[watching.labels] = running.get(watching.labels, 0) + 1
            key = watching.labels[1:4]
            told[key] = told.get(key, 0) + watching.events
        open_ones = GaugeMetricFamily("apiserver_longrunning_requests", "Watches that are open.", labels=_LABELS)
        for labels, number in running.items():
            open_ones.add_metric(labels, number)
        events = CounterMetricFamily("apiserver_watch_events", "Pieces of events sent to watchers.", labels=_GROUPED)
        for key, number in told.items():
            events.add_metric(key, number)
        yield from (open_ones, events)

    def reset(self) -> None:
        """Counts requests from nothing on; what is under way stays under way."""
        self._tallies.clear()
        self._told.clear()

    async def serve(self, call: Call) -> ApiResponse:
        if call.request.method == "DELETE":
            self.reset()
            return ApiResponse(200, b"metrics reset\n", {"Content-Type": PLAIN_TEXT})
        return ApiResponse(200, generate_latest(self.registry), {"Content-Type": CONTENT_TYPE})


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
