"""What goes from an object because the one who applied it no longer names it, and nobody else has it.

Guarantees  Pure. What somebody had is looked up in the version that he had it in.
Follows sigs.k8s.io/structured-merge-diff/merge/update.go (prune).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pybernetes.api.patch.field_set import EMPTY, Fields, difference, intersection, union
from pybernetes.api.patch.managed import Entry
from pybernetes.api.patch.parts import Kind
from pybernetes.api.patch.structured import fields_of, remove, with_named_fields

Document = dict[str, Any]
Convert = Callable[[Document], Document]


@dataclass(frozen=True, slots=True)
class OtherVersion:
    """A kind as managers see it who use another version of it. Conversions leave their argument alone."""

    kind: Kind
    convert: Convert
    """From the version at hand."""
    back: Convert
    """To the version at hand."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What a kind is like: how it is taken apart, and what an empty object of it has."""

    kind: Kind
    empty: Document
    others: Mapping[str, OtherVersion] = field(default_factory=dict)
    """By apiVersion; what is not there looks like the version at hand."""

    def kind_in(self, api_version: str) -> Kind:
        other = self.others.get(api_version)
        return self.kind if other is None else other.kind

    def moved(self, document: Document, source: str, target: str) -> Document:
        """From one version to another, by way of the one at hand."""
        if source == target:
            return document
        if (before := self.others.get(source)) is not None:
            document = before.back(document)
        after = self.others.get(target)
        return document if after is None else after.convert(document)


def pruned(
    merged: Document, former: Entry, claims: Sequence[tuple[str, Fields]], typed: Typed, api_version: str
) -> Document:
    """``merged``, of the version at hand, without what ``former`` had and none of the ``claims`` names."""
    start = former.api_version
    kind = typed.kind_in(start)
    before = typed.moved(merged, api_version, start)
    had = with_named_fields(former.fields, kind)
    left, at = remove(before, had, kind), start
    whole = before
    for version, claimed in _by_version(claims, start).items():
        whole, left = (typed.moved(one, at, version) for one in (whole, left))
        at = version
        left = _with_claimed(whole, left, claimed, typed.kind_in(version))
    left = typed.moved(left, at, start)
    gone = difference(_all_of(before, kind), _all_of(left, kind))
    return typed.moved(remove(before, intersection(gone, had), kind), start, api_version)


def _by_version(claims: Sequence[tuple[str, Fields]], first: str) -> dict[str, Fields]:
    found: dict[str, Fields] = {first: EMPTY} if any(version == first for version, _ in claims) else {}
    for version, fields in claims:
        found[version] = union(found.get(version, EMPTY), fields)
    return found


def _with_claimed(whole: Document, left: Document, claimed: Fields, kind: Kind) -> Document:
    kept = union(_all_of(left, kind), with_named_fields(claimed, kind))
    result: Document = remove(whole, difference(_all_of(whole, kind), kept), kind)
    return result


def _all_of(document: Document, kind: Kind) -> Fields:
    return with_named_fields(fields_of(document, kind), kind)
