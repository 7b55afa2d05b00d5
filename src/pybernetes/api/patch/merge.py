"""JSON merge patches (RFC 7386): maps are merged, null removes, everything else replaces."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


def apply(document: Document, patch: Document) -> Document:
    merged: Document = _merged(document, patch)
    return merged


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result


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
