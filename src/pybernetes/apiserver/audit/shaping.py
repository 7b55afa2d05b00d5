"""What becomes of an event before it is written: cut down to size, or told in one line.

Follows k8s.io/apiserver/plugin/pkg/audit/truncate and k8s.io/apiserver/pkg/audit/format.go.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import orjson

from pybernetes.api import go_json
from pybernetes.api.fields import quoted
from pybernetes.apiserver.audit.event import Sink, Taken
from pybernetes.apiserver.audit.losses import Losses

log = logging.getLogger(__name__)

TRUNCATE = "truncate"
TRUNCATED = "audit.k8s.io/truncated"
_LARGE = ("requestObject", "responseObject")


@dataclass(frozen=True, slots=True)
class Truncating:
    """Implements `Sink`. Takes request and response out of an event that is too large; what is still too large, or was
    so without them, is lost."""

    sink: Sink
    most: int
    losses: Losses

    def take(self, event: bytes) -> Taken:
        shown = event
        if len(event) > self.most:
            shown = _without_objects(event)
        if len(shown) > self.most:
            log.error("an audit event is lost: it is too large even after truncating", extra={"bytes": len(shown)})
            self.losses.add(TRUNCATE)
            return True
        return self.sink.take(shown)


def _without_objects(event: bytes) -> bytes:
    document = orjson.loads(event)
    if document["level"] not in ("Request", "RequestResponse"):
        return event
    kept = {name: value for name, value in document.items() if name not in _LARGE}
    kept["annotations"] = {**document.get("annotations", {}), TRUNCATED: "true"}
    return go_json.dumps(kept)


@dataclass(frozen=True, slots=True)
class Legacy:
    """Implements `Sink`. Turns events into upstream's oldest form."""

    sink: Sink

    def take(self, event: bytes) -> Taken:
        return self.sink.take(legacy_line(event).encode())


def legacy_line(event: bytes) -> str:
    told = orjson.loads(event)
    user, other = told["user"], told.get("impersonatedUser")
    as_groups = "<lookup>" if other is None or other.get("groups") is None else _listed(other["groups"])
    shown = {
        "id": told["auditID"],
        "stage": told["stage"],
        "ip": (told.get("sourceIPs") or ["<unknown>"])[0],
        "method": told["verb"],
        "user": user.get("username") or "<none>",
        "groups": _listed(user["groups"]) if user.get("username") and user.get("groups") else "<none>",
        "as": "<self>" if other is None else other.get("username", ""),
        "asgroups": as_groups,
        "user-agent": told.get("userAgent", ""),
        "namespace": told.get("objectRef", {}).get("namespace") or "<none>",
        "uri": told["requestURI"],
        "response": str(told["responseStatus"]["code"]) if "responseStatus" in told else "<deferred>",
    }
    fields = " ".join(f"{name}={quoted(value)}" for name, value in shown.items())
    return f"{_moment(told['requestReceivedTimestamp'])} AUDIT: {fields}"


def _moment(text: str) -> str:
    """Go leaves zeros at the end of a fraction out."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


def _listed(names: list[str]) -> str:
    return ",".join(map(quoted, names))
