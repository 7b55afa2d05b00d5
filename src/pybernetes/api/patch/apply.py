"""Server-side apply, and the tracking of who changed what by other means.

Guarantees  Pure: live object and configuration are left alone. An apply takes what it names, gives up what it no longer
names (which goes, unless another manager has it), and without `force` never changes what another manager has.

Assumes  Live and new objects have been read by their shape, the configuration by `Shape.read_partial`; it names the
same object and has no managedFields.
Follows sigs.k8s.io/structured-merge-diff/merge and k8s.io/apimachinery/pkg/util/managedfields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pybernetes.api.fields import quoted
from pybernetes.api.patch.field_set import EMPTY, FieldSet, Path, shown
from pybernetes.api.patch.managed import (
    APPLY,
    BEFORE_FIRST_APPLY,
    UPDATE,
    Entry,
    Manager,
    capped,
    managed,
    managers_of,
    with_managers,
    without_managers,
)
from pybernetes.api.patch.structured import Difference, Kind, compare, fields_of, kind_of, merge, remove
from pybernetes.api.schema import Shape

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Author:
    """Who makes a change, and when (a Time's text)."""

    manager: str
    api_version: str
    time: str
    subresource: str = ""

    def applying(self) -> Manager:
        return Manager(self.manager, APPLY, "", self.subresource)

    def updating(self) -> Manager:
        return Manager(self.manager, UPDATE, self.api_version, self.subresource)


@dataclass(frozen=True, slots=True)
class Conflict:
    manager: Manager
    entry: Entry
    path: Path

    @property
    def owner(self) -> str:
        text = quoted(self.manager.name)
        if self.manager.subresource:
            text += f" with subresource {quoted(self.manager.subresource)}"
        if self.manager.operation == UPDATE:
            text += f" using {self.entry.api_version}"
            text += f" at {self.entry.time}" if self.entry.time else ""
        return text


@dataclass(frozen=True, slots=True)
class Applied:
    document: Document


@dataclass(frozen=True, slots=True)
class Conflicts:
    """Other managers have what the configuration would change."""

    conflicts: Sequence[Conflict]

    @property
    def message(self) -> str:
        if len(self.conflicts) == 1:
            only = self.conflicts[0]
            return f"Apply failed with 1 conflict: conflict with {only.owner}: {shown(only.path)}"
        by_owner: dict[str, list[str]] = {}
        for conflict in self.conflicts:
            by_owner.setdefault(conflict.owner, []).append("- " + shown(conflict.path))
        lines = [line for owner in sorted(by_owner) for line in (f"conflicts with {owner}:", *by_owner[owner])]
        return f"Apply failed with {len(self.conflicts)} conflicts: " + "\n".join(lines)

    @property
    def causes(self) -> list[dict[str, str]]:
        return [
            {"reason": "FieldManagerConflict", "message": f"conflict with {one.owner}", "field": shown(one.path)}
            for one in self.conflicts
        ]


def apply(
    live: Document | None,
    config: Document,
    shape: Shape,
    author: Author,
    *,
    force: bool = False,
    ignored: Iterable[FieldSet] = (),
) -> Applied | Conflicts:
    """`live` is None when the object is not there yet. `ignored` are fields that the endpoint resets."""
    kind, me = kind_of(shape.definition), author.applying()
    before = without_managers(live if live is not None else shape.read({}).document)
    managers = managers_of(live) if live is not None else {}
    if live is not None and not managers:
        managers = _before_first_apply(before, shape, author)
    former = managers.get(me)
    wanted = managed(fields_of(config, kind), ignored)
    merged = merge(before, config, kind)
    others = {one: entry for one, entry in managers.items() if one != me}
    owned = [wanted, *(entry.fields for entry in others.values())]
    after = shape.read(_pruned(merged, kind, former.fields if former else EMPTY, owned)).document
    difference = compare(before, after, kind)
    conflicts = [
        Conflict(one, entry, path) for one, entry in others.items() for path in (entry.fields & difference.set).paths()
    ]
    if conflicts and not force:
        return Conflicts(conflicts)
    kept = _after(others, difference)
    unchanged = former is not None and former.fields == wanted and after == before
    kept[me] = Entry(author.api_version, wanted, former.time if former and unchanged else author.time)
    return Applied(with_managers(after, capped(kept)))


def track_update(
    live: Document | None,
    new: Document,
    shape: Shape,
    author: Author,
    *,
    ignored: Iterable[FieldSet] = (),
) -> Document:
    """The new object with its managers as they are after an update, a patch or a create by other means."""
    if live is not None and new.get("metadata", {}).get("managedFields") in ([], [{}]):
        return without_managers(new)
    kind, me = kind_of(shape.definition), author.updating()
    before = without_managers(live if live is not None else shape.read({}).document)
    after = without_managers(new)
    difference = compare(before, after, kind)
    managers = _after(managers_of(new) or (managers_of(live) if live is not None else {}), difference)
    taken = managed(difference.set, ignored)
    if taken:
        fields = managers[me].fields | taken if me in managers else taken
        managers[me] = Entry(author.api_version, fields, author.time)
    return with_managers(after, capped(managers))


def _before_first_apply(live: Document, shape: Shape, author: Author) -> dict[Manager, Entry]:
    """Everything there is belongs to an updater of that name when nobody was tracked."""
    taken = managed(compare(shape.read({}).document, live, kind_of(shape.definition)).set)
    manager = Manager(BEFORE_FIRST_APPLY, UPDATE, author.api_version)
    return {manager: Entry(author.api_version, taken, author.time)} if taken else {}


def _after(managers: Mapping[Manager, Entry], difference: Difference) -> dict[Manager, Entry]:
    """The managers without what was changed or removed by another."""
    result: dict[Manager, Entry] = {}
    for manager, entry in managers.items():
        fields = entry.fields - difference.set - difference.removed
        if fields:
            result[manager] = replace(entry, fields=fields)
    return result


def _pruned(merged: Document, kind: Kind, former: FieldSet, sets: Iterable[FieldSet]) -> Document:
    """Without what the manager had, no longer names, and nobody else has."""
    if not former:
        return merged
    owned = EMPTY
    for one in sets:
        owned |= one
    left = remove(merged, former, kind)
    stays = (fields_of(left, kind) if left is not None else EMPTY).with_parents() | owned.with_parents()
    gone = (fields_of(merged, kind).with_parents() - stays) & former.with_parents()
    result: Document = remove(merged, gone, kind) or {}
    return result
