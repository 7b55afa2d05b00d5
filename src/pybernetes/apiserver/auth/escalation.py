"""Nobody grants what they do not hold.

Writing a role asks for every rule in it, or the verb `escalate` on it; writing a binding asks for every rule of the
role it names, or the verb `bind` on that role. Masters may do both. It is asked before the object itself is judged.

Follows pkg/registry/rbac/role/policybased, rolebinding/policybased and pkg/registry/rbac/validation/rule.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Attributes as Admission
from pybernetes.apiserver.admission.contract import Operation, Plugin
from pybernetes.apiserver.auth.authorizers import ClusterAuthorizer
from pybernetes.apiserver.auth.contract import MASTERS_GROUP, Attributes, User
from pybernetes.apiserver.auth.rbac import aggregated
from pybernetes.apiserver.auth.rules import go_strings, uncovered

Document = Mapping[str, Any]

GROUP = "rbac.authorization.k8s.io"
_ROLES = {"Role": "roles", "ClusterRole": "clusterroles"}
_BINDINGS = {"RoleBinding": "rolebindings", "ClusterRoleBinding": "clusterrolebindings"}
_CHECKED = {**_ROLES, **_BINDINGS}
_EVERYTHING = (
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
)
_COLLECTED = ("ownerReferences", "finalizers", "managedFields", "selfLink")
"""Metadata that the garbage collector changes."""


class EscalationCheck(Plugin):
    """`check` as an admission plugin."""

    name = "RbacEscalationCheck"
    operations = frozenset({Operation.CREATE, Operation.UPDATE})
    resources = frozenset(f"{plural}.{GROUP}" for plural in _CHECKED.values())

    def __init__(self, authorizer: ClusterAuthorizer) -> None:
        self._authorizer = authorizer

    async def mutate(self, attributes: Admission) -> None:
        """Changes nothing: this is where it comes before the judgement of the object."""
        if attributes.document is not None:
            check(self._authorizer, attributes.context.user, attributes.document, attributes.old)


def check(authorizer: ClusterAuthorizer, user: User, new: Document, old: Document | None) -> None:
    """Raises 403 if `user` may not write `new` over `old`; kinds that grant nothing pass."""
    kind = new.get("kind", "")
    if kind not in _CHECKED or MASTERS_GROUP in user.groups or (old is not None and _is_only_collected(new, old)):
        return
    if kind in _ROLES:
        _check_role(authorizer, user, new, old or {})
    else:
        _check_binding(authorizer, user, new)


def _check_role(authorizer: ClusterAuthorizer, user: User, new: Document, old: Document) -> None:
    plural = _ROLES[new["kind"]]
    namespace, name = _place(new)
    asked = Attributes("escalate", "", True, GROUP, "v1", plural, "", namespace, name)
    if authorizer.decide(user, asked).allowed:
        return
    _confirm(authorizer, user, new, new.get("rules") or ())
    held = [grant.rule for grant in authorizer.rbac.grants(user, namespace)]
    if (_aggregates(new) or _aggregates(old)) and uncovered(held, _EVERYTHING):
        why = "must have cluster-admin privileges to use the aggregationRule"
        raise errors.forbidden(f"{plural}.{GROUP}", name, why)


def _check_binding(authorizer: ClusterAuthorizer, user: User, new: Document) -> None:
    reference = new.get("roleRef") or {}
    kind, role_name = reference.get("kind", ""), reference.get("name", "")
    namespace, _ = _place(new)
    if kind not in _ROLES:
        raise errors.internal_error(f'unsupported role reference kind: "{kind}"')
    asked = Attributes("bind", "", True, GROUP, "v1", _ROLES[kind], "", namespace, role_name)
    if authorizer.decide(user, asked).allowed:
        return
    if kind == "Role" and not namespace:
        raise errors.bad_request("Namespace parameter required.")
    role = authorizer.rbac.role(kind, namespace, role_name)
    if role is None:
        raise errors.not_found(f"{_BINDINGS[new['kind']]}.{GROUP}", role_name)
    _confirm(authorizer, user, new, role.get("rules") or ())


def _confirm(authorizer: ClusterAuthorizer, user: User, new: Document, rules: Iterable[Document]) -> None:
    """The user holds all of the rules, where the object is written."""
    namespace, name = _place(new)
    held = [grant.rule for grant in authorizer.rbac.grants(user, namespace)]
    missing = uncovered(held, rules)
    if not missing:
        return
    resource = f"{_CHECKED[new['kind']]}.{GROUP}"
    shown = "\n".join(sorted({str(lack) for lack in missing}))
    who = f'user "{user.name}" (groups={go_strings(user.groups)})'
    why = f"{who} is attempting to grant RBAC permissions not currently held:\n{shown}"
    if unresolved := [f'{resource} "{role}" not found' for _, role in authorizer.rbac.missing(user, namespace)]:
        why += f"; resolution errors: [{aggregated(unresolved)}]"
    raise errors.forbidden(resource, name, why)


def _place(document: Document) -> tuple[str, str]:
    metadata = document["metadata"]
    return metadata.get("namespace", ""), metadata.get("name", "")


def _aggregates(role: Document) -> bool:
    return bool((role.get("aggregationRule") or {}).get("clusterRoleSelectors"))


def _is_only_collected(new: Document, old: Document) -> bool:
    return _without_collected(new) == _without_collected(old)


def _without_collected(document: Document) -> Document:
    metadata = {key: value for key, value in document["metadata"].items() if key not in _COLLECTED}
    return {**document, "metadata": {**metadata, "resourceVersion": ""}}
