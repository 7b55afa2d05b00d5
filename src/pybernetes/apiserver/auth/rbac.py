"""Role-based access control: allowed is what some role says that a binding gives to the user or one of the groups.

Guarantees
  Decisions follow the roles and bindings in memory; `Rbac.put` and `Rbac.remove` change them, and every answer after
  that is by the new state. There is no rule that denies.
  An aggregated cluster role grants the rules that stand in it: putting them there is a controller's work.

Follows plugin/pkg/auth/authorizer/rbac and pkg/registry/rbac/validation/rule.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pybernetes.apiserver.auth.contract import Attributes, Decision, User
from pybernetes.apiserver.auth.rules import PolicyRule

Document = Mapping[str, Any]

REMEMBERED_USERS = 4096
REMEMBERED_DECISIONS = 8192
CLUSTER = ""


class Subject(NamedTuple):
    kind: str
    name: str

    def __str__(self) -> str:
        return f'{self.kind} "{self.name}"'


class Grant(NamedTuple):
    """One rule that a user holds in a namespace (or, in `CLUSTER`, everywhere), and through what."""

    rule: PolicyRule
    reason: str


@dataclass(frozen=True, slots=True)
class Binding:
    """A binding; `namespace` is empty for cluster role bindings."""

    namespace: str
    name: str
    role_kind: str
    role: str
    subjects: tuple[Subject, ...]

    @classmethod
    def of(cls, document: Document) -> Binding:
        metadata, role = document["metadata"], document.get("roleRef") or {}
        namespace = metadata.get("namespace", "")
        subjects = tuple(_subject(item, namespace) for item in document.get("subjects") or ())
        return cls(namespace, metadata["name"], role.get("kind", ""), role.get("name", ""), subjects)

    def reason(self, subject: Subject) -> str:
        if self.namespace:
            kind, name = "RoleBinding", f"{self.name}/{self.namespace}"
        else:
            kind, name = "ClusterRoleBinding", self.name
        return f'RBAC: allowed by {kind} "{name}" of {self.role_kind} "{self.role}" to {subject}'


class Rbac:
    """The state and the authorizer over it."""

    def __init__(self) -> None:
        self._roles: dict[tuple[str, str], Document] = {}
        self._bindings: dict[tuple[str, str], Binding] = {}
        self._by_subject: dict[Subject, dict[tuple[str, str], Binding]] = {}
        self._rules: dict[tuple[str, str], tuple[PolicyRule, ...]] = {}
        self._users: dict[tuple[str, tuple[str, ...]], _Grants] = {}

    # State

    def put(self, document: Document) -> None:
        """A Role, ClusterRole, RoleBinding or ClusterRoleBinding as it now is."""
        key = (document["metadata"].get("namespace", ""), document["metadata"]["name"])
        if document["kind"] in ("Role", "ClusterRole"):
            self._roles[key] = document
        else:
            self._unbind(key)
            binding = self._bindings[key] = Binding.of(document)
            for subject in binding.subjects:
                self._by_subject.setdefault(subject, {})[key] = binding
        self._forget()

    def remove(self, kind: str, namespace: str, name: str) -> None:
        if kind in ("Role", "ClusterRole"):
            self._roles.pop((namespace, name), None)
        else:
            self._unbind((namespace, name))
        self._forget()

    def _unbind(self, key: tuple[str, str]) -> None:
        binding = self._bindings.pop(key, None)
        for subject in binding.subjects if binding else ():
            held = self._by_subject.get(subject, {})
            held.pop(key, None)
            if not held:
                self._by_subject.pop(subject, None)

    def _forget(self) -> None:
        self._rules.clear()
        self._users.clear()

    # Questions

    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        return self.decide(user, attributes)

    def decide(self, user: User, attributes: Attributes) -> Decision:
        return self._grants_of(user).decide(attributes)

    def grants(self, user: User, namespace: str) -> Iterator[Grant]:
        """What the user may do in the namespace, cluster-wide grants included."""
        return self._grants_of(user).of_namespace(namespace)

    def rules_of(self, kind: str, namespace: str, name: str) -> tuple[PolicyRule, ...] | None:
        """The rules that a role grants, or None if there is no such role."""
        key = (namespace if kind == "Role" else CLUSTER, name)
        if key not in self._roles:
            return None
        if key not in self._rules:
            rules = self._roles[key].get("rules") or ()
            self._rules[key] = tuple(dict.fromkeys(PolicyRule.of(rule) for rule in rules))
        return self._rules[key]

    def role(self, kind: str, namespace: str, name: str) -> Document | None:
        """A role as it stands."""
        return self._roles.get((namespace if kind == "Role" else CLUSTER, name))

    def missing(self, user: User, namespace: str) -> list[tuple[str, str]]:
        """(kind, name) of the roles that are bound to the user, here or everywhere, and are not there."""
        return self._grants_of(user).missing(namespace)

    def _grants_of(self, user: User) -> _Grants:
        key = (user.name, user.groups)
        grants = self._users.get(key)
        if grants is None:
            if len(self._users) >= REMEMBERED_USERS:
                self._users.clear()
            grants = self._users[key] = self._collect(user)
        return grants

    def _collect(self, user: User) -> _Grants:
        held: dict[str, list[Grant]] = {}
        missing: dict[str, list[tuple[str, str]]] = {}
        for subject in (Subject("User", user.name), *(Subject("Group", group) for group in user.groups)):
            for binding in self._by_subject.get(subject, {}).values():
                rules = self.rules_of(binding.role_kind, binding.namespace, binding.role)
                if rules is None:
                    missing.setdefault(binding.namespace, []).append((binding.role_kind, binding.role))
                    continue
                reason = binding.reason(_shown(subject))
                held.setdefault(binding.namespace, []).extend(Grant(rule, reason) for rule in rules)
        return _Grants(held, missing)


class _Grants:
    """What one user holds, and the decisions already taken."""

    def __init__(self, held: dict[str, list[Grant]], missing: dict[str, list[tuple[str, str]]]) -> None:
        self._missing = missing
        self._held = held
        self._general = {
            namespace: [grant for grant in grants if not grant.rule.names] for namespace, grants in held.items()
        }
        self._named = {namespace: [grant for grant in grants if grant.rule.names] for namespace, grants in held.items()}
        self._decisions: dict[tuple[str, ...], Decision] = {}

    def of_namespace(self, namespace: str) -> Iterator[Grant]:
        yield from self._held.get(CLUSTER, ())
        if namespace:
            yield from self._held.get(namespace, ())

    def decide(self, asked: Attributes) -> Decision:
        if asked.is_resource:
            key: tuple[str, ...] = (asked.verb, asked.group, asked.resource, asked.subresource, asked.namespace)
        else:
            key = (asked.verb, asked.path)
        decision = self._decisions.get(key)
        if decision is None:
            decision = self._first(self._general, asked) or self._refusal(asked.namespace)
            if len(self._decisions) >= REMEMBERED_DECISIONS:
                self._decisions.clear()
            self._decisions[key] = decision
        if decision.allowed or not asked.name:
            return decision
        return self._first(self._named, asked) or decision

    def _first(self, held: dict[str, list[Grant]], asked: Attributes) -> Decision | None:
        for namespace in (CLUSTER, asked.namespace) if asked.namespace else (CLUSTER,):
            for grant in held.get(namespace, ()):
                if grant.rule.allows(asked):
                    return Decision(True, grant.reason)
        return None

    def missing(self, namespace: str) -> list[tuple[str, str]]:
        return [*self._missing.get(CLUSTER, ()), *(self._missing.get(namespace, ()) if namespace else ())]

    def _refusal(self, namespace: str) -> Decision:
        missing = [
            f'{kind.lower()}.rbac.authorization.k8s.io "{name}" not found' for kind, name in self.missing(namespace)
        ]
        if not missing:
            return Decision(False)
        return Decision(False, "RBAC: " + aggregated(missing))


def aggregated(texts: Sequence[str]) -> str:
    """Several errors as Go's aggregate prints them, each once."""
    different = list(dict.fromkeys(texts))
    return different[0] if len(different) == 1 else f"[{', '.join(different)}]"


def _subject(item: Mapping[str, str], namespace: str) -> Subject:
    if item.get("kind") == "ServiceAccount":
        return Subject("User", f"system:serviceaccount:{item.get('namespace') or namespace}:{item.get('name', '')}")
    return Subject(item.get("kind", ""), item.get("name", ""))


def _shown(subject: Subject) -> Subject:
    prefix = "system:serviceaccount:"
    if subject.kind == "User" and subject.name.startswith(prefix):
        namespace, _, name = subject.name.removeprefix(prefix).partition(":")
        return Subject("ServiceAccount", f"{name}/{namespace}")
    return subject
