"""What an event may say, in the form of core/v1: old events loosely, and new ones, which have an `eventTime`.

Follows pkg/apis/core/validation/events.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    invalid,
    is_dns_subdomain,
    required,
)
from pybernetes.api.models.core_v1 import Event
from pybernetes.apiserver.validation.metadata import label_key_messages
from pybernetes.apiserver.validation.simple import check_unchanged

LONGEST_NAME = 128
LONGEST_MESSAGE = 1024
_OF_THE_CLUSTER = ("default", "kube-system")


def check_event(event: Event, controller: FieldPath) -> Iterator[FieldError]:
    """Through whatever group; ``controller`` is what the group calls who reports it."""
    namespace, involved = event.metadata.namespace, event.involved_object.namespace
    if event.event_time is None:
        fits = involved == namespace if involved else namespace in ("", "default")
    else:
        fits = bool(involved) or namespace in _OF_THE_CLUSTER
    if not fits:
        yield invalid(at.involvedObject.namespace, involved, "does not match event.namespace")
    if event.event_time is not None:
        yield from _check_report(event, controller)
    yield from (invalid(at.namespace, namespace, message) for message in is_dns_subdomain(namespace))


def _check_report(event: Event, controller: FieldPath) -> Iterator[FieldError]:
    reporter = event.reporting_component
    if not reporter:
        yield required(controller)
    yield from (invalid(controller, reporter, message) for message in label_key_messages(reporter))
    for path, value in (
        (at.reportingInstance, event.reporting_instance),
        (at.action, event.action),
        (at.reason, event.reason),
    ):
        if not value:
            yield required(path)
        if len(value.encode()) > LONGEST_NAME:
            yield invalid(path, "", f"can have at most {LONGEST_NAME} characters")
    if len(event.message.encode()) > LONGEST_MESSAGE:
        yield invalid(at.message, "", f"can have at most {LONGEST_MESSAGE} characters")


def check_new_event(event: Event) -> Iterator[FieldError]:
    yield from _check_series(event)
    if event.event_time is None:
        yield required(at.eventTime)
    if event.type not in ("Normal", "Warning"):
        yield invalid(at.type, "", f"has invalid value: {event.type}")
    for path, given in (
        (at.firstTimestamp, event.first_timestamp),
        (at.lastTimestamp, event.last_timestamp),
        (at.count, event.count),
        (at.source, event.source.component or event.source.host),
    ):
        if given:
            yield invalid(path, "", "needs to be unset")


def _check_series(event: Event) -> Iterator[FieldError]:
    if event.series is None:
        return
    if event.series.count < 2:
        yield invalid("series.count", "", "should be at least 2")
    if event.series.last_observed_time is None:
        yield required("series.lastObservedTime")


def check_event_kept(new: Event, old: Event) -> Iterator[FieldError]:
    """Nothing of a new event changes but its series."""
    if new.series != old.series:
        yield from _check_series(new)
    for path, after, before in (
        (at.involvedObject, new.involved_object, old.involved_object),
        (at.reason, new.reason, old.reason),
        (at.message, new.message, old.message),
        (at.source, new.source, old.source),
        (at.firstTimestamp, new.first_timestamp, old.first_timestamp),
        (at.lastTimestamp, new.last_timestamp, old.last_timestamp),
        (at.count, new.count, old.count),
        (at.reason, new.reason, old.reason),
        (at.type, new.type, old.type),
        (at.eventTime, new.event_time, old.event_time),
        (at.action, new.action, old.action),
        (at.related, new.related, old.related),
        (at.reportingController, new.reporting_component, old.reporting_component),
        (at.reportingInstance, new.reporting_instance, old.reporting_instance),
    ):
        yield from check_unchanged(after, before, path)
