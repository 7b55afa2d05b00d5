"""Priority and fairness as the server asks for it: classifies a request, seats it or lets it wait, counts it.

Guarantees
  A request that finds a seat waits for nothing, and is classified from memory.
  A watch is counted while it is being opened, and not while it is open; what else goes on for long is not counted.

Follows k8s.io/apiserver/pkg/server/filters/priority-and-fairness.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import monotonic

from pybernetes.api.digits import whole
from pybernetes.api.figures import Histogram
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.endpoint import Endpoint
from pybernetes.apiserver.fairness import width
from pybernetes.apiserver.fairness.contract import READ_ONLY, UNLIMITED, Pass, TurnedAway, goes_on
from pybernetes.apiserver.fairness.flows import Flow, FlowTable
from pybernetes.apiserver.fairness.level import Level, Reason
from pybernetes.apiserver.fairness.queues import About, Waiter
from pybernetes.apiserver.fairness.shuffle import flow_hash
from pybernetes.apiserver.fairness.width import ONE_SEAT, Width
from pybernetes.apiserver.http import ApiRequest, ClassifiedAs
from pybernetes.apiserver.request_info import RequestInfo

PATIENCE = 15.0
"""Seconds that a request waits at most: a quarter of the time that it has."""
LENGTHS = (0, 10, 25, 50, 100, 250, 500, 1000)
BUCKETS = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)

Endpoints = Mapping[tuple[str, str, str], Endpoint]


class Tally:
    """What happened to the requests of one flow schema."""

    __slots__ = (
        "abandoned",
        "dispatched",
        "executing",
        "lengths",
        "regular",
        "rejected",
        "seats",
        "waited",
        "waiting",
        "waiting_seats",
        "watches",
        "wide",
    )

    def __init__(self) -> None:
        self.dispatched = self.executing = self.seats = self.waiting = self.waiting_seats = 0
        self.rejected: dict[str, int] = {}
        self.regular = Histogram(BUCKETS)
        """How long those had a seat that are no watches."""
        self.watches = Histogram(BUCKETS)
        self.waited = Histogram(BUCKETS)
        """How long those waited that were let in; most do not wait, and are not among them."""
        self.abandoned = Histogram(BUCKETS)
        """How long those waited that were turned away."""
        self.lengths = Histogram(LENGTHS)
        """How many waited, when somebody began to."""
        self.wide: dict[int, int] = {}
        """Requests that took more than one seat, by seats."""


class FairGate:
    """``table`` is replaced by whoever follows the configuration."""

    def __init__(self, endpoints: Endpoints, table: FlowTable, now: Callable[[], float] = monotonic) -> None:
        self.table = table
        self.tallies: dict[tuple[str, str], Tally] = {}
        self.mutating = 0
        self.reading = 0
        self.waiting = {"readOnly": 0, "mutating": 0}
        self.now = now
        self._endpoints = endpoints

    async def enter(self, user: User, info: RequestInfo, request: ApiRequest) -> Pass:
        if info.is_resource and goes_on(info):
            return UNLIMITED
        flow = self.table.of(user, info)
        verb = info.verb
        wide = ONE_SEAT if verb == "get" or not info.is_resource else self._width(info, request, flow.level)
        now = self.now()
        tally = self._tally(flow)
        if flow.level.try_start(1 if wide is ONE_SEAT else wide.widest, now):
            return _Seated(self, flow, tally, wide, verb, now, None)
        return await self._wait(flow, tally, wide, user, info, now)

    async def _wait(self, flow: Flow, tally: Tally, wide: Width, user: User, info: RequestInfo, now: float) -> Pass:
        level = flow.level
        distinguisher = flow.distinguisher(user, info)
        value = flow_hash(flow.schema, distinguisher)
        about = About(flow.schema, distinguisher, user, info, wide, datetime.now(UTC))
        kind = "readOnly" if info.verb in READ_ONLY else "mutating"
        tally.waiting += 1
        tally.waiting_seats += wide.widest
        tally.lengths.observe(level.waiting + 1)
        self.waiting[kind] += 1
        try:
            outcome = await level.wait(value, wide, now, PATIENCE, about)
        finally:
            tally.waiting -= 1
            tally.waiting_seats -= wide.widest
            self.waiting[kind] -= 1
        started = self.now()
        if isinstance(outcome, Reason):
            tally.abandoned.observe(started - now)
            tally.rejected[outcome.value] = tally.rejected.get(outcome.value, 0) + 1
            level.drops.note(int(started))
            raise TurnedAway(level.drops.retry_after, flow.classified)
        tally.waited.observe(started - now)
        return _Seated(self, flow, tally, wide, info.verb, started, outcome)

    def _tally(self, flow: Flow) -> Tally:
        key = (flow.level.name, flow.schema)
        found = self.tallies.get(key)
        if found is None:
            found = self.tallies[key] = Tally()
        return found

    def _width(self, info: RequestInfo, request: ApiRequest, level: Level) -> Width:
        endpoint = self._endpoints.get((info.group, info.version, info.resource))
        if endpoint is None:
            return ONE_SEAT
        cache = endpoint.registry.cache
        most = level.limits.widest if level.queues is not None else 0
        if info.verb not in READ_ONLY:
            return width.of_write(len(cache.subscribers), most)
        if not cache.objects or (info.verb == "watch" and _follows_on(request)):
            return ONE_SEAT
        count = len(cache.objects)
        if "metadata.name=" in request.param("fieldSelector"):
            count = 1
        limit = request.param("limit")
        from_memory = not request.param("continue") and request.param("resourceVersionMatch") != "Exact"
        size = len(cache.objects.peekitem(0)[1].value)
        number = whole(limit) if limit.isdecimal() else 0
        return width.of_list(count, size, number, from_memory=from_memory, most=most)


class _Seated:
    """A request that runs."""

    __slots__ = ("_flow", "_gate", "_reading", "_seats", "_started", "_tally", "_timed", "_waiter", "_width")

    def __init__(
        self,
        gate: FairGate,
        flow: Flow,
        tally: Tally,
        wide: Width,
        verb: str,
        started: float,
        waiter: Waiter | None,
    ) -> None:
        self._gate = gate
        self._flow = flow
        self._tally = tally
        self._width = wide
        self._seats = seats = 1 if wide is ONE_SEAT else wide.widest
        self._reading = reading = verb in READ_ONLY
        self._timed = tally.watches if verb == "watch" else tally.regular
        self._started = started
        self._waiter = waiter
        tally.dispatched += 1
        tally.executing += 1
        tally.seats += seats
        if wide is not ONE_SEAT:
            tally.wide[seats] = tally.wide.get(seats, 0) + 1
        if reading:
            gate.reading += 1
        else:
            gate.mutating += 1

    @property
    def classified(self) -> ClassifiedAs:
        return self._flow.classified

    def leave(self) -> None:
        gate, tally, wide, level = self._gate, self._tally, self._width, self._flow.level
        now = gate.now()
        seconds = now - self._started
        tally.executing -= 1
        self._timed.observe(seconds)
        if self._reading:
            gate.reading -= 1
        else:
            gate.mutating -= 1
        level.finish(self._waiter, self._seats, seconds, now)
        if wide.linger_seconds:
            asyncio.get_running_loop().call_later(wide.linger_seconds, self._release)
        else:
            self._release()

    def _release(self) -> None:
        self._tally.seats -= self._seats
        self._flow.level.release(self._seats, self._gate.now())


def _follows_on(request: ApiRequest) -> bool:
    """Whether a watch begins at a version, and so is told no objects first."""
    return request.param("resourceVersion") not in ("", "0") and not request.flag("sendInitialEvents")
