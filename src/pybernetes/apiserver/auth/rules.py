"""Policy rules: what one allows, and whether some rules cover another.

Pure functions on values. Follows pkg/apis/rbac/v1/evaluation_helpers.go and
pkg/registry/rbac/validation/policy_comparator.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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


def go_strings(values: Iterable[str]) -> str:
    return "[" + " ".join(f'"{value}"' for value in values) + "]"


def covers_url(owned: str, asked: str) -> bool:
    return owned in (ALL, asked) or (owned.endswith("*") and asked.startswith(owned.rstrip("*")))


@dataclass(frozen=True, slots=True)
class Lack:
    """What is asked for about one resource, one name of it or one URL, and not held."""

    group: str = ""
    resource: str = ""
    name: str = ""
    url: str = ""
    verbs: tuple[str, ...] = ()

    def __str__(self) -> str:
        """In Go's notation, as upstream's refusals show it."""
        if self.url:
            about = f"NonResourceURLs:{go_strings((self.url,))}"
        else:
            about = f"APIGroups:{go_strings((self.group,))}, Resources:{go_strings((self.resource,))}"
            if self.name:
                about += f", ResourceNames:{go_strings((self.name,))}"
        return f"{{{about}, Verbs:{go_strings(self.verbs)}}}"

    def document(self) -> dict[str, Any]:
        """The rule that grants it."""
        if self.url:
            return {"verbs": list(self.verbs), "nonResourceURLs": [self.url]}
        rule: dict[str, Any] = {"verbs": list(self.verbs), "apiGroups": [self.group], "resources": [self.resource]}
        if self.name:
            rule["resourceNames"] = [self.name]
        return rule


def uncovered(owned: Iterable[PolicyRule], asked: Iterable[Mapping[str, Any]]) -> list[Lack]:
    """What the rules in `asked` (documents) allow and no rule in `owned` does; the verbs of one resource together."""
    verbs_of: dict[tuple[str, str, str], list[str]] = {}
    lacks: list[Lack] = []
    for simple in each_uncovered(owned, asked):
        if simple.url:
            lacks.append(simple)
            continue
        verbs = verbs_of.setdefault((simple.group, simple.resource, simple.name), [])
        verbs += (verb for verb in simple.verbs if verb not in verbs)
    return [*lacks, *(Lack(*key, verbs=tuple(verbs)) for key, verbs in verbs_of.items())]


def each_uncovered(owned: Iterable[PolicyRule], asked: Iterable[Mapping[str, Any]]) -> Iterator[Lack]:
    """The same one verb at a time, in the order of the rules."""
    owned = list(owned)
    for rule in asked:
        for simple in _broken_down(rule):
            if not any(_covers(one, simple) for one in owned):
                yield simple


def _broken_down(rule: Mapping[str, Any]) -> Iterator[Lack]:
    """The simple rules (one verb, group, resource and name, or one verb and URL) that a rule stands for."""
    verbs = rule.get("verbs") or ()
    groups, resources = rule.get("apiGroups") or (), rule.get("resources") or ()
    for group, resource, verb, name in product(groups, resources, verbs, rule.get("resourceNames") or ("",)):
        yield Lack(group, resource, name, verbs=(verb,))
    for url, verb in product(rule.get("nonResourceURLs") or (), verbs):
        yield Lack(url=url, verbs=(verb,))


def _covers(owned: PolicyRule, simple: Lack) -> bool:
    (verb,) = simple.verbs
    if not (ALL in owned.verbs or verb in owned.verbs):
        return False
    if simple.url:
        return any(covers_url(one, simple.url) for one in owned.urls)
    if not (ALL in owned.groups or simple.group in owned.groups):
        return False
    resource = simple.resource
    if not (resource in owned.resources or ALL in owned.resources or _any_of_subresource(owned, resource)):
        return False
    return not owned.names or (bool(simple.name) and simple.name in owned.names)


def _any_of_subresource(owned: PolicyRule, resource: str) -> bool:
    _, slash, subresource = resource.partition("/")
    return bool(slash) and f"*/{subresource}" in owned.resources
