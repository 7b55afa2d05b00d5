"""Where two answers differ, apart from what must: identities, versions and times."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from typing import Any

from comparison.requests import Answer

HEADERS = ("content-type", "cache-control", "warning", "location", "vary", "retry-after", "allow", "content-encoding")
"""Those that clients act on."""
_OWN = {
    "uid": "a uid",
    "resourceVersion": "a version",
    "creationTimestamp": "a time",
    "deletionTimestamp": "a time",
    "time": "a time",
    "lastTransitionTime": "a time",
    "continue": "a token",
    "selfLink": "a link",
}
_IN_TEXT = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UID"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r"current: \d+"), "current: VERSION"),
    (re.compile(r"ResourceVersion in record \(\d+\)"), "ResourceVersion in record (VERSION)"),
    (re.compile(r'resourceVersion: "\d+"'), "resourceVersion: VERSION"),
    (re.compile(r'"resourceVersion":"\d+"'), '"resourceVersion":"VERSION"'),
    (re.compile(r'\\"resourceVersion\\":\\"\d+\\"'), r"\"resourceVersion\":\"VERSION\""),
    (re.compile(r"kube-api-access-[a-z0-9]{5}\b"), "kube-api-access-ANY"),
    (re.compile(r"^\d{1,2}s$"), "AGE"),
    (re.compile(r"\b127\.0\.0\.1:\d+"), "ADDRESS"),
)


@dataclass(frozen=True, slots=True)
class Ignored:
    """What does not count; ``fields`` are names wherever they stand."""

    headers: bool = False
    fields: frozenset[str] = frozenset()


def difference(ours: Answer, theirs: Answer, ignored: Ignored) -> list[str]:
    """Lines of a unified diff, `-` for the reference and `+` for the server that is looked at; empty when alike."""
    before, after = _lines(theirs, ignored), _lines(ours, ignored)
    if before == after:
        return []
    return list(difflib.unified_diff(before, after, "reference", "here", lineterm="", n=2))[2:]


def _lines(answer: Answer, ignored: Ignored) -> list[str]:
    lines = [f"HTTP {answer.status}"]
    if not ignored.headers:
        lines += [f"{name}: {answer.headers[name]}" for name in HEADERS if name in answer.headers]
    return [*lines, *_body(answer.body, ignored.fields)]


def _body(body: bytes, ignored: frozenset[str]) -> list[str]:
    """JSON is laid out; a watch's stream event by event."""
    text = body.decode(errors="replace")
    try:
        return _laid_out(json.loads(text), ignored)
    except ValueError:
        pass
    lines: list[str] = []
    for line in text.splitlines():
        try:
            lines += _laid_out(json.loads(line), ignored)
        except ValueError:
            lines.append(_anonymous(line))
    return lines


def _laid_out(value: Any, ignored: frozenset[str]) -> list[str]:
    return json.dumps(_without_own(value, ignored), indent=1, sort_keys=True).splitlines()


def _without_own(value: Any, ignored: frozenset[str]) -> Any:
    match value:
        case dict():
            return {
                key: _OWN[key] if key in _OWN and isinstance(inner, str) and inner else _without_own(inner, ignored)
                for key, inner in value.items()
                if key not in ignored
            }
        case list():
            return [_without_own(inner, ignored) for inner in value]
        case str():
            return _anonymous(value)
    return value


def _anonymous(text: str) -> str:
    for pattern, name in _IN_TEXT:
        text = pattern.sub(name, text)
    return text
