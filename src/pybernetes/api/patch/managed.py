"""Who manages which fields: the entries of `metadata.managedFields`, read and written.

Follows k8s.io/apimachinery/pkg/util/managedfields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from pybernetes.api.patch.field_set import SELF, Fields, fields_at, union

Document = dict[str, Any]

APPLY = "Apply"
UPDATE = "Update"
MOST_UPDATERS = 10
ANCIENT = "ancient-changes"
BEFORE_FIRST_APPLY = "before-first-apply"
UNKNOWN = "unknown"


class Manager(NamedTuple):
    """What tells entries apart. For an Apply the version is not part of it, and stays empty."""

    name: str
    operation: str
    api_version: str = ""
    subresource: str = ""


class Entry(msgspec.Struct, frozen=True):
    api_version: str
    fields: Fields
    time: str = ""
    """"" when nothing was ever changed through it."""


Managers = dict[Manager, Entry]


class UnreadableManagers(ValueError):
    """The entries are not such as a server writes."""


def managers_of(entries: Any) -> Managers:
    """Raises UnreadableManagers."""
    found: Managers = {}
    for index, raw in enumerate(entries or ()):
        if not isinstance(raw, dict):
            raise UnreadableManagers("an entry must be an object")
        operation, version = raw.get("operation"), raw.get("apiVersion")
        if operation not in (APPLY, UPDATE):
            raise UnreadableManagers("operation must be `Apply` or `Update`")
        if not version:
            raise UnreadableManagers("apiVersion must not be empty")
        if raw.get("fieldsType") != "FieldsV1":
            raise UnreadableManagers(f"{_wrong_type(raw.get('fieldsType'))} in managed fields entry {index}")
        fields = raw.get("fieldsV1") or {}
        _check_fields(fields)
        name = Manager(
            raw.get("manager") or "", operation, "" if operation == APPLY else version, raw.get("subresource") or ""
        )
        found[name] = Entry(version, fields, raw.get("time") or "")
    return found


def _wrong_type(type_: Any) -> str:
    return f'invalid fieldsType "{type_}"' if type_ else "missing fieldsType"


def _check_fields(fields: Any) -> None:
    """Only the root: what a server wrote is right, and what a client made up is judged by what it does."""
    if isinstance(fields, dict):
        for step in fields:
            if step[1:2] != ":" and step != SELF:
                break
        else:
            return
    raise UnreadableManagers("fieldsV1 is no set of fields")


def entries_of(managers: Mapping[Manager, Entry]) -> list[Document]:
    """In upstream's order: applies first, then by time and name."""
    rows = sorted(
        managers.items(),
        key=lambda row: (row[0].operation, row[1].time, row[0].name, row[1].api_version, row[0].subresource),
    )
    return [_row(manager, entry) for manager, entry in rows]


def _row(manager: Manager, entry: Entry) -> Document:
    row: Document = {"manager": manager.name, "operation": manager.operation, "apiVersion": entry.api_version}
    if not manager.name:
        del row["manager"]
    if entry.time:
        row["time"] = entry.time
    row["fieldsType"] = "FieldsV1"
    row["fieldsV1"] = entry.fields
    if manager.subresource:
        row["subresource"] = manager.subresource
    return row


def capped(managers: Managers) -> Managers:
    """With the oldest updaters folded into one for each version when there are too many."""
    if len(managers) <= MOST_UPDATERS:
        return managers
    updaters = [one for one in managers if one.operation == UPDATE]
    surplus = len(updaters) - MOST_UPDATERS
    if surplus <= 0:
        return managers
    result = dict(managers)
    updaters.sort(key=lambda one: (managers[one].time, identifier(one)))
    first: dict[str, Manager] = {}
    for one in updaters:
        if surplus <= 0:
            break
        entry = managers[one]
        version = entry.api_version
        if version not in first:
            first[version] = one
            continue
        ancient = Manager(ANCIENT, UPDATE, version)
        if ancient not in result:
            result[ancient] = result.pop(first[version])
        joined = union(entry.fields, result[ancient].fields)
        result[ancient] = replace(result[ancient], fields=joined, time=entry.time)
        if one != ancient:
            del result[one]
        surplus -= 1
    return result


def identifier(manager: Manager) -> str:
    """By which upstream sorts managers."""
    version = f',"apiVersion":"{manager.api_version}"' if manager.api_version else ""
    subresource = f',"subresource":"{manager.subresource}"' if manager.subresource else ""
    return f'{{"manager":"{manager.name}","operation":"{manager.operation}"{version}{subresource}}}'


# What nobody manages: identity and what the server alone writes.
_METADATA = "name namespace creationTimestamp selfLink uid clusterName generation managedFields resourceVersion"
UNMANAGED = fields_at(
    ("f:apiVersion",), ("f:kind",), ("f:metadata",), *(("f:metadata", f"f:{name}") for name in _METADATA.split())
)
