"""Columns that many kinds share, and how a length of time reads in them.

Follows pkg/printers/internalversion and the duration package of k8s.io/apimachinery.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pybernetes.apiserver.resource import Column, Document

UNKNOWN = "<unknown>"
NONE = "<none>"

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_YEAR = 365 * _DAY


def human_duration(seconds: float) -> str:
    """At most two units, and fewer the longer it is: 90s, 5m30s, 3h, 2d4h, 2y30d."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 0:
        return "0s"
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    if whole < 10 * _MINUTE:
        return _two(whole, _MINUTE, "m", 1, "s")
    if whole < 3 * _HOUR:
        return f"{whole // _MINUTE}m"
    if whole < 8 * _HOUR:
        return _two(whole, _HOUR, "h", _MINUTE, "m")
    if whole < 2 * _DAY:
        return f"{whole // _HOUR}h"
    if whole < 8 * _DAY:
        return _two(whole, _DAY, "d", _HOUR, "h")
    if whole < 2 * _YEAR:
        return f"{whole // _DAY}d"
    if whole < 8 * _YEAR:
        return _two(whole, _YEAR, "y", _DAY, "d")
    return f"{whole // _YEAR}y"


def _two(whole: int, large: int, large_name: str, small: int, small_name: str) -> str:
    rest = whole % large // small
    return f"{whole // large}{large_name}" + (f"{rest}{small_name}" if rest else "")


def since(text: str | None, now: datetime) -> str:
    """How long ago an RFC 3339 time was."""
    if not text:
        return UNKNOWN
    then = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return human_duration((now - then.astimezone(UTC)).total_seconds())


def _name(document: Document, now: datetime) -> str:
    name: str = document["metadata"].get("name", "")
    return name


def _age(document: Document, now: datetime) -> str:
    return since(document["metadata"].get("creationTimestamp"), now)


def _ready(document: Document, now: datetime) -> str:
    statuses = (document.get("status") or {}).get("containerStatuses") or ()
    ready = sum(1 for status in statuses if status.get("ready"))
    return f"{ready}/{len(document['spec'].get('containers') or ())}"


NAME = Column("Name", _name, format="name")
AGE = Column("Age", _age)
UNTITLED_AGE = Column("", _age)
"""For tables of upstream with a cell more than columns."""
READY = Column("Ready", _ready)
"""For pods: ready containers of all."""
