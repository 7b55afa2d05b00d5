"""One client's watch: what it is told first, what of each event it sees, when it ends.

Guarantees
  Every event after the start that touches the selection is told once, in order: an object that enters the selection is
  ADDED, one that leaves it DELETED with its last selected state at the version at which it left.
  A client that does not read is cut off, never told a part.

Follows k8s.io/apiserver/pkg/storage/cacher and endpoints/handlers/watch.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from pybernetes.api import errors
from pybernetes.apiserver.kind_cache import KindCache, TooOld
from pybernetes.apiserver.list_options import ListOptions
from pybernetes.apiserver.listing import check_version, fresh
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.selection import Selection, candidates
from pybernetes.apiserver.watch_cache import WatchCache
from pybernetes.apiserver.watch_events import Event, EventType
from pybernetes.apiserver.watch_lines import Lines

BOOKMARK_SECONDS = 60.0
BOOKMARK_BEFORE_END = 2.0
MOST_PENDING = 64 * 1024 * 1024
"""Bytes that may wait for a client that does not read."""

Sink = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class WatchTimes:
    """When a watch ends, and whether it is told versions meanwhile."""

    seconds: float
    bookmarks: bool


class WatchStream:
    """The lines of one watch, to be iterated; or to be taken as they come, with ``take``."""

    def __init__(
        self, kind: KindCache, watch_cache: WatchCache, selection: Selection, lines: Lines, times: WatchTimes
    ) -> None:
        self.interest = selection.interest
        self._kind = kind
        self._watch_cache = watch_cache
        self._selection = selection
        self._all = selection.everything
        self._lines = lines
        self._pending: list[bytes] = []
        self._waiting = 0
        self._wake: asyncio.Future[None] | None = None
        self._sink: Sink | None = None
        self._after = 0
        self._ended = False
        self._timers: list[asyncio.TimerHandle] = []
        self._start_timers(times)

    def begin(self, initial: Iterable[bytes], after: int) -> None:
        """Says what comes first, and then what happens later than ``after``."""
        self._after = after
        for line in initial:
            self._push(line)
        self._kind.subscribers.add(self)

    def deliver(self, event: Event) -> None:
        if event.revision <= self._after:
            return
        if self._all:
            self._push(self._lines.of_event(event))
            return
        seen = selected(self._selection, event)
        if seen is event:
            self._push(self._lines.of_event(event))
        elif seen is not None:
            self._push(self._lines.of_object(seen.type, seen.object))

    def fail(self, error: errors.ApiError) -> None:
        """Tells why the watch ends, and ends it."""
        self._push(self._lines.error(error))
        self.end()

    def end(self) -> None:
        self._ended = True
        self._kind.subscribers.remove(self)
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._rouse()

    @property
    def ended(self) -> bool:
        return self._ended

    def take(self, sink: Sink) -> None:
        """From now on lines go straight to ``sink``, those that wait first; iterating then waits for the end."""
        waiting, self._pending, self._waiting = self._pending, [], 0
        if waiting:
            sink(b"".join(waiting))
        self._sink = sink

    def __aiter__(self) -> WatchStream:
        return self

    async def __anext__(self) -> bytes:
        while not self._pending:
            if self._ended:
                raise StopAsyncIteration
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        lines, self._pending, self._waiting = self._pending, [], 0
        return lines[0] if len(lines) == 1 else b"".join(lines)

    async def aclose(self) -> None:
        self.end()

    def _push(self, line: bytes) -> None:
        if self._sink is not None:
            self._sink(line)
            return
        self._pending.append(line)
        self._waiting += len(line)
        if self._waiting > MOST_PENDING:
            self._pending.clear()
            self.end()
        self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _start_timers(self, times: WatchTimes) -> None:
        loop = asyncio.get_running_loop()
        self._timers.append(loop.call_later(times.seconds, self.end))
        if times.bookmarks:
            self._timers.append(loop.call_later(BOOKMARK_SECONDS, self._tell_version_and_again))
            if times.seconds > BOOKMARK_BEFORE_END:
                self._timers.append(loop.call_later(times.seconds - BOOKMARK_BEFORE_END, self._tell_version))

    def _tell_version(self) -> None:
        self._push(self._lines.bookmark(self._watch_cache.revision))

    def _tell_version_and_again(self) -> None:
        self._tell_version()
        if not self._ended:
            self._timers[1] = asyncio.get_running_loop().call_later(BOOKMARK_SECONDS, self._tell_version_and_again)


@dataclass(frozen=True, slots=True)
class Seen:
    """An event as a selection sees it, where that differs from the event."""

    type: EventType
    object: StoredObject


def selected(selection: Selection, event: Event) -> Event | Seen | None:
    before = event.previous is not None and selection.matches(event.previous)
    if event.type is EventType.DELETED:
        return event if before else None
    if selection.matches(event.object):
        if before == (event.type is EventType.MODIFIED):
            return event
        return Seen(EventType.MODIFIED if before else EventType.ADDED, event.object)
    if before and event.previous is not None:
        return Seen(EventType.DELETED, event.previous.at(event.revision))
    return None


class Watcher:
    """Opens watches on one kind."""

    def __init__(self, registry: Registry, random: Random, shortest_seconds: int) -> None:
        self._registry = registry
        self._random = random
        self._shortest = shortest_seconds

    async def open(self, options: ListOptions, selection: Selection, lines: Lines) -> WatchStream:
        kind, watch_cache = self._registry.cache, self._registry.watch_cache
        await self._catch_up(options)
        stream = WatchStream(kind, watch_cache, selection, lines, self._times(options))
        try:
            initial = list(self._initial(options, selection, lines))
        except TooOld as error:
            stream.begin([lines.error(errors.expired(str(error)))], 0)
            stream.end()
            return stream
        stream.begin(initial, max(options.revision, watch_cache.revision))
        return stream

    async def _catch_up(self, options: ListOptions) -> None:
        check_version(options.resource_version)
        if not options.resource_version:
            await self._registry.watch_cache.at_least(self._registry.store.revision)
        elif options.send_initial_events:
            await fresh(self._registry.watch_cache, options.revision)

    def _times(self, options: ListOptions) -> WatchTimes:
        seconds = float(options.timeout_seconds or self._shortest * (1 + self._random.random()))
        return WatchTimes(seconds, options.allow_bookmarks)

    def _initial(self, options: ListOptions, selection: Selection, lines: Lines) -> Iterable[bytes]:
        from_scratch = options.resource_version in ("", "0")
        if options.send_initial_events or (from_scratch and options.send_initial_events is None):
            for stored in candidates(self._registry.cache, selection):
                if selection.matches(stored):
                    yield lines.of_object(EventType.ADDED, stored)
            if options.send_initial_events and options.allow_bookmarks:
                yield lines.initial_end(self._registry.watch_cache.revision)
            return
        if from_scratch:
            return
        for event in self._registry.cache.events_after(options.revision):
            if selection.namespace and event.object.namespace != selection.namespace:
                continue
            seen = selected(selection, event)
            if seen is event:
                yield lines.of_event(event)
            elif seen is not None:
                yield lines.of_object(seen.type, seen.object)
