"""Lists that are sets or maps: no element, or no key, twice.

Follows pkg/apiserver/schema/listtype of apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from pybernetes.api.fields import FieldError, duplicate, invalid

Schema = Mapping[str, Any]
Uniqueness = Callable[[Any, str], Iterator[FieldError]]
"""(value, its path) → errors."""


def compile_uniqueness(schema: Schema) -> Uniqueness | None:
    """None where nothing has to be unique."""
    if isinstance(schema.get("items"), Mapping):
        return _list(schema)
    properties = {
        name: check for name, one in (schema.get("properties") or {}).items() if (check := compile_uniqueness(one))
    }
    others = schema.get("additionalProperties")
    rest = compile_uniqueness(others) if isinstance(others, Mapping) else None
    if not properties and rest is None:
        return None

    def errors(value: Any, path: str) -> Iterator[FieldError]:
        for name, one in value.items() if isinstance(value, dict) else ():
            if rest is not None:
                yield from rest(one, f"{path}[{name}]")
            if name in properties:
                yield from properties[name](one, f"{path}.{name}" if path else name)

    return errors


def _list(schema: Schema) -> Uniqueness | None:
    type_, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or ()
    element = compile_uniqueness(schema["items"])
    if type_ not in ("set", "map") and element is None:
        return None

    def errors(value: Any, path: str) -> Iterator[FieldError]:
        if not isinstance(value, list):
            return
        if type_ == "set":
            yield from _repeated(value, path)
        elif type_ == "map":
            yield from _repeated_keys(value, path, keys)
        if element is not None:
            for index, one in enumerate(value):
                yield from element(one, f"{path}[{index}]")

    return errors


def _repeated_keys(elements: Sequence[Any], path: str, keys: Sequence[str]) -> Iterator[FieldError]:
    for index, one in enumerate(elements):
        if one is not None and not isinstance(one, dict):
            yield invalid(f"{path}[{index}]", one, "must be an object for an array of list-type map")
            return
    yield from _repeated([{key: one[key] for key in keys if key in (one or ())} for one in elements], path)


def _repeated(elements: Sequence[Any], path: str) -> Iterator[FieldError]:
    """Each value that stands there again, once; maps are shown in the order of their keys."""
    if len(elements) < 2:
        return
    times: dict[Any, int] = {}
    for index, one in enumerate(elements):
        compound = isinstance(one, dict | list)
        identity = orjson.dumps(one, option=orjson.OPT_SORT_KEYS) if compound else (one.__class__, one)
        times[identity] = times.get(identity, 0) + 1
        if times[identity] == 2:
            yield duplicate(f"{path}[{index}]", orjson.loads(identity) if isinstance(identity, bytes) else one)
