"""The fields of new objects, quickly: the objects of one template have equal specs, so that these are taken apart once.

Guarantees  The same set as a comparison with an empty object gives.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from pybernetes.api.patch.apply import Author, Keep, created
from pybernetes.api.patch.field_set import EMPTY, LEAF, SELF, Fields, field_step, ordered
from pybernetes.api.patch.managed import UNMANAGED, Entry, Managers
from pybernetes.api.patch.parts import ListKind, MapKind
from pybernetes.api.patch.pruning import Typed
from pybernetes.api.recent import Recent

Document = dict[str, Any]


@dataclass(slots=True)
class Newcomers:
    """Of one kind, through its main door."""

    typed: Typed
    keep: Keep
    _parts: dict[str, Recent[Fields]] = field(default_factory=dict)
    _taken: dict[str, bool] = field(default_factory=dict)

    def managers(self, new: Document, author: Author, sent: Managers) -> Managers:
        """``sent`` are those that the client stated."""
        if sent or self.typed.empty.get("metadata"):
            return created(new, self.typed, author, self.keep, sent)
        fields = self.fields(new)
        return {author.updating(): Entry(author.api_version, fields, author.time)} if fields else {}

    def fields(self, new: Document) -> Fields:
        found: Fields = {}
        for name, value in new.items():
            if name == "metadata":
                node = self._metadata(value)
            elif name in ("apiVersion", "kind"):
                continue
            else:
                node = self._part(name, value)
            if node is not None:
                found["f:" + name] = node
        return ordered(found)

    def _metadata(self, metadata: Document) -> Fields | None:
        kind = self.typed.kind.child("metadata")
        found = {}
        for name, value in metadata.items():
            step = "f:" + name
            if step not in _UNMANAGED_METADATA:
                found[step] = kind.child(name).whole(value)
        return ordered(found) if found else None

    def _part(self, name: str, value: Any) -> Fields | None:
        kind = self.typed.kind.child(name)
        if not isinstance(kind, MapKind | ListKind):
            return LEAF if value != self.typed.empty.get(name, _ABSENT) and self._takes(name) else None
        if not isinstance(kind, MapKind) or not kind.is_struct:
            if name not in self.typed.empty and self._takes(name):
                return kind.whole(value)
            return self._compared(name, value).get(field_step(name))
        form = self._form(name, value)
        parts = self._parts.get(name)
        if parts is None:
            parts = self._parts[name] = Recent()
        known = parts.get(form)
        if known is None:
            known = self._compared(name, value)
            parts.keep(form, known)
        return known.get(field_step(name))

    def _form(self, name: str, value: Any) -> bytes:
        """What the fields of a struct depend on: of one that has but scalars, where an empty object has nothing, which
        of them there are."""
        flat = value.__class__ is dict and not any(item.__class__ in _PARTED for item in value.values())
        return ",".join(value).encode() if flat and not self.typed.empty.get(name) else orjson.dumps(value)

    def _takes(self, name: str) -> bool:
        """The door resets nothing of this field."""
        found = self._taken.get(name)
        if found is None:
            step = field_step(name)
            found = self._taken[name] = self.keep({step: LEAF}) == {step: LEAF}
        return found

    def _compared(self, name: str, value: Any) -> Fields:
        empty = self.typed.empty
        part = Typed(self.typed.kind, {name: empty[name]} if name in empty else {})
        managers = created({name: value}, part, _NOBODY, self.keep)
        return next((entry.fields for entry in managers.values()), EMPTY)


_ABSENT: Any = object()
_PARTED = (dict, list)
_NOBODY = Author("", "", "")
_UNMANAGED_METADATA = frozenset(UNMANAGED["f:metadata"]) - {SELF}
