"""Every object and the recent events, as the store last told them: what lists and watches read.

Guarantees
  An object's bytes at a revision are built once and shared by lists and all watchers.
  The cache is at ``revision``: it shows every change up to it and none later; ``at_least`` waits for one.
  Events of a kind are handed to its watchers in order; a watcher that starts at revision r gets every later event that
  is still kept, and ``TooOld`` otherwise.

Follows k8s.io/apiserver/pkg/storage/cacher, with one reader of the store for all kinds.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from itertools import count

from sortedcontainers import SortedDict

from pybernetes.apiserver.marks import mark_reader
from pybernetes.apiserver.objects import Form, StoredObject
from pybernetes.apiserver.watch_events import Event, EventType, Subscribers
from pybernetes.store.contract import Change, ChangeType, Compacted, Entry, Store

log = logging.getLogger(__name__)

ROOT = "/registry/"
FEWEST_EVENTS = 100
MOST_EVENTS = 102_400
KEPT_SECONDS = 75.0
_PAST_EVERY_KEY = "\U0010ffff"

Pair = tuple[str, str]
_NOWHERE: dict[str, None] = {}


class TooOld(Exception):
    """The events after the revision asked for are no longer all kept."""

    def __init__(self, asked: int, oldest: int) -> None:
        super().__init__(f"too old resource version: {asked} ({oldest})")


class Span:
    """Some neighbours among the objects, as long as nothing changes; a slice of it stays as it is."""

    __slots__ = ("_end", "_first", "_objects")

    def __init__(self, objects: SortedDict[str, StoredObject], first: int, end: int) -> None:
        self._objects = objects
        self._first = first
        self._end = end

    def __len__(self) -> int:
        return self._end - self._first

    def __iter__(self) -> Iterator[StoredObject]:
        return iter(self.first(len(self)))

    def first(self, count: int) -> list[StoredObject]:
        objects = self._objects
        return [objects[key] for key in objects.keys()[self._first : min(self._end, self._first + count)]]


class KindCache:
    """The objects under one prefix, an index of their labels and marks, and a window of their events."""

    def __init__(self, prefix: str, form: Form, dispatch: Sequence[str] = ()) -> None:
        self.prefix = prefix
        self.form = form
        self.objects: SortedDict[str, StoredObject] = SortedDict()
        self.subscribers = Subscribers(dispatch)
        self._read_marks = mark_reader(dispatch)
        self._having: dict[tuple[str, str], dict[str, None]] = {}
        self._events: deque[tuple[float, Event]] = deque()
        self._oldest = 0

    def reset(self) -> None:
        self.objects.clear()
        self._having.clear()
        self._events.clear()

    def fill(self, entries: Sequence[Entry], revision: int) -> None:
        self._oldest = revision
        for entry in entries:
            self._index(self._take(entry))

    def apply(self, change: Change, now: float) -> None:
        entry = change.entry
        before = self.objects.get(entry.key)
        if change.type is ChangeType.PUT:
            after = self._take(entry)
            event = Event(EventType.MODIFIED if before else EventType.ADDED, after, before)
            if before is not None:
                self._unindex(before)
            self._index(after)
        elif before is not None:
            del self.objects[entry.key]
            self._unindex(before)
            event = Event(EventType.DELETED, before.at(entry.mod_revision), before)
        else:
            return
        self._keep(event, now)
        self.subscribers.publish(event)

    def _take(self, entry: Entry) -> StoredObject:
        found = self.objects[entry.key] = StoredObject.of(self.form, self.prefix, entry)
        found.marks = self._read_marks(found.item)
        return found

    def events_after(self, revision: int) -> list[Event]:
        if revision < self._oldest:
            raise TooOld(revision, self._oldest)
        found: list[Event] = []
        for _, event in reversed(self._events):
            if event.revision <= revision:
                break
            found.append(event)
        found.reverse()
        return found

    def under(self, namespace: str, start: str = "") -> Span:
        """The objects of a namespace, or all, in the order of their keys; from a key on, relative to the namespace."""
        lowest = f"{self.prefix}{namespace}/" if namespace else self.prefix
        first = self.objects.bisect_left(lowest + start)
        end = self.objects.bisect_left(lowest + _PAST_EVERY_KEY) if namespace else len(self.objects)
        return Span(self.objects, first, end)

    def having(self, namespace: str, pairs: Sequence[Pair], start: str = "") -> list[StoredObject]:
        """The objects that have the rarest of the labels or marks, in the order of their keys."""
        begin = f"{self.prefix}{namespace}/" if namespace else self.prefix
        rarest = min((self._having.get(pair, _NOWHERE) for pair in pairs), key=len)
        keys = sorted(key for key in rarest if key.startswith(begin) and key >= begin + start)
        return [self.objects[key] for key in keys]

    def _index(self, found: StoredObject) -> None:
        for pair in _pairs(found):
            self._having.setdefault(pair, {})[found.key] = None

    def _unindex(self, found: StoredObject) -> None:
        for pair in _pairs(found):
            keys = self._having[pair]
            del keys[found.key]
            if not keys:
                del self._having[pair]

    def _keep(self, event: Event, now: float) -> None:
        events = self._events
        events.append((now, event))
        while len(events) > MOST_EVENTS or (len(events) > FEWEST_EVENTS and events[0][0] < now - KEPT_SECONDS):
            self._oldest = events.popleft()[1].revision


def _pairs(found: StoredObject) -> Iterator[Pair]:
    yield from found.labels.items()
    for path, value in found.marks.items():
        yield mark_pair(path, value)


def mark_pair(path: str, value: str) -> Pair:
    """A mark among the labels: no label's name begins with a dot."""
    return f".{path}", value


