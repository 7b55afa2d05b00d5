"""RoleBinding and ClusterRoleBinding: who may do what a role says.

Follows pkg/registry/rbac and pkg/apis/rbac/validation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from pybernetes.api.fields import FieldError, at, is_path_segment
from pybernetes.api.kinds import info_of
from pybernetes.api.models.rbac_v1 import ClusterRoleBinding, RoleBinding
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Document, Resource
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults
from pybernetes.apiserver.validation.metadata import check_metadata
from pybernetes.apiserver.validation.rbac import GROUP, check_binding_update, check_role_ref, check_subjects


def default_subject(subject: Document) -> None:
    if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
        subject["apiGroup"] = GROUP


def validate_role_binding(binding: RoleBinding) -> Iterator[FieldError]:
    yield from check_metadata(binding.metadata, is_path_segment)
    yield from check_role_ref(binding.role_ref, at.roleRef, ("Role", "ClusterRole"))
    yield from check_subjects(binding.subjects, at.subjects, namespaced=True)


def validate_cluster_role_binding(binding: ClusterRoleBinding) -> Iterator[FieldError]:
    yield from check_metadata(binding.metadata, is_path_segment, namespaced=False)
    yield from check_role_ref(binding.role_ref, at.roleRef, ("ClusterRole",))
    yield from check_subjects(binding.subjects, at.subjects, namespaced=False)


def _role(binding: Document, now: datetime) -> str:
    role = binding.get("roleRef") or {}
    return f"{role.get('kind', '')}/{role.get('name', '')}"


def _subjects(kind: str) -> Callable[[Document, datetime], str]:
    def listed(binding: Document, now: datetime) -> str:
        subjects = [one for one in binding.get("subjects") or () if one.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{one.get('namespace', '')}/{one['name']}" for one in subjects)
        return ", ".join(one["name"] for one in subjects)

    return listed


_COLUMNS = (
    NAME,
    Column("Role", _role),
    AGE,
    Column("Users", _subjects("User"), priority=1),
    Column("Groups", _subjects("Group"), priority=1),
    Column("ServiceAccounts", _subjects("ServiceAccount"), priority=1),
)

_DEFAULTS = compile_defaults({"roleRef.apiGroup": GROUP, "subjects[]": Rule(default_subject)})

ROLE_BINDINGS = Resource(
    info=info_of(RoleBinding),
    defaults=_DEFAULTS,
    validate=validate_role_binding,
    validate_update=check_binding_update,
    columns=_COLUMNS,
    allows_create_on_update=True,
)

CLUSTER_ROLE_BINDINGS = Resource(
    info=info_of(ClusterRoleBinding),
    defaults=_DEFAULTS,
    validate=validate_cluster_role_binding,
    validate_update=check_binding_update,
    columns=_COLUMNS,
    allows_create_on_update=True,
)

RESOURCES = (ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS)
