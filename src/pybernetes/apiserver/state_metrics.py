"""What the server holds and how busy it is, under upstream's names; read off when somebody asks.

Follows k8s.io/apiserver/pkg/storage/etcd3/metrics, storage/cacher/metrics and util/flowcontrol/metrics, and
pkg/controllers/status/metrics of kube-aggregator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from pybernetes.apiserver.fairness.gate import BUCKETS, FairGate
from pybernetes.apiserver.fairness.in_flight import InFlightGate
from pybernetes.apiserver.fairness.level import Level
from pybernetes.apiserver.resources.api_service import API_SERVICES, available
from pybernetes.apiserver.server import ApiServer

_KIND = ("group", "resource")
_FLOW = ("priority_level", "flow_schema")


def cumulative(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """As Prometheus wants a histogram; ``counts`` has one more, for what is over all bounds."""
    return list(zip((*(f"{bound:g}" for bound in bounds), "+Inf"), accumulate(counts), strict=True))


class StateMetrics(Collector):
    def __init__(self, server: ApiServer) -> None:
        self._server = server

    def describe(self) -> list[Metric]:
        """Nothing is collected before somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield from self._stored()
        yield _unavailable(self._server)
        gate = self._server.gate
        if isinstance(gate, FairGate | InFlightGate):
            yield _in_flight(gate)
        if isinstance(gate, FairGate):
            yield _waiting(gate)
            yield from _levels(gate)
            yield from _flows(gate)

    def _stored(self) -> Iterator[Metric]:
        named = GaugeMetricFamily("apiserver_storage_objects", "Objects that are stored.", labels=("resource",))
        objects = GaugeMetricFamily("apiserver_resource_objects", "Objects that are stored.", labels=_KIND)
        revisions = GaugeMetricFamily(
            "apiserver_watch_cache_resource_version", "What watchers have been told up to.", labels=_KIND
        )
        seen = set()
        for endpoint in self._server.endpoints.values():
            info, cache = endpoint.info, endpoint.registry.cache
            if cache.prefix in seen:
                continue
            seen.add(cache.prefix)
            named.add_metric((info.group_resource,), len(cache.objects))
            objects.add_metric((info.group, info.plural), len(cache.objects))
            revisions.add_metric((info.group, info.plural), self._server.watch_cache.revision)
        yield from (named, objects, revisions)


def _unavailable(server: ApiServer) -> Metric:
    found = GaugeMetricFamily("aggregator_unavailable_apiservice", "APIServices that cannot be had.", labels=("name",))
    for service in server.reader.list(API_SERVICES.info.group_resource):
        condition = available(service)
        unavailable = condition is None or condition["status"] != "True"
        found.add_metric((service["metadata"]["name"],), int(unavailable))
    return found


def _in_flight(gate: FairGate | InFlightGate) -> Metric:
    found = GaugeMetricFamily("apiserver_current_inflight_requests", "Requests being served.", labels=("request_kind",))
    found.add_metric(("readOnly",), gate.reading)
    found.add_metric(("mutating",), gate.mutating)
    return found


def _waiting(gate: FairGate) -> Metric:
    found = GaugeMetricFamily("apiserver_current_inqueue_requests", "Requests that wait.", labels=("request_kind",))
    for kind, number in gate.waiting.items():
        found.add_metric((kind,), number)
    return found


def _levels(gate: FairGate) -> Iterator[Metric]:
    told: tuple[tuple[str, str, Callable[[Level], float]], ...] = (
        ("nominal_limit_seats", "Seats by configuration.", lambda one: one.limits.nominal),
        ("lower_limit_seats", "Seats that are never lent.", lambda one: one.limits.lower),
        ("upper_limit_seats", "Seats with all that may be borrowed.", lambda one: one.limits.upper),
        ("current_limit_seats", "Seats for now.", lambda one: one.limit),
        ("demand_seats_average", "Seats wanted, on average.", lambda one: one.demand.average),
        ("demand_seats_stdev", "Deviation of the seats wanted.", lambda one: one.demand.deviation),
        ("demand_seats_smoothed", "Seats wanted, smoothed.", lambda one: one.demand.smoothed),
    )
    for name, description, read in told:
        found = GaugeMetricFamily(f"apiserver_flowcontrol_{name}", description, labels=("priority_level",))
        for level in gate.table.levels:
            found.add_metric((level.name,), read(level))
        yield found


def _flows(gate: FairGate) -> Iterator[Metric]:
    start = "apiserver_flowcontrol"
    dispatched = CounterMetricFamily(f"{start}_dispatched_requests", "Requests that were let in.", labels=_FLOW)
    rejected = CounterMetricFamily(
        f"{start}_rejected_requests", "Requests that were turned away.", labels=(*_FLOW, "reason")
    )
    executing = GaugeMetricFamily(f"{start}_current_executing_requests", "Requests being served.", labels=_FLOW)
    seats = GaugeMetricFamily(f"{start}_current_executing_seats", "Seats that are taken.", labels=_FLOW)
    waiting = GaugeMetricFamily(f"{start}_current_inqueue_requests", "Requests that wait.", labels=_FLOW)
    seconds = HistogramMetricFamily(f"{start}_request_execution_seconds", "Time in a seat.", labels=_FLOW)
    for labels, tally in gate.tallies.items():
        dispatched.add_metric(labels, tally.dispatched)
        for reason, number in tally.rejected.items():
            rejected.add_metric((*labels, reason), number)
        executing.add_metric(labels, tally.executing)
        seats.add_metric(labels, tally.seats)
        waiting.add_metric(labels, tally.waiting)
        seconds.add_metric(labels, buckets=cumulative(BUCKETS, tally.buckets), sum_value=tally.seconds)
    yield from (dispatched, rejected, executing, seats, waiting, seconds)
