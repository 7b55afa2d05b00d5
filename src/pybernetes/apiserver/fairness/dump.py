"""/debug/api_priority_and_fairness/…: who is served and who waits, as tables for people.

`dump_priority_levels` has a row for each level, `dump_queues` one for each queue, `dump_requests` one for each request
that waits (`?includeRequestDetails=1` says what it asks for). Requests that are being served are counted, not listed:
upstream lists them, too.

Follows k8s.io/apiserver/pkg/util/flowcontrol/apf_controller_debug.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pybernetes.api.durations import shown_duration
from pybernetes.apiserver.fairness.gate import FairGate
from pybernetes.apiserver.fairness.level import Level, Reason
from pybernetes.apiserver.fairness.queues import Queue, Waiter
from pybernetes.apiserver.http import PLAIN_TEXT, ApiResponse
from pybernetes.apiserver.routes import Call, Routes

ROOT = "/debug/api_priority_and_fairness/"
_NARROWEST = 8
_LEVELS = (
    "PriorityLevelName",
    "ActiveQueues",
    "IsIdle",
    "IsQuiescing",
    "WaitingRequests",
    "ExecutingRequests",
    "DispatchedRequests",
    "RejectedRequests",
    "TimedoutRequests",
    "CancelledRequests",
)
_QUEUES = (
    "PriorityLevelName",
    "Index",
    "PendingRequests",
    "ExecutingRequests",
    "SeatsInUse",
    "NextDispatchR",
    "InitialSeatsSum",
    "MaxSeatsSum",
    "TotalWorkSum",
)
_REQUESTS = (
    "PriorityLevelName",
    "FlowSchemaName",
    "QueueIndex",
    "RequestIndexInQueue",
    "FlowDistingsher",
    "ArriveTime",
    "InitialSeats",
    "FinalSeats",
    "AdditionalLatency",
    "StartTime",
)
_DETAILS = ("UserName", "Verb", "APIPath", "Namespace", "Name", "APIVersion", "Resource", "SubResource")
_NOT_STARTED = "0001-01-01T00:00:00Z"
Row = Sequence[str]


class Dump:
    def __init__(self, gate: FairGate) -> None:
        self._gate = gate

    def register(self, routes: Routes) -> None:
        routes.unlisted(f"{ROOT}dump_priority_levels", self.levels)
        routes.unlisted(f"{ROOT}dump_queues", self.queues)
        routes.unlisted(f"{ROOT}dump_requests", self.requests)

    async def levels(self, call: Call) -> ApiResponse:
        served = sorted(self._gate.table.levels, key=lambda level: level.name)
        return _answer([_LEVELS, *(self._level(level) for level in served)])

    async def queues(self, call: Call) -> ApiResponse:
        return _answer([_QUEUES, *self._queues()])

    async def requests(self, call: Call) -> ApiResponse:
        detailed = bool(call.request.param("includeRequestDetails"))
        header = (*_REQUESTS, *_DETAILS) if detailed else _REQUESTS
        return _answer([header, *self._requests(detailed=detailed)])

    def _level(self, level: Level) -> Row:
        tallies = [tally for (name, _), tally in self._gate.tallies.items() if name == level.name]

        def rejected(*reasons: Reason) -> int:
            return sum(tally.rejected.get(reason.value, 0) for tally in tallies for reason in reasons)

        queues = level.queues.all if level.queues is not None else ()
        numbers = (
            level.waiting,
            level.executing,
            sum(tally.dispatched for tally in tallies),
            rejected(Reason.LIMIT, Reason.FULL),
            rejected(Reason.TIME_OUT),
            rejected(Reason.CANCELLED),
        )
        active = sum(bool(queue.waiting) for queue in queues)
        return (level.name, str(active), str(level.idle).lower(), "false", *map(str, numbers))

    def _queues(self) -> Iterator[Row]:
        for level in self._gate.table.levels:
            for index, queue in enumerate(level.queues.all if level.queues is not None else ()):
                yield (level.name, str(index), *_queue(queue))

    def _requests(self, *, detailed: bool) -> Iterator[Row]:
        for level in self._gate.table.levels:
            for index, queue in enumerate(level.queues.all if level.queues is not None else ()):
                for place, waiter in enumerate(queue.waiting):
                    yield (level.name, *_request(waiter, index, place, detailed=detailed))


def _queue(queue: Queue) -> Row:
    seats = sum(waiter.seats for waiter in queue.waiting)
    numbers = (len(queue.waiting), queue.running, queue.executing)
    return (*map(str, numbers), _seat_seconds(queue.next_start), str(seats), str(seats), _seat_seconds(queue.work))


def _request(waiter: Waiter, queue: int, place: int, *, detailed: bool) -> Row:
    about = waiter.about
    if about is None:
        return ("", str(queue), str(place))
    info = about.info
    arrived = about.arrived.isoformat().replace("+00:00", "Z")
    width = about.width
    row = (
        about.schema,
        str(queue),
        str(place),
        about.distinguisher,
        arrived,
        str(width.seats),
        str(width.lingering),
        shown_duration(width.linger_seconds),
        _NOT_STARTED,
    )
    if not detailed:
        return row
    version = f"{info.group}/{info.version}" if info.group else info.version
    return (
        *row,
        about.user.name,
        info.verb,
        info.path,
        info.namespace,
        info.name,
        version,
        info.resource,
        info.subresource,
    )


def _seat_seconds(number: float) -> str:
    return f"{number:.8f}ss"


def _answer(rows: Sequence[Row]) -> ApiResponse:
    return ApiResponse(200, table(rows).encode(), {"Content-Type": PLAIN_TEXT})


def table(rows: Sequence[Row]) -> str:
    """Cells end with a comma, but for the last of a row, and are as wide as the widest of their column."""
    widths = [
        max(_NARROWEST, *(len(cell) + 2 for cell in column))
        for column in zip(*(row[:-1] for row in rows), strict=False)
    ]
    lines = []
    for row in rows:
        cells = [f"{cell},".ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("".join(cells) + row[-1] + "\n")
    return "".join(lines)
