"""Server-side apply, and the tracking of who changed what by other means.

Guarantees  Pure: live object and configuration are left alone. An apply takes what it names, gives up what it no longer
names (which goes, unless another manager has it), and without `force` never changes what another manager has.

Assumes  Live and new objects have been read by their shape and carry no managedFields here: managers are told apart.
Follows sigs.k8s.io/structured-merge-diff/merge and k8s.io/apimachinery/pkg/util/managedfields.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from pybernetes.api.fields import quoted
from pybernetes.api.patch.error import UnfitVersion
from pybernetes.api.patch.field_set import (
    Fields,
    Path,
    difference,
    has,
    includes,
    intersection,
    paths,
    shown,
    union,
)
from pybernetes.api.patch.managed import (
    APPLY,
    BEFORE_FIRST_APPLY,
    UNKNOWN,
    UNMANAGED,
    UPDATE,
    Entry,
    Manager,
    Managers,
    capped,
    identifier,
)
from pybernetes.api.patch.pruning import Typed, pruned
from pybernetes.api.patch.structured import Difference, compare, fields_of, merge

Document = dict[str, Any]
Keep = Callable[[Fields], Fields]
"""What of a set can be managed through a door: the rest it resets."""


class Author(msgspec.Struct, frozen=True):
    """Who makes a change, and when (a Time's text)."""

    manager: str
    api_version: str
    time: str
    subresource: str = ""

    def applying(self) -> Manager:
        return Manager(self.manager or UNKNOWN, APPLY, "", self.subresource)

    def updating(self) -> Manager:
        return Manager(self.manager or UNKNOWN, UPDATE, self.api_version, self.subresource)


class _Change(msgspec.Struct, frozen=True):
    """What a write changes, in every version that a manager may have used."""

    live: Document
    new: Document
    typed: Typed
    keep: Keep

    def seen_in(self, api_version: str) -> Difference:
        other = self.typed.others.get(api_version)
        if other is None:
            return compare(self.live, self.new, self.typed.kind).filtered(self.keep)
        live = other.convert(self.live)
        try:
            new = other.convert(self.new)
        except UnfitVersion as error:
            raise UnfitVersion(f"failed to convert new object: {error}") from error
        return compare(live, new, other.kind).filtered(self.keep)

    def by_version(self, managers: Managers, found: Difference) -> Mapping[str, Difference]:
        """``found`` is the change in the version at hand."""
        used = _versions(managers, self.typed) if managers else ()
        return defaultdict(lambda: found, {version: self.seen_in(version) for version in used})


@dataclass(frozen=True, slots=True)
class Conflict:
    manager: Manager
    path: Path

    @property
    def owner(self) -> str:
        text = quoted(self.manager.name)
        if self.manager.subresource:
            text += f" with subresource {quoted(self.manager.subresource)}"
        return f"{text} using {self.manager.api_version}" if self.manager.operation == UPDATE else text


class Applied(msgspec.Struct, frozen=True):
    """``document`` has no managedFields, and may have nulls where the configuration has them."""

    document: Document
    managers: Managers


@dataclass(frozen=True, slots=True)
class Conflicts:
    """Other managers have what the configuration would change; by manager."""

    conflicts: Sequence[Conflict]

    @property
    def message(self) -> str:
        if len(self.conflicts) == 1:
            only = self.conflicts[0]
            return f"Apply failed with 1 conflict: conflict with {only.owner}: {shown(only.path)}"
        lines: list[str] = []
        last = None
        for conflict in self.conflicts:
            if conflict.manager != last:
                last = conflict.manager
                lines.append(f"conflicts with {conflict.owner}:")
            lines.append("- " + shown(conflict.path))
        return f"Apply failed with {len(self.conflicts)} conflicts: " + "\n".join(lines)

    @property
    def causes(self) -> list[dict[str, str]]:
        return [
            {"reason": "FieldManagerConflict", "message": f"conflict with {one.owner}", "field": shown(one.path)}
            for one in self.conflicts
        ]

    def beside(self, allowed: Fields) -> Conflicts:
        """Those that are not about the allowed fields."""
        return Conflicts([one for one in self.conflicts if not has(allowed, one.path)])


def _versions(managers: Managers, typed: Typed) -> set[str]:
    """Those of managers that are not the one at hand."""
    return {version for version in {entry.api_version for entry in managers.values()} if version in typed.others}


def everything(fields: Fields) -> Fields:
    return fields


def created(
    new: Document, typed: Typed, author: Author, keep: Keep = everything, managers: Managers | None = None
) -> Managers:
    """The managers of an object that is made; ``managers`` are those the client sent with it."""
    return _updated(managers or {}, _Change(typed.empty, new, typed, keep), author)


def updated(
    live: Document, new: Document, managers: Managers, typed: Typed, author: Author, keep: Keep = everything
) -> Managers:
    """The managers after an update or a patch. An object that nobody manages stays so."""
    if not managers:
        return managers
    return _updated(managers, _Change(live, new, typed, keep), author)


def _updated(managers: Managers, change: _Change, author: Author) -> Managers:
    found = change.seen_in(author.api_version)
    taken = difference(found.set, UNMANAGED)
    me = author.updating()
    mine = managers.get(me)
    if mine is not None and taken is found.set and not found.removed and includes(mine.fields, taken):
        others = {one: entry for one, entry in managers.items() if one != me} if len(managers) > 1 else {}
        result = _after(others, change.by_version(others, found)) if others else {}
        result[me] = Entry(mine.api_version, mine.fields, author.time) if taken else mine
        return capped(result)
    result = _after(managers, change.by_version(managers, found))
    if taken:
        fields = union(result[me].fields, taken) if me in result else taken
        result[me] = Entry(author.api_version, fields, author.time)
    return capped(result)


def _after(managers: Managers, changes: Mapping[str, Difference]) -> Managers:
    """The managers without what was changed or removed by another."""
    result: Managers = {}
    for manager, entry in managers.items():
        found = changes[entry.api_version]
        fields = difference(difference(entry.fields, found.set), found.removed)
        if fields is entry.fields:
            result[manager] = entry
        elif fields:
            result[manager] = replace(entry, fields=fields)
    return result


def apply(
    live: Document | None,
    config: Document,
    managers: Managers,
    typed: Typed,
    author: Author,
    keep: Keep = everything,
    *,
    force: bool = False,
) -> Applied | Conflicts:
    """``live`` is None when the object is not there yet. Raises PatchError, UnfitVersion before anything else is looked
    at."""
    me = author.applying()
    before = typed.empty if live is None else live
    if live is not None and not managers:
        managers = created(live, typed, replace(author, manager=BEFORE_FIRST_APPLY), keep)
    if live is not None:
        for version in _versions(managers, typed):
            typed.others[version].convert(live)
    former = managers.get(me)
    wanted = keep(fields_of(config, typed.kind))
    mine = difference(wanted, UNMANAGED)
    merged = merge(before, config, typed.kind)
    others = {one: entry for one, entry in managers.items() if one != me}
    if former is not None and (former.fields != mine or former.api_version != author.api_version):
        claims = [(author.api_version, wanted), *((one.api_version, one.fields) for one in others.values())]
        merged = pruned(merged, former, claims, typed, author.api_version)
    change = _Change(before, merged, typed, keep)
    changes = change.by_version(others, change.seen_in(author.api_version))
    conflicts = [
        Conflict(one, path)
        for one in sorted(others, key=identifier)
        for path in paths(intersection(others[one].fields, changes[others[one].api_version].set))
    ]
    if conflicts and not force:
        return Conflicts(conflicts)
    result = _after(others, changes)
    if mine:
        same = live is not None and merged == before
        result[me] = Entry(author.api_version, mine, (former.time if former else "") if same else author.time)
    return Applied(merged, result)
