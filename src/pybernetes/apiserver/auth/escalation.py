"""Nobody grants what they do not hold.

Writing a role asks for every rule in it, or the verb `escalate` on it; writing a binding asks for every rule of the
role it names, or the verb `bind` on that role. Masters may do both.

Follows pkg/registry/rbac/role/policybased, rolebinding/policybased and pkg/registry/rbac/validation/rule.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Attributes as Admission
from pybernetes.apiserver.admission.contract import Operation, Plugin
from pybernetes.apiserver.auth.authorizers import ClusterAuthorizer
from pybernetes.apiserver.auth.contract import MASTERS_GROUP, Attributes, User
from pybernetes.apiserver.auth.rules import PolicyRule, go_strings, uncovered

Document = Mapping[str, Any]

GROUP = "rbac.authorization.k8s.io"
_ROLES = {"Role": "roles", "ClusterRole": "clusterroles"}
_BINDINGS = {"RoleBinding": "rolebindings", "ClusterRoleBinding": "clusterrolebindings"}
_CHECKED = {**_ROLES, **_BINDINGS}


class EscalationCheck(Plugin):
    """`check` as an admission plugin."""

    name = "RbacEscalationCheck"
    operations = frozenset({Operation.CREATE, Operation.UPDATE})
    resources = frozenset(f"{plural}.{GROUP}" for plural in _CHECKED.values())

    def __init__(self, authorizer: ClusterAuthorizer) -> None:
        self._authorizer = authorizer

    async def validate(self, attributes: Admission) -> None:
        if attributes.document is not None:
            check(self._authorizer, attributes.context.user, attributes.document, attributes.old)


def check(authorizer: ClusterAuthorizer, user: User, new: Document, old: Document | None) -> None:
    """Raises 403 if `user` may not write `new` over `old`; kinds that grant nothing pass."""
    kind = new.get("kind", "")
    if kind not in _CHECKED or MASTERS_GROUP in user.groups or (old is not None and _grants_as_before(new, old)):
        return
    metadata = new["metadata"]
    namespace, name = metadata.get("namespace", ""), metadata.get("name", "")
    if kind in _ROLES:
        asked = Attributes("escalate", "", True, GROUP, "v1", _ROLES[kind], "", namespace, name)
        wanted = [PolicyRule.of(rule) for rule in new.get("rules") or ()]
        if new.get("aggregationRule"):
            wanted = [PolicyRule(*(frozenset({"*"}),) * 3), PolicyRule(frozenset({"*"}), urls=frozenset({"*"}))]
    else:
        role = new.get("roleRef") or {}
        place = namespace if role.get("kind") == "Role" else ""
        plural = _ROLES.get(role.get("kind", ""), "")
        asked = Attributes("bind", "", True, GROUP, "v1", plural, "", namespace, role.get("name", ""))
        rules = authorizer.rbac.rules_of(role.get("kind", ""), place, role.get("name", ""))
        if rules is None:
            if authorizer.decide(user, asked).allowed:
                return
            raise errors.not_found(f"{plural}.{GROUP}", role.get("name", ""))
        wanted = list(rules)
    if authorizer.decide(user, asked).allowed:
        return
    missing = uncovered(authorizer.rules_held(user, namespace), wanted)
    if missing:
        raise errors.forbidden(f"{_CHECKED[kind]}.{GROUP}", name, _refusal(user, missing))


def _grants_as_before(new: Document, old: Document) -> bool:
    return all(new.get(part) == old.get(part) for part in ("rules", "aggregationRule", "roleRef", "subjects"))


def _refusal(user: User, missing: list[PolicyRule]) -> str:
    who = f'user "{user.name}" (groups={go_strings(user.groups)})'
    shown = "\n".join(sorted(str(rule) for rule in missing))
    return f"{who} is attempting to grant RBAC permissions not currently held:\n{shown}"
