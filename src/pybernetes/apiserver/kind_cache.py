"""The objects of one kind as the store last told them, an index of what they have, and a window of their events.

Guarantees
  An object's stored bytes are the store's own; the line of an event is built once and shared by all watchers.
  Events are handed to watchers in order; one who starts at revision r gets every later event that is still kept, and
  ``TooOld`` otherwise.

Follows k8s.io/apiserver/pkg/storage/cacher.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from sortedcontainers import SortedDict

from pybernetes.apiserver.figures import Lists
from pybernetes.apiserver.marks import mark_reader
from pybernetes.apiserver.objects import Form, StoredObject
from pybernetes.apiserver.watch_events import Event, EventType, Subscribers
from pybernetes.store.contract import Change, ChangeType, Entry

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
        self._read_marks = mark_reader(dispatch) if dispatch else None
        self._having: dict[tuple[str, str], dict[str, None]] = {}
        self._events: deque[tuple[float, Event]] = deque()
        self._oldest = 0
        self._held: list[Change] | None = None
        self.version = 0
        """Another number whenever something has changed."""
        self.received = 0
        """Changes that were applied."""
        self.filled = 0
        """Objects that were read whole, in so many ``fillings``."""
        self.fillings = 0
        self.lists = Lists()
        self.lists_of_the_past = Lists()
        """Those that the store was asked for."""

    def reset(self) -> None:
        self._held = None
        self.version += 1
        self.objects.clear()
        self._having.clear()
        self._events.clear()

    def hold(self) -> None:
        """Until ``release`` changes are kept aside: the objects that they change are being read."""
        self._held = []

    def release(self, entries: Sequence[Entry], revision: int, now: float) -> None:
        held, self._held = self._held, None
        if held is None:
            return
        self.fill(entries, revision)
        for change in held:
            if change.entry.mod_revision > revision:
                self.apply(change, now)

    def fill(self, entries: Sequence[Entry], revision: int) -> None:
        self._oldest = revision
        self.version += 1
        self.fillings += 1
        self.filled += len(entries)
        found = {entry.key: self._read(entry) for entry in entries}
        self.objects.update(found)
        for one in found.values():
            self._index(one)

    def apply(self, change: Change, now: float) -> None:
        if self._held is not None:
            self._held.append(change)
            return
        self.version += 1
        self.received += 1
        entry = change.entry
        before = self.objects.get(entry.key)
        if change.type is ChangeType.PUT:
            after = self.objects[entry.key] = self._read(entry)
            event = Event(EventType.MODIFIED if before else EventType.ADDED, after, before)
            if before is None:
                self._index(after)
            elif before.labels is not after.labels or before.marks is not after.marks:
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

    def _read(self, entry: Entry) -> StoredObject:
        found = StoredObject(self.form, self.prefix, entry.key, entry.value, entry.mod_revision)
        if self._read_marks is not None:
            found.marks = self._read_marks(found.value)
        return found

    @property
    def newest(self) -> int:
        """The revision of the last event; 0 if there was none yet."""
        return self._events[-1][1].revision if self._events else 0

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
