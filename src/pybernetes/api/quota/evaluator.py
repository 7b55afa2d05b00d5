"""What a kind costs: which resources of a quota it uses up, and how much of them one object takes.

Follows k8s.io/apiserver/pkg/quota/v1/interfaces.go and generic/evaluator.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pybernetes.api.quota.amounts import ONE, Amounts
from pybernetes.api.quota.scopes import Scope

Document = Mapping[str, Any]


def count_name(group_resource: str) -> str:
    return f"count/{group_resource}"


class Evaluator:
    """Counts the objects of a kind; the kinds that cost more than their number say so in classes of their own."""

    def __init__(self, group_resource: str, *aliases: str) -> None:
        self.group_resource = group_resource
        self._names = frozenset((count_name(group_resource), *aliases))

    def handles(self, operation: str, subresource: str, new: Document, old: Document | None) -> bool:
        """Whether a write (`CREATE` or `UPDATE`) can change what is used."""
        return operation == "CREATE" and not subresource

    def matching(self, names: Iterable[str]) -> list[str]:
        """Those of a quota's resources that objects of the kind take from, sorted."""
        return sorted(name for name in names if name in self._names)

    def is_in(self, scope: Scope, document: Document) -> bool:
        return False

    def missing(self, names: Iterable[str], document: Document) -> str:
        """Why an object may not be in a namespace where ``names`` are limited; "" if it may."""
        return ""

    def usage(self, document: Document, now: datetime) -> Amounts:
        return dict.fromkeys(self._names, ONE)

    def replenishes(self, new: Document, old: Document, now: datetime) -> bool:
        """Whether a change that admission did not charge may have changed what is used."""
        return False

    def uncovered(self, limited: Sequence[Scope], covered: Sequence[Scope]) -> list[Scope]:
        """The scopes that need a quota and have none. Kinds without scopes need none."""
        return []


class ScopedEvaluator(Evaluator):
    def uncovered(self, limited: Sequence[Scope], covered: Sequence[Scope]) -> list[Scope]:
        present = {scope.name for scope in covered}
        return [scope for scope in limited if scope.name not in present]