class WatchCache:
    """All kinds' caches, fed by one watch on the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kinds: dict[str, KindCache] = {}
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._ticket = count()
        self._task: asyncio.Task[None] | None = None
        self.revision = 0

    async def start(self) -> None:
        everything = await self._store.range(ROOT)
        self.revision = everything.revision
        entries: dict[str, list[Entry]] = {prefix: [] for prefix in self._kinds}
        for entry in everything.entries:
            prefix = self._prefix_of(entry.key)
            if prefix is not None:
                entries[prefix].append(entry)
        for prefix, found in entries.items():
            self._kinds[prefix].fill(found, self.revision)
        self._task = asyncio.create_task(self._follow(), name="watch-cache")
        self._task.add_done_callback(_tell_of_failure)

    @property
    def following(self) -> bool:
        """Whether changes still come in; if not, lists and watches would wait for ever."""
        return self._task is not None and not self._task.done()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        for kind in self._kinds.values():
            kind.subscribers.end_all()

    def add(self, kind: KindCache) -> None:
        """Before ``start``: a kind that is served from the beginning."""
        self._kinds[kind.prefix] = kind

    async def add_later(self, kind: KindCache) -> None:
        """While running: a kind that has just been defined."""
        found = await self._store.range(kind.prefix)
        await self.at_least(found.revision)
        kind.fill((await self._store.range(kind.prefix, at=self.revision)).entries, self.revision)
        self._kinds[kind.prefix] = kind

    def remove(self, kind: KindCache) -> None:
        if self._kinds.pop(kind.prefix, None) is not None:
            kind.subscribers.end_all()

    def read_through(self, kind: KindCache, key: str) -> StoredObject | None:
        """An object that was written so recently that its change has not come yet."""
        if self.revision >= self._store.revision:
            return None
        try:
            entry = self._store.get_now(key)
        except NotImplementedError:
            return None
        return None if entry is None else StoredObject.of(kind.form, kind.prefix, entry)

    async def at_least(self, revision: int) -> None:
        if self.revision < revision:
            reached = asyncio.get_running_loop().create_future()
            heappush(self._waiters, (revision, next(self._ticket), reached))
            await reached

    async def _follow(self) -> None:
        while True:
            try:
                async with self._store.watch(ROOT, after=self.revision) as watch:
                    async for batch in watch:
                        self._apply(batch)
                return
            except Compacted:
                log.warning("the watch cache fell behind the store's history; reading everything again")
                await self._reload()

    def _apply(self, batch: Sequence[Change]) -> None:
        now = asyncio.get_running_loop().time()
        for change in batch:
            prefix = self._prefix_of(change.entry.key)
            if prefix is not None:
                self._kinds[prefix].apply(change, now)
        self._advance(batch[-1].revision)

    def _advance(self, revision: int) -> None:
        self.revision = revision
        waiters = self._waiters
        while waiters and waiters[0][0] <= revision:
            reached = heappop(waiters)[2]
            if not reached.done():
                reached.set_result(None)

    async def _reload(self) -> None:
        """Everybody who watches has missed something: their watches end, and they list again."""
        everything = await self._store.range(ROOT)
        for kind in self._kinds.values():
            kind.subscribers.end_all()
            kind.reset()
            kind.fill([e for e in everything.entries if e.key.startswith(kind.prefix)], everything.revision)
        self._advance(everything.revision)

    def _prefix_of(self, key: str) -> str | None:
        for end in _slashes(key, len(ROOT)):
            prefix = key[: end + 1]
            if prefix in self._kinds:
                return prefix
        return None


def _tell_of_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("the watch cache has stopped following the store", exc_info=error)


def _slashes(key: str, start: int) -> Iterator[int]:
    """Where the first and the second slash after the root are: kinds lie one or two folders deep."""
    end = key.find("/", start)
    if end >= 0:
        yield end
        end = key.find("/", end + 1)
        if end >= 0:
            yield end
