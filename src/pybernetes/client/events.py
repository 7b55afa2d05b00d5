"""Events: what a component tells users about an object, without ever getting in its own way.

Guarantees
  `event` returns at once and never raises; when 10,000 events wait to be sent, further ones are dropped and counted.
  The same event again raises `count` of the one that is there, for ten minutes after the last.
  More than ten events of one object, type and reason within ten minutes are folded into one, whose message begins
  with "(combined from similar events): ".
  After 500 in a row, a process sends 100 events a second.
  One component may send 25 events about one object at once and then one each five minutes; more are dropped.
Follows client-go tools/record/events_cache.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from random import Random
from typing import Any

import msgspec
import structlog

from pybernetes.api import kinds
from pybernetes.api.clock import Clock
from pybernetes.api.errors import ApiError
from pybernetes.api.models import core_v1
from pybernetes.api.recently_used import RecentlyUsed
from pybernetes.client.client import Client
from pybernetes.client.objects import Document, PatchType
from pybernetes.client.resource import ResourceClient
from pybernetes.client.transport import Unreachable

log = structlog.get_logger(__name__)

NORMAL, WARNING = "Normal", "Warning"

WINDOW = 600.0
SIMILAR_ALLOWED = 10
BURST, REFILL = 25, 1 / 300
AT_ONCE, A_SECOND = 500, 100
REMEMBERED = 4096
WAITING = 10_000
ATTEMPTS, ATTEMPT_WAIT = 12, 10.0
NAME_ATTEMPTS = 100
"""Names are made of the time, which another process may have taken."""


class Reference(msgspec.Struct, frozen=True, gc=False):
    """The object an event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""
    resource_version: str = ""
    field_path: str = ""

    @classmethod
    def of(cls, value: Any, field_path: str = "") -> Reference:
        if isinstance(value, Reference):
            return value
        metadata, info = value.metadata, kinds.info_of(type(value))
        return cls(
            info.api_version,
            info.kind,
            metadata.namespace or "",
            metadata.name or "",
            metadata.uid or "",
            metadata.resource_version or "",
            field_path,
        )


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened, as its component tells it."""

    about: Reference
    type: str
    reason: str
    message: str
    component: str
    host: str
    at: datetime

    @property
    def similar(self) -> Hashable:
        about = self.about
        identity = (about.kind, about.namespace, about.name, about.uid, about.api_version)
        return (self.component, self.host, *identity, self.type, self.reason)

    @property
    def source(self) -> Hashable:
        about = self.about
        return (self.component, self.host, about.kind, about.namespace, about.name, about.uid, about.api_version)


class EventRecorder:
    """One component's voice. `event(object, NORMAL, "Pulled", "…")`; an object may be given as a `Reference` too."""

    def __init__(self, broadcaster: EventBroadcaster, component: str, host: str) -> None:
        self._broadcaster = broadcaster
        self._component = component
        self._host = host

    def event(self, value: Any, type: str, reason: str, message: str, *, field_path: str = "") -> None:
        about = Reference.of(value, field_path)
        now = self._broadcaster.clock.now()
        self._broadcaster.offer(Occurrence(about, type, reason, message, self._component, self._host, now))


class EventBroadcaster:
    """Sends the events of all recorders of a process, one after another. `run` it in a task."""

    def __init__(self, client: Client, clock: Clock, random: Random) -> None:
        self.clock = clock
        self.dropped = 0
        self._events = client.of(core_v1.Event)
        self._random = random
        self._waiting: asyncio.Queue[Occurrence] = asyncio.Queue(WAITING)
        self._correlator = Correlator(clock)
        self._stamps = Stamps(clock)

    def recorder(self, component: str, host: str = "") -> EventRecorder:
        return EventRecorder(self, component, host)

    def offer(self, occurrence: Occurrence) -> None:
        try:
            self._waiting.put_nowait(occurrence)
        except asyncio.QueueFull:
            self.dropped += 1

    async def run(self) -> None:
        pace = Pace()
        while True:
            occurrence = await self._waiting.get()
            known = self._correlator.correlate(occurrence)
            if known is not None:
                await pace.wait()
                if not await send_patiently(partial(self._send, known), known.occurrence.reason, self._random):
                    self.dropped += 1

    async def _send(self, known: Known) -> None:
        if known.name:
            try:
                await _raise_count(self._events, known)
                return
            except ApiError as error:
                if error.code != 404:
                    raise
        for _ in range(NAME_ATTEMPTS):
            known.name = f"{known.occurrence.about.name}.{self._stamps.next():x}"
            try:
                await self._events.create(event_of(known))
                return
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise


