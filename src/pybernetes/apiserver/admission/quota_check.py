"""Whether a write fits into the quotas of its namespace, and what it leaves of them: a pure decision.

Follows CheckRequest in k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pybernetes.api.quota import amounts
from pybernetes.api.quota.amounts import Amounts
from pybernetes.api.quota.evaluator import Evaluator
from pybernetes.api.quota.scopes import Scope, scopes_of

Document = Mapping[str, Any]


class Exceeded(Exception):
    """Policy forbids the write."""


class Uncovered(Exception):
    """Nothing allows what the operator lets only quotas allow."""


@dataclass(frozen=True, slots=True)
class Quota:
    """One quota as it was at a revision; ``used`` grows with what is charged to it."""

    name: str
    revision: int
    hard: Amounts
    used: Amounts
    scopes: tuple[Scope, ...]

    @classmethod
    def of(cls, document: Document, revision: int) -> Quota:
        status = document.get("status") or {}
        return cls(
            document["metadata"]["name"],
            revision,
            amounts.read(status.get("hard")),
            amounts.read(status.get("used")),
            tuple(scopes_of(document.get("spec") or {})),
        )


@dataclass(frozen=True, slots=True)
class Limited:
    """What may be used only where a quota allows it, from the operator's configuration."""

    group_resource: str
    contains: tuple[str, ...] = ()
    scopes: tuple[Scope, ...] = ()


@dataclass(frozen=True, slots=True)
class Write:
    """``old`` is None where the object is new."""

    evaluator: Evaluator
    new: Document
    old: Document | None
    now: datetime
    may_exceed: bool = False
    """What is written is a fact already (a status): it is charged in any case."""


def charged(quotas: Sequence[Quota], write: Write, limited: Sequence[Limited] = ()) -> tuple[Quota, ...]:
    """The quotas after the write. Raises Exceeded or Uncovered."""
    concerned = [quota for quota in quotas if _concerns(quota, write)]
    restricted: set[str] = set()
    for quota in concerned:
        restricted.update(_require_countable(quota, write))
    usage = write.evaluator.usage(write.new, write.now)
    below_zero = amounts.negative(usage)
    if below_zero:
        raise Exceeded(f"quota usage is negative for resource(s): {','.join(below_zero)}")
    before = write.evaluator.usage(write.old, write.now) if write.old is not None else {}
    more = amounts.growth(usage, before)
    deltas = {quota.name: amounts.without_zeros(_delta(quota, write, usage, more)) for quota in concerned}
    if not any(deltas.values() if concerned else (amounts.without_zeros(more),)):
        return tuple(quotas)
    _require_covered(quotas, write, usage, restricted, limited)
    return tuple(_after(quota, deltas[quota.name], write) if deltas.get(quota.name) else quota for quota in quotas)


def _concerns(quota: Quota, write: Write, old: bool = False) -> bool:
    document = write.old if old and write.old is not None else write.new
    return bool(write.evaluator.matching(quota.hard)) and all(
        write.evaluator.is_in(scope, document) for scope in quota.scopes
    )


def _require_countable(quota: Quota, write: Write) -> Iterable[str]:
    """The resources of the quota that the kind takes from."""
    names = write.evaluator.matching(quota.hard)
    missing = write.evaluator.missing(names, write.new)
    if missing:
        raise Exceeded(f"failed quota: {quota.name}: {missing}")
    if not quota.used.keys() >= set(names):
        raise Exceeded(f"status unknown for quota: {quota.name}, resources: {','.join(names)}")
    return names


def _delta(quota: Quota, write: Write, usage: Amounts, more: Amounts) -> Amounts:
    """Only the growth counts where the object was counted before."""
    return more if write.old is not None and _concerns(quota, write, old=True) else usage


def _require_covered(
    quotas: Sequence[Quota], write: Write, usage: Amounts, restricted: set[str], limited: Sequence[Limited]
) -> None:
    if not limited:
        return
    evaluator = write.evaluator
    wanted = {
        name
        for row in limited
        if row.group_resource == evaluator.group_resource
        for name, amount in usage.items()
        if amount and any(part in name for part in row.contains)
    }
    if wanted - restricted:
        raise Exceeded(f"insufficient quota to consume: {','.join(sorted(wanted - restricted))}")
    needed = [scope for row in limited for scope in row.scopes if evaluator.is_in(scope, write.new)]
    present = [scope for quota in quotas for scope in quota.scopes if evaluator.is_in(scope, write.new)]
    uncovered = evaluator.uncovered(needed, present)
    if uncovered:
        raise Uncovered(f"insufficient quota to match these scopes: [{' '.join(map(str, uncovered))}]")


def _after(quota: Quota, delta: Amounts, write: Write) -> Quota:
    requested = amounts.masked(delta, quota.hard)
    used = amounts.total(quota.used, requested)
    exceeded = amounts.exceeding(amounts.masked(used, requested), quota.hard)
    if exceeded and not write.may_exceed:
        raise Exceeded(
            f"exceeded quota: {quota.name}, requested: {amounts.shown(amounts.masked(requested, exceeded))}, "
            f"used: {amounts.shown(amounts.masked(quota.used, exceeded))}, "
            f"limited: {amounts.shown(amounts.masked(quota.hard, exceeded))}"
        )
    return replace(quota, used=used)
