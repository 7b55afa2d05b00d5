"""What the status of a definition must say, from all definitions of its group: pure.

Guarantees  A name in a group is given to one definition, the first that asks; another keeps what it had.
Follows pkg/controller/status, establish, nonstructuralschema and apiapproval of apiextensions-apiserver; what several
controllers do there one after the other is one step here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pybernetes.api.fields import aggregate, quoted
from pybernetes.apiserver.custom.approval import approval_condition
from pybernetes.apiserver.custom.definition import (
    Condition,
    ConditionType,
    condition,
    is_true,
    with_condition,
    without_condition,
)
from pybernetes.apiserver.custom.structure import structural_problems
from pybernetes.apiserver.resource import Document

Names = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Claimed:
    """The names that the definitions of a group have been given."""

    resources: frozenset[str]
    kinds: frozenset[str]

    @classmethod
    def by(cls, definitions: Iterable[Document]) -> Claimed:
        accepted = [(one.get("status") or {}).get("acceptedNames") or {} for one in definitions]
        resources = (name for one in accepted for name in (one.get("plural"), one.get("singular")))
        short = (name for one in accepted for name in one.get("shortNames") or ())
        kinds = (name for one in accepted for name in (one.get("kind"), one.get("listKind")))
        return cls(frozenset(filter(None, (*resources, *short))), frozenset(filter(None, kinds)))


def status_of(definition: Document, group: Iterable[Document], now: str) -> Document:
    """The status as it must be; equal to the present one when there is nothing to say. ``group`` are all definitions
    of the group, this one too."""
    status: Document = definition.get("status") or {}
    for made in (*_names(definition, group), *_facts(definition)):
        if isinstance(made, Condition):
            if not _says(definition, made):
                status = with_condition(status, made, now)
        elif isinstance(made, ConditionType):
            if condition(definition, made) is not None:
                status = without_condition(status, made)
        else:
            status = {**status, "acceptedNames": made}
    return status


def has_its_names(definition: Document) -> bool:
    given = (definition.get("status") or {}).get("acceptedNames") or {}
    return _plain(definition["spec"]["names"]) == _plain(given)


def _says(definition: Document, made: Condition) -> bool:
    found = condition(definition, made.type) or {}
    return (found.get("status"), found.get("reason"), found.get("message")) == (made.status, made.reason, made.message)


def _names(definition: Document, group: Iterable[Document]) -> Iterator[Condition | Document]:
    wanted: Names = definition["spec"]["names"]
    had: Names = (definition.get("status") or {}).get("acceptedNames") or {}
    if has_its_names(definition):
        if is_true(definition, ConditionType.NAMES_ACCEPTED) and not is_true(definition, ConditionType.ESTABLISHED):
            yield _ESTABLISHED
        return
    given, refusal = accept(wanted, had, Claimed.by(group))
    yield given
    yield refusal or _ACCEPTED
    if not is_true(definition, ConditionType.ESTABLISHED):
        yield _NOT_ACCEPTED if refusal else _ESTABLISHED


_ACCEPTED = Condition(ConditionType.NAMES_ACCEPTED, "True", "NoConflicts", "no conflicts found")
_NOT_ACCEPTED = Condition(ConditionType.ESTABLISHED, "False", "NotAccepted", "not all names are accepted")
_ESTABLISHED = Condition(
    ConditionType.ESTABLISHED, "True", "InitialNamesAccepted", "the initial names have been accepted"
)


def _plain(names: Names) -> Names:
    return {key: value for key, value in names.items() if value}


def accept(wanted: Names, had: Names, claimed: Claimed) -> tuple[Document, Condition | None]:
    """The names that are given, and the last refusal."""
    given, refusal = dict(had), None
    for key, taken, reason in (
        ("plural", claimed.resources, "PluralConflict"),
        ("singular", claimed.resources, "SingularConflict"),
        ("shortNames", claimed.resources, "ShortNamesConflict"),
        ("kind", claimed.kinds, "KindConflict"),
        ("listKind", claimed.kinds, "ListKindConflict"),
    ):
        conflicts = _conflicts(wanted.get(key), had.get(key), taken)
        if conflicts:
            refusal = Condition(ConditionType.NAMES_ACCEPTED, "False", reason, conflicts)
        elif wanted.get(key):
            given[key] = wanted[key]
        else:
            given.pop(key, None)
    if wanted.get("categories"):
        given["categories"] = wanted["categories"]
    else:
        given.pop("categories", None)
    return {"plural": "", "kind": "", **given}, refusal


def _conflicts(wanted: Any, had: Any, taken: frozenset[str]) -> str:
    many = isinstance(wanted, list)
    mine = had or [] if many else [had]
    used = [one for one in (wanted if many else [wanted]) if one and one not in mine and one in taken]
    texts = [f"{quoted(one)} is already in use" for one in used]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]" if texts else ""


def _facts(definition: Document) -> Iterator[Condition | ConditionType]:
    violations = structural_problems(definition["spec"])
    if violations:
        yield Condition(ConditionType.NON_STRUCTURAL, "True", "Violations", aggregate(violations))
    else:
        yield ConditionType.NON_STRUCTURAL
    approval = approval_condition(definition)
    if approval is not None:
        yield approval
