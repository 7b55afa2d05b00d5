"""JSON merge patches (RFC 7386): maps are merged, null removes, everything else replaces.

What is new loses the nulls of its maps at any depth, those within lists too, as gopkg.in/evanphx/json-patch does it.
"""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


def apply(document: Document, patch: Document) -> Document:
    merged: Document = _merged(document, patch)
    return merged


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(target, dict):
        return _without_nulls(patch)
    if not isinstance(patch, dict):
        return patch
    result = dict(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result


def _without_nulls(value: Any) -> Any:
    """Those of maps: an element of a list stays."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def diff(old: Document, new: Document) -> Document:
    """The merge patch that makes `new` of `old`. Assumes neither holds nulls."""
    patch: Document = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key not in old:
            patch[key] = value
        elif isinstance(value, dict) and isinstance(old[key], dict):
            below = diff(old[key], value)
            if below:
                patch[key] = below
        elif value != old[key] or type(value) is not type(old[key]):
            patch[key] = value
    return patch
