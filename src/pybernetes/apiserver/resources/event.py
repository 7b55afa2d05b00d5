"""Event: something that happened to an object; one storage with two views, `v1` and `events.k8s.io/v1`.

Guarantees  An event written through one group reads as the same event through the other.

Follows pkg/registry/core/event, pkg/apis/events/v1/conversion.go and pkg/apis/core/validation/events.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from pybernetes.api.fields import FieldError, at, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.models import core_v1, events_v1
from pybernetes.apiserver.columns import since
from pybernetes.apiserver.resource import Column, Document, Resource, Stored
from pybernetes.apiserver.resources.cells import as_stored
from pybernetes.apiserver.validation.events import check_event, check_event_kept, check_new_event
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update

# events.k8s.io name → core name
_RENAMED = {
    "note": "message",
    "regarding": "involvedObject",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
    "reportingController": "reportingComponent",
}
_RENAMED_BACK = {core: view for view, core in _RENAMED.items()}
_OMITTED_IN_VIEW = ("reportingComponent", "reportingInstance")


def to_core(event: Document) -> Document:
    return {_RENAMED.get(key, key): value for key, value in event.items()} | {"apiVersion": "v1"}


def from_core(event: Document) -> Document:
    """Who reports it is always written in `v1`, and left out in the view when it is nobody."""
    told = {key: value for key, value in event.items() if value or key not in _OMITTED_IN_VIEW}
    return {_RENAMED_BACK.get(key, key): value for key, value in told.items()} | {"apiVersion": "events.k8s.io/v1"}


def validate(event: core_v1.Event) -> Iterator[FieldError]:
    yield from check_event(event, at.reportingComponent)


def validate_update(new: core_v1.Event, old: core_v1.Event) -> Iterator[FieldError]:
    yield from check_event(new, at.reportingComponent)


def validate_strictly(event: core_v1.Event) -> Iterator[FieldError]:
    """What is written through events.k8s.io must be as new events are; errors name the fields of core events."""
    yield from check_event(event, at.reportingController)
    yield from check_metadata(event.metadata, is_dns_subdomain)
    yield from check_new_event(event)


def validate_strict_update(new: core_v1.Event, old: core_v1.Event) -> Iterator[FieldError]:
    yield from check_event(new, at.reportingController)
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_event_kept(new, old)


def _seen(event: Document, now: datetime) -> tuple[str, str]:
    """How long ago for the first time, and for the last."""
    first = since(event.get("firstTimestamp") or event.get("eventTime"), now)
    if series := event.get("series"):
        return first, since(series.get("lastObservedTime"), now)
    last = event.get("lastTimestamp")
    return first, since(last, now) if last else first


def _object(event: Document, now: datetime) -> str:
    involved = event.get("involvedObject") or {}
    kind, name = involved.get("kind", "").lower(), involved.get("name")
    return f"{kind}/{name}" if name else kind


def source_of(event: Document) -> str:
    source: str = (event.get("source") or {}).get("component") or event.get("reportingComponent") or ""
    return source


def _source(event: Document, now: datetime) -> str:
    host = (event.get("source") or {}).get("host") or event.get("reportingInstance")
    return f"{source_of(event)}, {host}" if host else source_of(event)


def _count(event: Document, now: datetime) -> int:
    count: int = (event.get("series") or event).get("count") or 1
    return count


_COLUMNS = (
    Column("Last Seen", lambda event, now: _seen(event, now)[1]),
    Column("Type", lambda event, now: event.get("type", "")),
    Column("Reason", lambda event, now: event.get("reason", "")),
    Column("Object", _object),
    Column("Subobject", lambda event, now: (event.get("involvedObject") or {}).get("fieldPath", ""), priority=1),
    Column("Source", _source, priority=1),
    Column("Message", lambda event, now: (event.get("message") or "").strip()),
    Column("First Seen", lambda event, now: _seen(event, now)[0], priority=1),
    Column("Count", _count, priority=1),
    Column("Name", lambda event, now: event["metadata"].get("name", ""), format="name", priority=1),
)


def _involved(field: str) -> Callable[[Document], str]:
    return lambda event: (event.get("involvedObject") or {}).get(field) or ""


_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_SELECTABLE: dict[str, Callable[[Document], str]] = {
    **{f"involvedObject.{field}": _involved(field) for field in _INVOLVED},
    "reason": lambda event: event.get("reason") or "",
    "reportingComponent": lambda event: event.get("reportingComponent") or "",
    "source": source_of,
    "type": lambda event: event.get("type") or "",
}


def _on_core(extract: Callable[..., Any]) -> Callable[..., Any]:
    return lambda event, *rest: extract(to_core(event), *rest)


def _view_name(path: str) -> str:
    return path.replace("involvedObject.", "regarding.").replace("reportingComponent", "reportingController")


EVENTS = Resource(
    info=info_of(core_v1.Event),
    short_names=("ev",),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    common_metadata=True,
    columns=_COLUMNS,
    selectable=_SELECTABLE,
    allows_create_on_update=True,
)

_STRICT = Resource(
    info=EVENTS.info,
    validate=validate_strictly,
    validate_update=validate_strict_update,
    judges_updates_alone=True,
)

NEW_EVENTS = Resource(
    info=info_of(events_v1.Event),
    short_names=("ev",),
    storage="events",
    stored=Stored(EVENTS.info, from_storage=from_core, to_storage=to_core, rules=_STRICT),
    columns=tuple(as_stored(column, to_core) for column in _COLUMNS),
    selectable={_view_name(path): _on_core(get) for path, get in _SELECTABLE.items() if path != "source"},
    allows_create_on_update=True,
)

RESOURCES = (EVENTS, NEW_EVENTS)
