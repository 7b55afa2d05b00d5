"""How upstream shows the object that a patch made and that is none of its kind.

Its text is that of the stored object as far as the patch did not look into it: fields in their structs' order. Maps
that the patch looked into are in the order of the letters, and so is what it brought. Follows the library that upstream
applies patches with (evanphx/json-patch), which parses no more of a document than it must.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pybernetes.api.patch import json_patch, merge
from pybernetes.api.schema import Shape
from pybernetes.api.schema.order import in_field_order, sorted_deeply

Document = dict[str, Any]


def merged(live: Document, patch: Document, shape: Shape) -> Document:
    """The object that a merge patch made, its fields in the order they are shown in."""
    before = in_field_order(live, shape.definition)
    shown: Document = _sorted_where_touched(merge.apply(before, patch), patch, before)
    return shown


def _sorted_where_touched(value: Any, patch: Any, live: Any) -> Any:
    if not isinstance(patch, dict) or not isinstance(live, dict) or not isinstance(value, dict):
        return sorted_deeply(value)
    return {
        name: _sorted_where_touched(value[name], patch[name], live.get(name)) if name in patch else value[name]
        for name in sorted(value)
    }


def operated(live: Document, operations: Sequence[Mapping[str, Any]], shape: Shape) -> Document:
    """As `merged`, for a JSON patch; what its operations add keeps the order it was sent in."""
    result: Document = json_patch.apply(in_field_order(live, shape.definition), operations)
    for operation in operations:
        for path in (operation.get("path"), operation.get("from")):
            if isinstance(path, str):
                result = _sorted_along(result, path.split("/")[1:-1])
    return result


def _sorted_along(value: Any, path: Sequence[str]) -> Any:
    """A copy whose maps are sorted from the root to the end of the path, as far as it leads."""
    step = path[0].replace("~1", "/").replace("~0", "~") if path else ""
    if isinstance(value, dict):
        below = {name: value[name] for name in sorted(value)}
        if path and step in below:
            below[step] = _sorted_along(below[step], path[1:])
        return below
    if isinstance(value, list) and path and step.isdecimal() and int(step) < len(value):
        index = int(step)
        return [*value[:index], _sorted_along(value[index], path[1:]), *value[index + 1 :]]
    return value
