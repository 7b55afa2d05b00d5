"""Events of one kind, and who gets them.

A watcher says what it selects; the events that cannot concern it (another namespace, another name, another value of a
field that the kind dispatches on) are never shown to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from pybernetes.apiserver.objects import StoredObject


class EventType(StrEnum):
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


class Event:
    """``object`` is what the event shows (for a deletion the last state, at the revision of the deletion)."""

    __slots__ = ("_line", "frame", "object", "previous", "revision", "type")

    def __init__(self, type: EventType, object: StoredObject, previous: StoredObject | None) -> None:
        self.type = type
        self.object = object
        self.previous = previous
        self.revision = object.revision
        self._line: bytes | None = None
        self.frame: bytes | None = None
        """The event in protobuf, once somebody has asked for it."""

    @property
    def line(self) -> bytes:
        if self._line is None:
            self._line = event_line(self.type, self.object.whole)
        return self._line

    def forget_bytes(self) -> None:
        """Everybody who watches has them: for those who come later, the few, they are built again."""
        self._line = self.frame = None


_STARTS = {type: b'{"type":"%s","object":' % type.value.encode() for type in EventType}


def event_line(type: EventType, object: bytes) -> bytes:
    return b"".join((_STARTS[type], object, b"}\n"))


class Interest(NamedTuple):
    """The narrowest thing a watcher's selection pins down; empty: everything of the kind."""

    namespace: str = ""
    name: str = ""
    field: str = ""
    value: str = ""


class Subscriber(Protocol):
    interest: Interest

    def deliver(self, event: Event) -> None:
        """Must not block, and must not raise."""

    def end(self) -> None:
        """No more events will come."""


class Subscribers:
    def __init__(self, dispatch: Sequence[str] = ()) -> None:
        self._dispatch = tuple(dispatch)
        self._by_interest: dict[Interest, dict[Subscriber, None]] = {}
        self._count = 0

    def add(self, subscriber: Subscriber) -> None:
        group = self._by_interest.setdefault(subscriber.interest, {})
        self._count += subscriber not in group
        group[subscriber] = None

    def remove(self, subscriber: Subscriber) -> None:
        group = self._by_interest.get(subscriber.interest)
        if group is not None and subscriber in group:
            del group[subscriber]
            self._count -= 1
            if not group:
                del self._by_interest[subscriber.interest]

    def publish(self, event: Event) -> None:
        groups = self._by_interest
        if not groups:
            return
        for interest in self._concerned(event):
            group = groups.get(interest)
            if group:
                for subscriber in tuple(group):
                    subscriber.deliver(event)

        event.forget_bytes()

    def end_all(self) -> None:
        for group in tuple(self._by_interest.values()):
            for subscriber in tuple(group):
                subscriber.end()
        self._by_interest.clear()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def _concerned(self, event: Event) -> Iterator[Interest]:
        object = event.object
        yield Interest()
        yield Interest(object.namespace, object.name)
        if object.namespace:
            yield Interest(object.namespace)
            yield Interest(name=object.name)
        for path in self._dispatch:
            values = {object.marks[path]}
            if event.previous is not None:
                values.add(event.previous.marks[path])
            for value in values:
                yield Interest(field=path, value=value)