async def send_patiently(send: Callable[[], Awaitable[None]], reason: str, random: Random) -> bool:
    """Whether the server has answered, be it to refuse the event: it is tried again while nobody does."""
    for attempt in range(ATTEMPTS):
        try:
            await send()
            return True
        except ApiError as error:
            log.debug("event refused", reason=reason, error=str(error))
            return True
        except Unreachable:
            await asyncio.sleep(ATTEMPT_WAIT * (random.random() if attempt == 0 else 1))
    return False


class Stamps:
    """Nanoseconds, of which events' names are made: no two of a process are the same."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> int:
        self._last = max(int(self._clock.now().timestamp() * 1_000_000_000), self._last + 1)
        return self._last


@dataclass(slots=True)
class Known:
    """An event that was sent, or is about to be, with how often it happened."""

    occurrence: Occurrence
    message: str
    first: datetime
    last: datetime
    count: int = 0
    name: str = ""

    @property
    def reporter(self) -> tuple[str, str]:
        """Component and instance; upstream names none in an event that stands for several similar ones."""
        own = self.message == self.occurrence.message
        return (self.occurrence.component, self.occurrence.host) if own else ("", "")


@dataclass(slots=True)
class _Similar:
    last: datetime
    messages: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: datetime


class Pace:
    """Lets `AT_ONCE` pass at once, and then so many a second: events must not crowd out the work they tell of."""

    def __init__(self) -> None:
        self._tokens = float(AT_ONCE)
        self._at = asyncio.get_running_loop().time()

    async def wait(self) -> None:
        now = asyncio.get_running_loop().time()
        self._tokens = min(AT_ONCE, self._tokens + (now - self._at) * A_SECOND)
        self._at = now
        self._tokens -= 1
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / A_SECOND)


class Correlator:
    """Decides whether an occurrence is a new event, one more of a known event, or too much."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: RecentlyUsed[Hashable, Known] = RecentlyUsed(REMEMBERED)
        self._similar: RecentlyUsed[Hashable, _Similar] = RecentlyUsed(REMEMBERED)
        self._buckets: RecentlyUsed[Hashable, _Bucket] = RecentlyUsed(REMEMBERED)

    def correlate(self, occurrence: Occurrence) -> Known | None:
        message, key = self._fold(occurrence)
        known = self._known.get(key)
        if known is None or (occurrence.at - known.last).total_seconds() > WINDOW:
            known = self._known.put(key, Known(occurrence, message, occurrence.at, occurrence.at))
        known.occurrence, known.message, known.last = occurrence, message, occurrence.at
        known.count += 1
        return known if self._allowed(occurrence) else None

    def _fold(self, occurrence: Occurrence) -> tuple[str, Hashable]:
        similar = self._similar.get(occurrence.similar)
        if similar is None or (occurrence.at - similar.last).total_seconds() > WINDOW:
            similar = self._similar.put(occurrence.similar, _Similar(occurrence.at))
        similar.last = occurrence.at
        similar.messages.add(occurrence.message)
        if len(similar.messages) < SIMILAR_ALLOWED:
            return occurrence.message, (occurrence.similar, occurrence.message, occurrence.about.field_path)
        similar.messages.pop()
        return f"(combined from similar events): {occurrence.message}", occurrence.similar

    def _allowed(self, occurrence: Occurrence) -> bool:
        bucket = self._buckets.get(occurrence.source)
        if bucket is None:
            bucket = self._buckets.put(occurrence.source, _Bucket(BURST, occurrence.at))
        elapsed = (occurrence.at - bucket.at).total_seconds()
        bucket.tokens = min(BURST, bucket.tokens + elapsed * REFILL)
        bucket.at = occurrence.at
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True


def event_of(known: Known) -> core_v1.Event:
    occurrence = known.occurrence
    component, instance = known.reporter
    document: Document = {
        "metadata": {"name": known.name, "namespace": occurrence.about.namespace or "default"},
        "involvedObject": {
            "apiVersion": occurrence.about.api_version,
            "kind": occurrence.about.kind,
            "namespace": occurrence.about.namespace,
            "name": occurrence.about.name,
            "uid": occurrence.about.uid,
            "resourceVersion": occurrence.about.resource_version,
            "fieldPath": occurrence.about.field_path,
        },
        "reason": occurrence.reason,
        "message": known.message,
        "source": {"component": occurrence.component, "host": occurrence.host},
        "firstTimestamp": _time(known.first),
        "lastTimestamp": _time(known.last),
        "count": known.count,
        "type": occurrence.type,
        "reportingComponent": component,
        "reportingInstance": instance,
    }
    return msgspec.convert(document, core_v1.Event)


async def _raise_count(events: ResourceClient[core_v1.Event], known: Known) -> None:
    patch = {"count": known.count, "lastTimestamp": _time(known.last), "message": known.message}
    namespace = known.occurrence.about.namespace or "default"
    await events.patch(known.name, namespace, patch, PatchType.STRATEGIC)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
