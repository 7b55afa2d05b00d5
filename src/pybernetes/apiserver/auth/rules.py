"""Policy rules: what one allows, and whether some rules cover another.

Pure functions on values. Follows pkg/apis/rbac/v1/evaluation_helpers.go and
pkg/registry/rbac/validation/policy_comparator.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from pybernetes.apiserver.auth.contract import Attributes

ALL = "*"


@dataclass(frozen=True, slots=True)
class PolicyRule:
    verbs: frozenset[str]
    groups: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    urls: frozenset[str] = frozenset()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> PolicyRule:
        return cls(
            frozenset(document.get("verbs") or ()),
            frozenset(document.get("apiGroups") or ()),
            frozenset(document.get("resources") or ()),
            frozenset(document.get("resourceNames") or ()),
            frozenset(document.get("nonResourceURLs") or ()),
        )

    def allows(self, asked: Attributes) -> bool:
        if not (ALL in self.verbs or asked.verb in self.verbs):
            return False
        if not asked.is_resource:
            return self.matches_url(asked.path)
        return (
            (ALL in self.groups or asked.group in self.groups)
            and self.matches_resource(asked.resource, asked.subresource)
            and (not self.names or asked.name in self.names)
        )

    def matches_resource(self, resource: str, subresource: str) -> bool:
        if ALL in self.resources:
            return True
        if not subresource:
            return resource in self.resources
        return f"{resource}/{subresource}" in self.resources or f"*/{subresource}" in self.resources

    def matches_url(self, path: str) -> bool:
        return any(covers_url(url, path) for url in self.urls)

    def __str__(self) -> str:
        """As upstream prints a rule in its refusals: only the parts that are set, in Go's notation."""
        parts = (
            ("APIGroups", self.groups),
            ("Resources", self.resources),
            ("ResourceNames", self.names),
            ("NonResourceURLs", self.urls),
            ("Verbs", self.verbs),
        )
        return "{" + ", ".join(f"{name}:{go_strings(sorted(values))}" for name, values in parts if values) + "}"


def go_strings(values: Iterable[str]) -> str:
    return "[" + " ".join(f'"{value}"' for value in values) + "]"


def covers_url(owned: str, asked: str) -> bool:
    return owned in (ALL, asked) or (owned.endswith("*") and asked.startswith(owned.rstrip("*")))


def broken_down(rule: PolicyRule) -> list[PolicyRule]:
    """The simple rules (one verb, group, resource and name, or one verb and URL) that a rule stands for."""
    simple = [
        PolicyRule(frozenset({verb}), frozenset({group}), frozenset({resource}), frozenset({name} if name else ()))
        for group, resource, verb, name in product(
            sorted(rule.groups), sorted(rule.resources), sorted(rule.verbs), sorted(rule.names) or [""]
        )
    ]
    simple += [
        PolicyRule(frozenset({verb}), urls=frozenset({url})) for url in sorted(rule.urls) for verb in sorted(rule.verbs)
    ]
    return simple


def uncovered(owned: Iterable[PolicyRule], asked: Iterable[PolicyRule]) -> list[PolicyRule]:
    """The simple rules in `asked` that no rule in `owned` covers, those of one resource put together."""
    owned = list(owned)
    missing = [
        simple for rule in asked for simple in broken_down(rule) if not any(_covers(one, simple) for one in owned)
    ]
    together: dict[tuple[frozenset[str], ...], set[str]] = {}
    for simple in missing:
        key = (simple.groups, simple.resources, simple.names, simple.urls)
        together.setdefault(key, set()).update(simple.verbs)
    return [PolicyRule(frozenset(verbs), *key) for key, verbs in together.items()]


def _covers(owned: PolicyRule, simple: PolicyRule) -> bool:
    (verb,) = simple.verbs
    if not (ALL in owned.verbs or verb in owned.verbs):
        return False
    if simple.urls:
        (url,) = simple.urls
        return any(covers_url(one, url) for one in owned.urls)
    (group,), (resource,) = simple.groups, simple.resources
    if not (ALL in owned.groups or group in owned.groups):
        return False
    if not (resource in owned.resources or ALL in owned.resources or _any_of_subresource(owned, resource)):
        return False
    return not owned.names or (bool(simple.names) and simple.names <= owned.names)


def _any_of_subresource(owned: PolicyRule, resource: str) -> bool:
    _, slash, subresource = resource.partition("/")
    return bool(slash) and f"*/{subresource}" in owned.resources
