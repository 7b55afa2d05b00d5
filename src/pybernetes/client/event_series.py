"""Events of `events.k8s.io/v1`: who did what to whom, and with whose help. kube-scheduler speaks in them.

Guarantees
  `event` returns at once and never raises; when 10,000 events wait to be sent, further ones are dropped and counted.
  The same again (by all but the note) makes a series of the one that is there; from the third on it is only counted,
  and the count written when nothing has come for six minutes, or each half hour.
  After 500 in a row, a process sends 100 events a second; while what it tells of is under way, 20 a second.
Follows client-go tools/events/event_broadcaster.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from random import Random
from typing import Any

import msgspec
import structlog

from pybernetes.api.clock import Clock
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import format_micro_time
from pybernetes.api.models import core_v1, events_v1, meta_v1
from pybernetes.api.recently_used import RecentlyUsed
from pybernetes.client.client import Client
from pybernetes.client.events import REMEMBERED, WAITING, Pace, Reference, Stamps, send_patiently
from pybernetes.client.objects import PatchType

log = structlog.get_logger(__name__)

GIVES_WAY = 0.05
"""Seconds that an event waits while more important things are under way."""
FINISH, REFRESH = 360.0, 1800.0
NOTE_LENGTH, CUT = 1024, " ..."


class Happening(msgspec.Struct, frozen=True, gc=False):
    """What two events have in common that are one series."""

    controller: str
    type: str
    reason: str
    action: str
    regarding: Reference
    related: Reference | None


@dataclass(slots=True)
class Series:
    happening: Happening
    note: str
    at: datetime
    name: str = ""
    count: int = 1
    last: datetime | None = None


class SeriesRecorder:
    """One controller's voice."""

    def __init__(self, broadcaster: SeriesBroadcaster, controller: str) -> None:
        self._broadcaster = broadcaster
        self._controller = controller

    def event(self, regarding: Any, type: str, reason: str, action: str, note: str, *, related: Any = None) -> None:
        other = None if related is None else Reference.of(related)
        happening = Happening(self._controller, type, reason, action, Reference.of(regarding), other)
        self._broadcaster.offer(happening, note)


class SeriesBroadcaster:
    """Sends the events of all recorders of a process, one after another. `run` it in a task."""

    def __init__(
        self, client: Client, clock: Clock, random: Random, host: str, is_busy: Callable[[], bool] = lambda: False
    ) -> None:
        """``is_busy``: whether much is under way that matters more than telling of it."""
        self.dropped = 0
        self._is_busy = is_busy
        self._clock = clock
        self._random = random
        self._host = host
        self._events = client.of(events_v1.Event)
        self._stamps = Stamps(clock)
        self._waiting: asyncio.Queue[Series] = asyncio.Queue(WAITING)
        self._known: RecentlyUsed[Hashable, Series] = RecentlyUsed(REMEMBERED)

    def recorder(self, controller: str) -> SeriesRecorder:
        return SeriesRecorder(self, controller)

    def offer(self, happening: Happening, note: str) -> None:
        now = self._clock.now()
        known = self._known.get(happening)
        if known is not None and known.last is None and (now - known.at).total_seconds() > FINISH:
            known = None
        if known is None:
            known = self._known.put(happening, Series(happening, note, now))
        else:
            known.count += 1
            known.last = now
        if known.count > 2:
            return
        try:
            self._waiting.put_nowait(known)
        except asyncio.QueueFull:
            self.dropped += 1

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_series(), name="event-series")
            pace = Pace()
            while True:
                series = await self._waiting.get()
                await pace.wait()
                if self._is_busy():
                    await asyncio.sleep(GIVES_WAY)
                await self._send_patiently(series)

    async def _keep_series(self) -> None:
        """Writes the counts of series that have ended, and now and then of those that go on."""
        since = 0.0
        while True:
            await asyncio.sleep(FINISH)
            since += FINISH
            refresh, since = since >= REFRESH, since % REFRESH
            now = self._clock.now()
            for one in self._known.values():
                ended = one.last is not None and (now - one.last).total_seconds() > FINISH
                if one.last is not None and (ended or refresh):
                    await self._send_patiently(one)
                if ended:
                    self._known.remove(one.happening)

    async def _send_patiently(self, series: Series) -> None:
        if not await send_patiently(partial(self._send, series), series.happening.reason, self._random):
            self.dropped += 1

    async def _send(self, series: Series) -> None:
        if series.name:
            try:
                await self._continue(series)
                return
            except ApiError as error:
                if error.code != 404:
                    raise
        series.name = f"{series.happening.regarding.name}.{self._stamps.next():x}"
        await self._events.create(event_of(series, self._host))

    async def _continue(self, series: Series) -> None:
        written = msgspec.to_builtins(_written(series))
        namespace = series.happening.regarding.namespace or "default"
        await self._events.patch(series.name, namespace, {"series": written}, PatchType.STRATEGIC)


def event_of(series: Series, host: str) -> events_v1.Event:
    happening = series.happening
    return events_v1.Event(
        metadata=meta_v1.ObjectMeta(name=series.name, namespace=happening.regarding.namespace or "default"),
        event_time=format_micro_time(series.at),
        series=_written(series),
        reporting_controller=happening.controller,
        reporting_instance=f"{happening.controller}-{host}",
        action=happening.action,
        reason=happening.reason,
        regarding=_reference(happening.regarding),
        related=None if happening.related is None else _reference(happening.related),
        note=shortened(series.note),
        type=happening.type,
    )


def shortened(note: str) -> str:
    return note if len(note) <= NOTE_LENGTH else note[: NOTE_LENGTH - len(CUT)] + CUT


def _written(series: Series) -> events_v1.EventSeries | None:
    if series.last is None:
        return None
    return events_v1.EventSeries(count=series.count, last_observed_time=format_micro_time(series.last))


def _reference(about: Reference) -> core_v1.ObjectReference:
    return core_v1.ObjectReference(
        api_version=about.api_version,
        kind=about.kind,
        namespace=about.namespace,
        name=about.name,
        uid=about.uid,
        resource_version=about.resource_version,
        field_path=about.field_path,
    )
