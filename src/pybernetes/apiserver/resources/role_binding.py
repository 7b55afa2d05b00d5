"""RoleBinding: who holds a role in one namespace.

Follows pkg/registry/rbac/rolebinding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from pybernetes.api.fields import FieldError, is_path_segment
from pybernetes.api.kinds import info_of
from pybernetes.api.models.rbac_v1 import RoleBinding
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Document, Resource
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.rbac import (
    ROLE_KINDS,
    check_role_ref,
    check_same_role,
    check_subjects,
    default_binding,
)


def validate(binding: RoleBinding) -> Iterator[FieldError]:
    yield from check_metadata(binding.metadata, is_path_segment)
    yield from check_role_ref(binding.role_ref, ROLE_KINDS)
    yield from check_subjects(binding.subjects, namespaced=True)


def validate_update(new: RoleBinding, old: RoleBinding) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_same_role(new.role_ref, old.role_ref)


def _role(binding: Document, now: datetime) -> str:
    role = binding.get("roleRef") or {}
    return f"{role.get('kind', '')}/{role.get('name', '')}"


def _subjects(kind: str) -> Callable[[Document, datetime], str]:
    def shown(binding: Document, now: datetime) -> str:
        found = [one for one in binding.get("subjects") or () if one.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{one.get('namespace', '')}/{one.get('name', '')}" for one in found)
        return ", ".join(one.get("name", "") for one in found)

    return shown


BINDING_COLUMNS = (
    NAME,
    Column("Role", _role),
    AGE,
    Column("Users", _subjects("User"), priority=1),
    Column("Groups", _subjects("Group"), priority=1),
    Column("ServiceAccounts", _subjects("ServiceAccount"), priority=1),
)

ROLE_BINDINGS = Resource(
    info=info_of(RoleBinding),
    defaults=default_binding,
    validate=validate,
    validate_update=validate_update,
    columns=BINDING_COLUMNS,
    allows_create_on_update=True,
)

RESOURCES = (ROLE_BINDINGS,)
