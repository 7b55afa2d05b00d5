"""What is told of one request, growing as the request is served; told at each stage that the policy does not omit.

Follows k8s.io/apiserver/pkg/audit (context.go, request.go) and k8s.io/apiserver/pkg/apis/audit/v1.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import orjson

from pybernetes.api import go_json
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import format_micro_time
from pybernetes.apiserver.audit.policy import NAMES, Level, Stage, Verdict
from pybernetes.apiserver.audit.reading import document_of, without_managers
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.http import ApiResponse
from pybernetes.apiserver.resource import Document

log = logging.getLogger(__name__)

_IDENTITY = ("namespace", "name", "uid", "resourceVersion")
_PLACE = ("resource", "namespace", "name", "uid", "apiGroup", "apiVersion", "resourceVersion", "subresource")
_BOUNDED = ("status", "message", "reason", "details", "code")
_FIELDS = (
    "kind",
    "apiVersion",
    "level",
    "auditID",
    "stage",
    "requestURI",
    "verb",
    "user",
    "impersonatedUser",
    "authenticationMetadata",
    "sourceIPs",
    "userAgent",
    "objectRef",
    "responseStatus",
    "requestObject",
    "responseObject",
    "requestReceivedTimestamp",
    "stageTimestamp",
    "annotations",
)


Taken = bool | asyncio.Future[bool]
"""Whether an event has been taken in, where that is known at once."""


class Sink(Protocol):
    """Where events go. Never raises, never waits."""

    def take(self, event: bytes) -> Taken: ...


class All:
    """Implements `Sink` by several."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)

    def take(self, event: bytes) -> Taken:
        taken = [sink.take(event) for sink in self._sinks]
        waiting = [one for one in taken if isinstance(one, asyncio.Future)]
        good = all(one for one in taken if isinstance(one, bool))
        return asyncio.ensure_future(_all_of(good, waiting)) if waiting else good


async def _all_of(good: bool, waiting: Sequence[asyncio.Future[bool]]) -> bool:
    return all([good, *(await asyncio.gather(*waiting))])


class Audited:
    """A request that is told of. ``head`` is what was known of it when it came."""

    __slots__ = ("_annotations", "_event", "_now", "_sink", "_verdict", "ended", "taken")

    def __init__(self, head: Document, verdict: Verdict, sink: Sink, now: Callable[[], datetime]) -> None:
        self._verdict = verdict
        self._sink = sink
        self._now = now
        self._event = {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": NAMES[verdict.level], **head}
        self._annotations: dict[str, str] = {}
        self.ended = False
        self.taken: Taken = True
        """Whether what was told last has been taken in."""

    @property
    def tells_requests(self) -> bool:
        return self._verdict.level >= Level.REQUEST

    # what happens to it

    def annotate(self, key: str, value: str) -> None:
        """The first value stays."""
        if self._annotations.setdefault(key, value) != value:
            log.warning("an annotation of an audit event is set already", extra={"key": key, "value": value})

    def impersonated(self, user: User, constraint: str) -> None:
        self._event["impersonatedUser"] = user_info(user)
        if constraint:
            self._event["authenticationMetadata"] = {"impersonationConstraint": constraint}

    def request_object(self, document: Document) -> None:
        """What was sent, with its defaults. It is copied: the caller goes on to change it."""
        place = self._event.setdefault("objectRef", {})
        metadata = document.get("metadata") or {}
        for name in _IDENTITY:
            if metadata.get(name) and not place.get(name):
                place[name] = metadata[name]
        if self.tells_requests:
            shown = without_managers(document) if self._verdict.omit_managed_fields else document
            self._event["requestObject"] = orjson.Fragment(orjson.dumps(shown))

    def request_options(self, options: Document) -> None:
        """Those of a deletion, as they were sent."""
        if self.tells_requests:
            shown = {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/__internal", **options}
            self._event["requestObject"] = orjson.Fragment(orjson.dumps(shown))

    def request_patch(self, body: bytes) -> None:
        if self.tells_requests:
            patch = document_of("application/yaml", body)
            self._event["requestObject"] = orjson.Fragment(orjson.dumps(patch))

    # its stages

    def received(self) -> None:
        self._tell(Stage.REQUEST_RECEIVED)

    def answered(self, answer: ApiResponse) -> None:
        """What is known of an answer before it is sent."""
        code = 101 if answer.upgrade is not None else answer.status
        self._event["responseStatus"] = {"metadata": {}, "code": code}
        if not answer.is_whole or answer.upgrade is not None:
            return
        if self._verdict.level < Level.REQUEST_RESPONSE and not _may_be_status(answer):
            return
        shown = document_of(answer.headers.get("Content-Type", ""), answer.content)
        if not isinstance(shown, dict) or not shown.get("kind"):
            return
        if shown["kind"] == "Status" and shown.get("apiVersion") == "v1":
            told = {name: shown[name] for name in _BOUNDED if shown.get(name)}
            self._event["responseStatus"] = {"metadata": {}, **told, "code": code}
        if self._verdict.level >= Level.REQUEST_RESPONSE:
            self._event["responseObject"] = without_managers(shown) if self._verdict.omit_managed_fields else shown

    def started(self) -> None:
        self._tell(Stage.RESPONSE_STARTED)

    def complete(self) -> None:
        """Once; later calls tell nothing."""
        if not self.ended:
            self.ended = True
            self._tell(Stage.RESPONSE_COMPLETE)

    def over(self) -> None:
        """Nothing more will be sent; without an answer so far the client has gone before there was one."""
        if not self.ended:
            status = {"metadata": {}, "status": "Success", "message": "Connection closed early", "code": 200}
            self._event.setdefault("responseStatus", status)
            self.complete()

    def failed(self, error: Exception) -> None:
        """A defect of the server."""
        what = ApiError(500, "InternalError", f"APIServer panic'd: {error}").status()
        told = {name: what[name] for name in _BOUNDED if what.get(name)}
        self._event["responseStatus"] = {"metadata": {}, **told}
        self.ended = True
        self._tell(Stage.PANIC)

    def _tell(self, stage: Stage) -> None:
        if stage in self._verdict.omitted:
            return
        now = self._event["requestReceivedTimestamp"]
        if stage is not Stage.REQUEST_RECEIVED:
            now = format_micro_time(self._now())
        told = {**self._event, "stage": stage, "stageTimestamp": now}
        if self._annotations:
            told["annotations"] = dict(sorted(self._annotations.items()))
        place = told.get("objectRef")
        if place:
            told["objectRef"] = {name: place[name] for name in _PLACE if place.get(name)}
        self.taken = self._sink.take(go_json.dumps({name: told[name] for name in _FIELDS if name in told}))


def _may_be_status(answer: ApiResponse) -> bool:
    return isinstance(answer.body, bytes) and b"Status" in answer.body[:100]


def user_info(user: User) -> Mapping[str, Any]:
    told: dict[str, Any] = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
    told["extra"] = {key: list(values) for key, values in user.extra.items()}
    return {name: value for name, value in told.items() if value}
