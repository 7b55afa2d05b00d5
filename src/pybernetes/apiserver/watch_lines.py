"""The lines of a watch in the form its client asked for: whole objects, table rows, or metadata."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from pybernetes.api import go_json
from pybernetes.api.errors import ApiError
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.negotiation import Encoding, Media, Shown
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.tables import IncludeObject, include_object, partial, table
from pybernetes.apiserver.view import View
from pybernetes.apiserver.watch_events import Event, EventType, event_line

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Lines(Protocol):
    def of_event(self, event: Event) -> bytes: ...

    def of_object(self, type: EventType, stored: StoredObject) -> bytes: ...

    def bookmark(self, revision: int) -> bytes: ...

    def initial_end(self, revision: int) -> bytes: ...

    def error(self, error: ApiError) -> bytes: ...


def lines_for(request: ApiRequest, view: View, media: Media, now: Callable[[], datetime]) -> Lines:
    if media.encoding is Encoding.PROTOBUF:
        return WholeFrames(view) if media.shown is Shown.WHOLE else PartialFrames(view, media.version)
    match media.shown:
        case Shown.WHOLE:
            return WholeLines(view)
        case Shown.TABLE:
            return TableLines(view, media.version, include_object(request), now)
        case Shown.PARTIAL | Shown.PARTIAL_LIST:
            return PartialLines(view, media.version)


class JsonErrors:
    def error(self, error: ApiError) -> bytes:
        return go_json.dumps({"type": "ERROR", "object": error.status()}) + b"\n"


class WholeLines(JsonErrors):
    """The bytes of an event are made once for all clients."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.of_event = view.line

    def of_object(self, type: EventType, stored: StoredObject) -> bytes:
        return event_line(type, self._view.whole(stored))

    def bookmark(self, revision: int) -> bytes:
        return _bookmark(self._skeleton(revision))

    def initial_end(self, revision: int) -> bytes:
        return _bookmark(_ended(self._skeleton(revision)))

    def _skeleton(self, revision: int) -> Document:
        return {**self._view.blank, "metadata": {"resourceVersion": str(revision)}}


class PartialLines(JsonErrors):
    def __init__(self, view: View, version: str) -> None:
        self._view = view
        self._version = version

    def of_event(self, event: Event) -> bytes:
        return self.of_object(event.type, event.object)

    def of_object(self, type: EventType, stored: StoredObject) -> bytes:
        return event_line(type, go_json.dumps(partial(self._view.document(stored), self._version)))

    def bookmark(self, revision: int) -> bytes:
        return _bookmark(self._skeleton(revision))

    def initial_end(self, revision: int) -> bytes:
        return _bookmark(_ended(self._skeleton(revision)))

    def _skeleton(self, revision: int) -> Document:
        return partial({"metadata": {"resourceVersion": str(revision)}}, self._version)


class TableLines(JsonErrors):
    """A table of one row per event; only the first says what the columns are."""

    def __init__(self, view: View, version: str, include: IncludeObject, now: Callable[[], datetime]) -> None:
        self._view = view
        self._version = version
        self._include = include
        self._now = now
        self._first = True

    def of_event(self, event: Event) -> bytes:
        return self.of_object(event.type, event.object)

    def of_object(self, type: EventType, stored: StoredObject) -> bytes:
        return event_line(type, go_json.dumps(self._table([self._view.document(stored)], stored.revision)))

    def bookmark(self, revision: int) -> bytes:
        return _bookmark(self._table([], revision))

    def initial_end(self, revision: int) -> bytes:
        return _bookmark(_ended(self._table([], revision)))

    def _table(self, documents: list[Document], revision: int) -> Document:
        first, self._first = self._first, False
        return table(
            self._view.resource,
            documents,
            version=self._version,
            include=self._include,
            now=self._now(),
            list_metadata={"resourceVersion": str(revision)},
            with_columns=first,
        )


class ProtobufErrors:
    def error(self, error: ApiError) -> bytes:
        return _frame("ERROR", error.status())


class WholeFrames(ProtobufErrors):
    """As lines, but in protobuf; the bytes of an event are made once for all clients."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.of_event = view.frame
        self.of_object = view.frame_of

    def bookmark(self, revision: int) -> bytes:
        return _frame("BOOKMARK", self._skeleton(revision))

    def initial_end(self, revision: int) -> bytes:
        return _frame("BOOKMARK", _ended(self._skeleton(revision)))

    def _skeleton(self, revision: int) -> Document:
        info = self._view.info
        return {"kind": info.kind, "apiVersion": info.api_version, "metadata": {"resourceVersion": str(revision)}}


class PartialFrames(ProtobufErrors):
    def __init__(self, view: View, version: str) -> None:
        self._view = view
        self._version = version

    def of_event(self, event: Event) -> bytes:
        return self.of_object(event.type, event.object)

    def of_object(self, type: EventType, stored: StoredObject) -> bytes:
        return _frame(type, partial(self._view.document(stored), self._version))

    def bookmark(self, revision: int) -> bytes:
        return _frame("BOOKMARK", self._skeleton(revision))

    def initial_end(self, revision: int) -> bytes:
        return _frame("BOOKMARK", _ended(self._skeleton(revision)))

    def _skeleton(self, revision: int) -> Document:
        return partial({"metadata": {"resourceVersion": str(revision)}}, self._version)


def _frame(type: str, document: Document) -> bytes:
    from pybernetes.apiserver.protobuf.bodies import body_of, frame

    return frame(type, body_of(document))


def _ended(skeleton: Document) -> Document:
    metadata: dict[str, Any] = skeleton["metadata"]
    metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
    return skeleton


def _bookmark(skeleton: Document) -> bytes:
    return go_json.dumps({"type": "BOOKMARK", "object": skeleton}) + b"\n"
