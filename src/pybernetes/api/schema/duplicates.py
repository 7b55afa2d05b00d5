"""Fields that a JSON text has more than once in one object: parsers keep the last and say nothing."""

from __future__ import annotations

import json
from typing import Any

import orjson

from pybernetes.api.fields import quoted
from pybernetes.api.go_json import escaped_bytes, whole_number
from pybernetes.api.schema.scalars import Place, path_of


def find_duplicates(raw: bytes, document: Any = None) -> list[str]:
    """The paths of repeated fields, each once. `document` is the parsed text, when it is at hand.

    Assumes `raw` is valid JSON. A compact text without repetition writes back to the same length, and then nothing is
    parsed again.
    """
    if _writes_back(raw, document if document is not None else orjson.loads(raw)):
        return []
    repeated = False

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        made = dict(items)
        repeated = repeated or len(made) != len(items)
        return made

    try:
        json.loads(_text(raw), object_pairs_hook=pairs, parse_int=whole_number)
    except RecursionError:
        return []
    return _paths(raw) if repeated else []


def _writes_back(raw: bytes, parsed: Any) -> bool:
    """As Go's clients write, too: with markup escaped, and a line's end."""
    written, length = orjson.dumps(parsed), len(raw) - raw.endswith(b"\n")
    return len(written) == length or (b"\\u00" in raw and len(escaped_bytes(written)) == length)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


class _Members(list[tuple[str, Any]]):
    """A JSON object with all its members, in order."""


def _paths(raw: bytes) -> list[str]:
    found: dict[str, None] = {}

    def walk(value: Any, place: Place | None) -> None:
        if isinstance(value, _Members):
            seen: set[str] = set()
            for name, member in value:
                if name in seen:
                    found[path_of(place, name)] = None
                seen.add(name)
                walk(member, (place, name, ""))
        elif isinstance(value, list):
            for index, element in enumerate(value):
                walk(element, (place, index, ""))

    walk(json.loads(_text(raw), object_pairs_hook=_Members, parse_int=whole_number), None)
    return list(found)


def merging(raw: bytes) -> Any:
    """The document as Go reads one that repeats itself: objects are merged, of other values the last counts."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, value in items:
            made[name] = _merged(made.get(name), value)
        return made

    return json.loads(_text(raw), object_pairs_hook=pairs, parse_int=whole_number)


def _merged(before: Any, value: Any) -> Any:
    if isinstance(before, dict) and isinstance(value, dict):
        return {**before, **{name: _merged(before.get(name), item) for name, item in value.items()}}
    return value


def problems_in_order(raw: bytes, unknown: set[str]) -> list[str]:
    """`unknown field "spec.x"` and `duplicate field "spec.y"` in the order of the text, each once.

    `unknown` has the paths that the kind has not: these are not told of as repeated.
    """
    found: dict[str, None] = {}

    def walk(value: Any, place: Place | None) -> None:
        if isinstance(value, _Members):
            seen: set[str] = set()
            for name, member in value:
                path = path_of(place, name)
                if path in unknown:
                    found[f"unknown field {quoted(path)}"] = None
                    continue
                if name in seen:
                    found[f"duplicate field {quoted(path)}"] = None
                seen.add(name)
                walk(member, (place, name, ""))
        elif isinstance(value, list):
            for index, element in enumerate(value):
                walk(element, (place, index, ""))

    walk(json.loads(_text(raw), object_pairs_hook=_Members, parse_int=whole_number), None)
    return list(found)
