"""The scopes of a quota: which objects it counts.

A scope alone means that it must exist; an expression compares names of priority classes or volume attributes classes.
Follows getScopeSelectorsFromQuota and the scope functions in pkg/quota/v1/evaluator/core.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TERMINATING, NOT_TERMINATING = "Terminating", "NotTerminating"
BEST_EFFORT, NOT_BEST_EFFORT = "BestEffort", "NotBestEffort"
PRIORITY_CLASS = "PriorityClass"
CROSS_NAMESPACE_AFFINITY = "CrossNamespacePodAffinity"
VOLUME_ATTRIBUTES_CLASS = "VolumeAttributesClass"


@dataclass(frozen=True, slots=True)
class Scope:
    name: str
    operator: str = "Exists"
    values: tuple[str, ...] = ()

    @classmethod
    def of(cls, expression: Mapping[str, Any]) -> Scope:
        values = tuple(expression.get("values") or ())
        return cls(expression.get("scopeName", ""), expression.get("operator", ""), values)

    def holds_for(self, names: Iterable[str]) -> bool:
        """Whether an object that refers to ``names`` is in a scope that compares names."""
        present = set(names)
        match self.operator:
            case "Exists":
                return bool(present)
            case "DoesNotExist":
                return not present
            case "In":
                return not present.isdisjoint(self.values)
            case "NotIn":
                return not present or not present <= set(self.values)
        return False

    def __str__(self) -> str:
        """As upstream's messages show it."""
        return f"{{{self.name} {self.operator} [{' '.join(self.values)}]}}"


def scopes_of(spec: Mapping[str, Any]) -> Sequence[Scope]:
    """All that an object must be in to be counted by the quota with this spec."""
    return tuple(_scopes(spec))


def _scopes(spec: Mapping[str, Any]) -> Iterator[Scope]:
    for name in spec.get("scopes") or ():
        yield Scope(name)
    for expression in (spec.get("scopeSelector") or {}).get("matchExpressions") or ():
        yield Scope.of(expression)
