"""Who manages which fields: the entries of `metadata.managedFields`, read and written.

Follows k8s.io/apimachinery/pkg/util/managedfields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pybernetes.api.patch.field_set import FieldSet

Document = dict[str, Any]

APPLY = "Apply"
UPDATE = "Update"
MOST_UPDATERS = 10
ANCIENT = "ancient-changes"
BEFORE_FIRST_APPLY = "before-first-apply"


class Manager(NamedTuple):
    """What tells entries apart. For an Apply the version is not part of it, and stays empty."""

    name: str
    operation: str
    api_version: str = ""
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    api_version: str
    fields: FieldSet
    time: str = ""


Managers = Mapping[Manager, Entry]


def managers_of(document: Document) -> dict[Manager, Entry]:
    """`[]` and `[{}]` are no managers."""
    found: dict[Manager, Entry] = {}
    for raw in document.get("metadata", {}).get("managedFields") or ():
        if not raw.get("operation"):
            continue
        operation, version = raw["operation"], raw.get("apiVersion", "")
        key = Manager(
            raw.get("manager", ""), operation, "" if operation == APPLY else version, raw.get("subresource", "")
        )
        fields = FieldSet.from_fields(raw.get("fieldsV1") or {})
        entry = Entry(version, fields, raw.get("time") or "")
        if key in found:
            entry = Entry(version, found[key].fields | fields, max(found[key].time, entry.time))
        found[key] = entry
    return found


def with_managers(document: Document, managers: Managers) -> Document:
    """The document with these entries in upstream's order: applies first, then by time and name."""
    metadata = {name: value for name, value in document.get("metadata", {}).items() if name != "managedFields"}
    rows = [_row(manager, entry) for manager, entry in managers.items() if entry.fields]
    rows.sort(key=lambda row: (row["operation"], row.get("time", ""), row["manager"], row["apiVersion"]))
    if rows:
        metadata["managedFields"] = rows
    return {**document, "metadata": metadata}


def without_managers(document: Document) -> Document:
    return with_managers(document, {})


def _row(manager: Manager, entry: Entry) -> Document:
    row: Document = {"manager": manager.name, "operation": manager.operation, "apiVersion": entry.api_version}
    if entry.time:
        row["time"] = entry.time
    row |= {"fieldsType": "FieldsV1", "fieldsV1": entry.fields.to_fields()}
    if manager.subresource:
        row["subresource"] = manager.subresource
    return row


def capped(managers: Managers) -> dict[Manager, Entry]:
    """With the oldest updaters folded into one when there are too many."""
    updaters = [one for one in managers if one.operation == UPDATE and not one.subresource]
    result = dict(managers)
    surplus = len(updaters) - MOST_UPDATERS
    if surplus <= 0:
        return result
    updaters.sort(key=lambda one: (managers[one].time, one.name))
    for one in updaters[: surplus + 1]:
        entry = result.pop(one)
        ancient = Manager(ANCIENT, UPDATE, one.api_version)
        result[ancient] = _joined(result.get(ancient), entry)
    return result


def _joined(one: Entry | None, other: Entry) -> Entry:
    if one is None:
        return other
    return replace(one, fields=one.fields | other.fields, time=max(one.time, other.time))


# What nobody manages: identity and what the server alone writes.
_METADATA = "name namespace creationTimestamp selfLink uid clusterName generation managedFields resourceVersion"
UNMANAGED = FieldSet.of(("f:apiVersion",), ("f:kind",), *(("f:metadata", f"f:{name}") for name in _METADATA.split()))


def managed(fields: FieldSet, ignored: Iterable[FieldSet] = ()) -> FieldSet:
    """The fields that a manager can have: never identity, nor what the endpoint resets."""
    left = fields.without(UNMANAGED)
    for one in ignored:
        left = left.without(one)
    metadata = left.below.get("f:metadata")
    if metadata is not None and metadata.member:
        below = {**left.below, "f:metadata": FieldSet(False, metadata.below)}
        left = FieldSet(left.member, {step: here for step, here in below.items() if here})
    return left
