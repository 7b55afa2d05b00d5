"""Documents with every field of a kind filled in, and places in them where something odd may stand instead."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from comparison.mutations import SCALARS
from pybernetes.api.kinds import KindInfo
from pybernetes.api.schema.facts import Definition, FieldFacts, definition

Place = tuple[str | int, ...]

DEEPEST = 9
ODD: tuple[Any, ...] = (
    None,
    "",
    "x",
    "-1",
    "a/b/c",
    "é\x00\n",
    -1,
    0,
    2**31,
    2**63 - 1,
    2**64,
    1.5,
    True,
    [],
    [None],
    [[]],
    [{}],
    {},
    {"": ""},
    {"x": None},
    {"x": {}},
    "9" * 400,
    "x" * 1000,
)


def filled(info: KindInfo) -> dict[str, Any]:
    """An object of the kind with all its fields, one element in each list and map; its values need not be allowed."""
    document = _struct(definition(f"{info.module}.{info.kind}"), ())
    document["apiVersion"], document["kind"] = info.api_version, info.kind
    document["metadata"] = {"name": "a", "labels": {"a": "a"}, "annotations": {"a": "a"}}
    return document


def _struct(facts: Definition, within: tuple[str, ...]) -> dict[str, Any]:
    inside = (*within, facts.id)
    return {name: _value(field, field.type, inside) for name, field in facts.fields.items() if _goes_on(field, inside)}


def _goes_on(field: FieldFacts, within: tuple[str, ...]) -> bool:
    return not field.struct or (field.struct not in within and len(within) < DEEPEST)


def _value(field: FieldFacts, type_: str, within: tuple[str, ...]) -> Any:
    if type_.startswith("[]"):
        return [_value(field, type_[2:], within)]
    if type_.startswith("{}"):
        return {"a": _value(field, type_[2:], within)}
    if "." in type_:
        return _struct(definition(type_), within)
    return field.enum[0] if field.enum else SCALARS[type_]


def places(value: Any, within: Place = ()) -> Iterator[Place]:
    """Every place in a document but its own kind and version, the outer ones first."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        place = (*within, key)
        if place not in (("kind",), ("apiVersion",)):
            yield place
            yield from places(member, place)


def with_odd(document: dict[str, Any], place: Place, odd: Any) -> dict[str, Any]:
    """A copy of the document in which something odd stands at a place."""
    changed = copy.deepcopy(document)
    holder: Any = changed
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = odd
    return changed


def without(document: dict[str, Any], place: Place) -> dict[str, Any]:
    """A copy of the document in which nothing stands at a place."""
    changed = copy.deepcopy(document)
    holder: Any = changed
    for key in place[:-1]:
        holder = holder[key]
    del holder[place[-1]]
    return changed
