"""How many requests, how long, under upstream's names. Follows k8s.io/apiserver/pkg/endpoints/metrics.

Label sets are worked out once per kind of request, for looking them up costs more than counting.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.request_info import parse
from pybernetes.apiserver.routes import Call

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
_LABELS = ("verb", "group", "version", "resource", "subresource", "scope")


class Metrics:
    """Request metrics of one server; ``serve`` is the handler of `/metrics`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "apiserver_request_total",
            "Requests by verb, resource, scope and HTTP status.",
            (*_LABELS, "code"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "apiserver_request_duration_seconds",
            "Time to the first byte of the answer.",
            _LABELS,
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._known: dict[tuple[str, ...], tuple[Counter, Histogram]] = {}

    def count(self, request: ApiRequest, status: int, seconds: float) -> None:
        info = parse(request)
        scope = (
            "" if not info.is_resource else "resource" if info.name else "namespace" if info.namespace else "cluster"
        )
        labels = (info.verb.upper(), info.group, info.version, info.resource, info.subresource, scope)
        key = (*labels, str(status))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = (self._requests.labels(*key), self._seconds.labels(*labels))
        found[0].inc()
        found[1].observe(seconds)

    async def serve(self, call: Call) -> ApiResponse:
        return ApiResponse(200, generate_latest(self.registry), {"Content-Type": CONTENT_TYPE})
