"""Who is served and who waits, under upstream's names; read off when somebody asks.

A request that finds a seat is not counted among those that waited: from the others it is known how many those were, and
that they took no time.

Not told, because nothing here is like it: what levels are asked for at every instant (`demand_seats`, the
`…_utilization` and `read_vs_write_current_requests` histograms) and virtual time (`current_r`, `dispatch_r`, `…_s…`).

Follows k8s.io/apiserver/pkg/util/flowcontrol/metrics.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from pybernetes.api.figures import Histogram, Histograms, Labels
from pybernetes.api.metric_families import counter, gauge, histogram
from pybernetes.apiserver.fairness.gate import BUCKETS, LENGTHS, FairGate, Tally
from pybernetes.apiserver.fairness.in_flight import InFlightGate
from pybernetes.apiserver.fairness.level import Level
from pybernetes.apiserver.server import ApiServer

_FLOW = ("priority_level", "flow_schema")
_START = "apiserver_flowcontrol"
_WIDTHS = (1, 2, 4, 8, 16, 32, 64, 100)


class FairnessMetrics(Collector):
    def __init__(self, server: ApiServer) -> None:
        self._server = server

    def describe(self) -> list[Metric]:
        """Nothing is collected before somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        gate = self._server.gate
        if isinstance(gate, FairGate | InFlightGate):
            yield gauge(
                "apiserver_current_inflight_requests",
                "[STABLE] Requests being served.",
                ("request_kind",),
                {("readOnly",): gate.reading, ("mutating",): gate.mutating},
            )
        if isinstance(gate, FairGate):
            yield gauge(
                "apiserver_current_inqueue_requests",
                "[ALPHA] Requests that wait.",
                ("request_kind",),
                {(kind,): number for kind, number in gate.waiting.items()},
            )
            yield from _levels(gate)
            yield from _flows(gate)
            yield from _spread(gate)


def _levels(gate: FairGate) -> Iterator[Metric]:
    told: tuple[tuple[str, str, str, Callable[[Level], float]], ...] = (
        ("nominal_limit_seats", "BETA", "Seats by configuration.", lambda one: one.limits.nominal),
        ("lower_limit_seats", "ALPHA", "Seats that are never lent.", lambda one: one.limits.lower),
        ("upper_limit_seats", "ALPHA", "Seats with all that may be borrowed.", lambda one: one.limits.upper),
        ("current_limit_seats", "ALPHA", "Seats for now.", lambda one: one.limit),
        ("target_seats", "ALPHA", "Seats that lending aims at.", _target),
        ("demand_seats_high_watermark", "ALPHA", "Most seats wanted at once.", lambda one: one.demand.highest),
        ("demand_seats_average", "ALPHA", "Seats wanted, on average.", lambda one: one.demand.average),
        ("demand_seats_stdev", "ALPHA", "Deviation of the seats wanted.", lambda one: one.demand.deviation),
        ("demand_seats_smoothed", "ALPHA", "Seats wanted, smoothed.", lambda one: one.demand.smoothed),
    )
    for name, stage, text, read in told:
        values = {(level.name,): read(level) for level in gate.table.levels}
        yield gauge(f"{_START}_{name}", f"[{stage}] {text}", ("priority_level",), values)


def _target(level: Level) -> float:
    wanted = max(level.limits.lower, min(level.limits.nominal, level.demand.highest))
    return wanted if level.exempt else max(wanted, level.demand.smoothed)


def _flows(gate: FairGate) -> Iterator[Metric]:
    tallies = gate.tallies
    yield counter(
        f"{_START}_dispatched_requests_total",
        "[BETA] Requests that were let in.",
        _FLOW,
        {labels: one.dispatched for labels, one in tallies.items()},
    )
    rejected: dict[Labels, float] = {
        (*labels, reason): number for labels, one in tallies.items() for reason, number in one.rejected.items()
    }
    text = "[BETA] Requests that were turned away."
    yield counter(f"{_START}_rejected_requests_total", text, (*_FLOW, "reason"), rejected)
    told: tuple[tuple[str, str, Callable[[Tally], int]], ...] = (
        ("current_executing_requests", "[BETA] Requests being served.", lambda one: one.executing),
        ("current_executing_seats", "[BETA] Seats that are taken.", lambda one: one.seats),
        ("current_inqueue_requests", "[BETA] Requests that wait.", lambda one: one.waiting),
        ("current_inqueue_seats", "[ALPHA] Seats that are waited for.", lambda one: one.waiting_seats),
    )
    for name, text, read in told:
        yield gauge(f"{_START}_{name}", text, _FLOW, {labels: read(one) for labels, one in tallies.items()})


def _spread(gate: FairGate) -> Iterator[Metric]:
    seconds, lengths, widths = Histograms(BUCKETS), Histograms(LENGTHS), Histograms(_WIDTHS)
    waits = Histograms(BUCKETS)
    exempt = {level.name for level in gate.table.levels if level.exempt}
    for labels, tally in gate.tallies.items():
        for type, timed in (("regular", tally.regular), ("watch", tally.watches)):
            if timed.count:
                seconds[(*labels, type)].include(timed)
        widths[labels] = _widths(tally)
        if labels[0] in exempt:
            continue
        at_once = tally.dispatched - tally.waited.count
        waits[(*labels, "true")].include(tally.waited)
        waits[(*labels, "true")].counts[0] += at_once
        if tally.abandoned.count:
            waits[(*labels, "false")].include(tally.abandoned)
        lengths[labels].include(tally.lengths)
        lengths[labels].counts[1] += at_once
        lengths[labels].total += at_once
    yield histogram(f"{_START}_request_execution_seconds", "[ALPHA] Time in a seat.", (*_FLOW, "type"), seconds)
    labelled = (*_FLOW, "execute")
    yield histogram(f"{_START}_request_wait_duration_seconds", "[BETA] Time until a seat was free.", labelled, waits)
    text = "[ALPHA] Requests that waited when another one began to."
    yield histogram(f"{_START}_request_queue_length_after_enqueue", text, _FLOW, lengths)
    yield histogram(f"{_START}_work_estimated_seats", "[ALPHA] Seats that a request takes.", _FLOW, widths)


def _widths(tally: Tally) -> Histogram:
    found = Histogram(_WIDTHS)
    narrow = tally.dispatched
    for seats, number in tally.wide.items():
        narrow -= number
        found.counts[bisect_left(_WIDTHS, seats)] += number
        found.total += seats * number
    found.counts[0] += narrow
    found.total += narrow
    return found
