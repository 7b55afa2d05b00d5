"""Sets of fields of an object, and the form they have in `metadata.managedFields` (FieldsV1).

A field is named by the steps that lead to it: `f:spec`, `k:{"name":"web"}` (an element of a list by its keys),
`v:"x"` (an element of a set by its value), `i:0`.

Follows sigs.k8s.io/structured-merge-diff/fieldpath.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Step = str
Path = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class FieldSet:
    """A trie: is this place itself in the set, and what is below it. Values are shared and never changed."""

    member: bool = False
    below: Mapping[Step, FieldSet] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.member or bool(self.below)

    def __or__(self, other: FieldSet) -> FieldSet:
        if not other:
            return self
        if not self:
            return other
        below = dict(self.below)
        for step, there in other.below.items():
            below[step] = below[step] | there if step in below else there
        return FieldSet(self.member or other.member, below)

    def __and__(self, other: FieldSet) -> FieldSet:
        below = {}
        for step, here in self.below.items():
            if step in other.below and (both := here & other.below[step]):
                below[step] = both
        return FieldSet(self.member and other.member, below)

    def __sub__(self, other: FieldSet) -> FieldSet:
        below = {}
        for step, here in self.below.items():
            if left := here - other.below[step] if step in other.below else here:
                below[step] = left
        return FieldSet(self.member and not other.member, below)

    def without(self, other: FieldSet) -> FieldSet:
        """Without the members of `other` and everything below them."""
        if other.member:
            return EMPTY
        below = {}
        for step, here in self.below.items():
            if left := here.without(other.below[step]) if step in other.below else here:
                below[step] = left
        return FieldSet(self.member, below)

    def with_parents(self) -> FieldSet:
        """With every place on the way to a member."""
        below = {step: here.with_parents() for step, here in self.below.items()}
        return FieldSet(True, below) if self else self

    def paths(self, prefix: Path = ()) -> Iterator[Path]:
        if self.member:
            yield prefix
        for step in sorted(self.below):
            yield from self.below[step].paths((*prefix, step))

    def to_fields(self) -> dict[str, Any]:
        """FieldsV1."""
        below = {step: self.below[step].to_fields() for step in sorted(self.below)}
        return {".": {}, **below} if self.member and below else below

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> FieldSet:
        return cls(False, {step: _from_fields(below) for step, below in fields.items() if step != "."})

    @classmethod
    def of(cls, *paths: Path) -> FieldSet:
        found = EMPTY
        for path in paths:
            one = LEAF
            for step in reversed(path):
                one = cls(False, {step: one})
            found |= one
        return found


EMPTY = FieldSet()
LEAF = FieldSet(True)


def _from_fields(fields: Mapping[str, Any]) -> FieldSet:
    below = {step: _from_fields(item) for step, item in fields.items() if step != "."}
    return FieldSet(not below or "." in fields, below)


def field_step(name: str) -> Step:
    return "f:" + name


def key_step(keys: Mapping[str, Any]) -> Step:
    return "k:" + json.dumps(dict(keys), separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def value_step(value: Any) -> Step:
    return "v:" + json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def shown(path: Path) -> str:
    """`.spec.containers[name="web"].image`"""
    return "".join(map(_shown, path))


def _shown(step: Step) -> str:
    kind, _, rest = step.partition(":")
    match kind:
        case "f":
            return "." + rest
        case "k":
            pairs = ",".join(f"{key}={json.dumps(value)}" for key, value in sorted(json.loads(rest).items()))
            return f"[{pairs}]"
        case "v":
            return f"[={rest}]"
        case _:
            return f"[{rest}]"
