"""Fields that a JSON text has more than once in one object: parsers keep the last and say nothing."""

from __future__ import annotations

import json
from typing import Any

import orjson

from pybernetes.api.schema.scalars import Place, path_of


def find_duplicates(raw: bytes, document: Any = None) -> list[str]:
    """The paths of repeated fields, each once. `document` is the parsed text, when it is at hand.

    Assumes `raw` is valid JSON. A compact text without repetition writes back to the same length, and then nothing is
    parsed again.
    """
    parsed = document if document is not None else orjson.loads(raw)
    if len(orjson.dumps(parsed)) == len(raw):
        return []
    repeated = False

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        made = dict(items)
        repeated = repeated or len(made) != len(items)
        return made

    json.loads(raw, object_pairs_hook=pairs)
    return _paths(raw) if repeated else []


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

    walk(json.loads(raw, object_pairs_hook=_Members), None)
    return list(found)
