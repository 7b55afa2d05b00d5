"""Lists and maps that somebody states to be empty within a field that is managed as a whole.

Stored objects have none of them: protobuf does not tell an empty list from none. Upstream compares the elements of such
a field as Go values, to which an empty list and none differ: whoever states one has changed the field.

Follows EqualsUsing of listReflect in structured-merge-diff.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from pybernetes.api.schema.facts import FieldFacts, definition

Steps = tuple[str, ...]
Holds = Callable[[Any], bool]
Finder = Callable[[Any, Steps], Iterator[Steps]]


def hollowed(id: str, document: Any) -> tuple[Steps, ...]:
    """The paths of the fields of a document, by their names; what is below elements with a key is not looked at."""
    return tuple(_finder(id)(document, ()))


def states_empty(id: str, document: Any, name: str) -> bool:
    """Whether any list or map in one field of a document is stated to be empty, the field itself, too."""
    return isinstance(document, dict) and name in document and _holds_empty(id, {name: document[name]})


def may_be_hollow(id: str, body: bytes) -> bool:
    """Whether a text may state one of the lists or maps in question to be empty: cheaper than reading it."""
    pattern = _pattern(id)
    return pattern is not None and pattern.search(body) is not None


@cache
def _pattern(id: str) -> re.Pattern[bytes] | None:
    """Of a kind; None if it has no such list or map."""
    names = sorted(set(_names(id, set(), within=False)))
    empty = r"\[\s*\]|\{\s*\}"
    return re.compile(rf"""["']?\b(?:{"|".join(names)})["']?\s*:\s*(?:{empty})""".encode()) if names else None


def _names(id: str, seen: set[tuple[str, bool]], *, within: bool) -> Iterator[str]:
    """Of the lists and maps within elements of lists."""
    if (id, within) in seen:
        return
    seen.add((id, within))
    for name, field in definition(id).fields.items():
        if within and field.omit and (field.is_list or field.is_map):
            yield re.escape(name)
        if field.struct:
            yield from _names(field.struct, seen, within=within or field.is_list)


@cache
def _finder(id: str) -> Finder:
    """Compiled once per definition. Definitions that contain themselves are no part of what is managed by field."""
    whole: list[tuple[str, Holds]] = []
    parts: list[tuple[str, str]] = []
    for name, field in definition(id).fields.items():
        if not field.struct or field.is_map or field.list_type in ("map", "set"):
            continue
        if field.is_list:
            whole.append((name, _elements_hold(field)))
        elif field.map_type == "atomic" or definition(field.struct).atomic:
            whole.append((name, _lists_hold(field.struct)))
        else:
            parts.append((name, field.struct))

    def find(value: Any, within: Steps) -> Iterator[Steps]:
        if not isinstance(value, dict):
            return
        for name, holds in whole:
            if name in value and holds(value[name]):
                yield (*within, name)
        for name, inner in parts:
            if name in value:
                yield from _finder(inner)(value[name], (*within, name))

    return find


def _elements_hold(field: FieldFacts) -> Holds:
    return lambda value: isinstance(value, list) and any(_holds_empty(field.struct, one) for one in value)


def _lists_hold(id: str) -> Holds:
    """Fields of a struct that is managed as a whole are compared one by one, down to its lists."""

    def holds(value: Any) -> bool:
        if not isinstance(value, dict):
            return False
        fields = definition(id).fields
        return any(
            _elements_hold(field)(value[name]) if field.is_list else _lists_hold(field.struct)(value[name])
            for name, field in fields.items()
            if field.struct and not field.is_map and value.get(name)
        )

    return holds


def _holds_empty(id: str, value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    fields = definition(id).fields
    for name, one in value.items():
        field = fields.get(name)
        if field is None or one is None:
            continue
        if (field.is_list or field.is_map) and not one and field.omit:
            return True
        if not field.struct:
            continue
        members = one if isinstance(one, list) else one.values() if field.is_map and isinstance(one, dict) else (one,)
        if any(_holds_empty(field.struct, member) for member in members):
            return True
    return False
