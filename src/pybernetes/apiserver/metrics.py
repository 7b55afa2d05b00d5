"""How many requests, how long, under upstream's names. Follows k8s.io/apiserver/pkg/endpoints/metrics.

Requests are counted in plain integers, which a collector turns into metrics when somebody asks: a request must not pay
for being counted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.request_info import RequestInfo, parse
from pybernetes.apiserver.routes import Call

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
_LABELS = ("verb", "group", "version", "resource", "subresource", "scope")
Labels = tuple[str, str, str, str, str, str]


class _Tally:
    """What happened to requests of one kind."""

    __slots__ = ("buckets", "codes", "seconds")

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        self.seconds = 0.0
        self.buckets = [0] * (len(_BUCKETS) + 1)


class Metrics(Collector):
    """Request metrics of one server; ``serve`` is the handler of `/metrics`."""

    def __init__(self) -> None:
        self._tallies: dict[Labels, _Tally] = {}
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def count(self, request: ApiRequest, status: int, seconds: float) -> None:
        labels = _labels(parse(request))
        tally = self._tallies.get(labels)
        if tally is None:
            tally = self._tallies[labels] = _Tally()
        tally.codes[status] = tally.codes.get(status, 0) + 1
        tally.seconds += seconds
        tally.buckets[bisect_left(_BUCKETS, seconds)] += 1

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "apiserver_request", "Requests by verb, resource, scope and HTTP status.", labels=(*_LABELS, "code")
        )
        durations = HistogramMetricFamily(
            "apiserver_request_duration_seconds", "Time until the answer was ready.", labels=_LABELS
        )
        for labels, tally in self._tallies.items():
            for code, number in tally.codes.items():
                requests.add_metric((*labels, str(code)), number)
            bounds = (*map(str, _BUCKETS), "+Inf")
            durations.add_metric(
                labels, buckets=list(zip(bounds, accumulate(tally.buckets), strict=True)), sum_value=tally.seconds
            )
        yield requests
        yield durations

    async def serve(self, call: Call) -> ApiResponse:
        return ApiResponse(200, generate_latest(self.registry), {"Content-Type": CONTENT_TYPE})


def _labels(info: RequestInfo) -> Labels:
    if not info.is_resource:
        return (info.verb.upper(), "", "", "", "", "")
    scope = "resource" if info.name else "namespace" if info.namespace else "cluster"
    return (info.verb.upper(), info.group, info.version, info.resource, info.subresource, scope)
