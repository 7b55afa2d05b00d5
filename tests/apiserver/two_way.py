"""The strategic merge patch that leads from one pod to another, as clients make it of two documents.

Follows CreateTwoWayMergePatch in k8s.io/apimachinery/pkg/util/strategicpatch, for the fields of the laws' documents.
"""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]
MERGED_BY = {"containers": "name", "env": "name"}
"""Lists of objects, and the key of their elements."""
SETS = frozenset({"finalizers"})
"""Lists of texts that are merged."""


def two_way(old: Document, new: Document) -> Document:
    patch: Document = {name: None for name in old if name not in new}
    for name, value in new.items():
        if name not in old:
            patch[name] = value
        elif old[name] != value:
            patch |= _changed(name, old[name], value)
    return patch


def _changed(name: str, old: Any, new: Any) -> Document:
    if isinstance(new, dict):
        return {name: two_way(old, new)}
    if name in SETS:
        return _changed_set(name, old, new)
    if name in MERGED_BY:
        return _changed_list(name, MERGED_BY[name], old, new)
    return {name: new}


def _changed_set(name: str, old: list[str], new: list[str]) -> Document:
    patch: Document = {f"$setElementOrder/{name}": new} if new else {}
    added, gone = [one for one in new if one not in old], [one for one in old if one not in new]
    if added:
        patch[name] = added
    if gone:
        patch[f"$deleteFromPrimitiveList/{name}"] = gone
    return patch


def _changed_list(name: str, key: str, old: list[Document], new: list[Document]) -> Document:
    before, after = ({one[key]: one for one in elements} for elements in (old, new))
    changed = [
        {key: one, **two_way(before[one], after[one])} if one in before else after[one]
        for one in after
        if before.get(one) != after[one]
    ]
    gone = [{key: one, "$patch": "delete"} for one in before if one not in after]
    order: Document = {f"$setElementOrder/{name}": [{key: one} for one in after]} if after else {}
    return {**order, name: [*changed, *gone]} if changed or gone else order
