"""Role: what may be done in one namespace.

Follows pkg/registry/rbac/role.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, is_path_segment
from pybernetes.api.kinds import info_of
from pybernetes.api.models.rbac_v1 import Role
from pybernetes.apiserver.columns import NAME
from pybernetes.apiserver.resource import Resource
from pybernetes.apiserver.resources.cells import CREATED_AT
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.rbac import check_rules


def validate(role: Role) -> Iterator[FieldError]:
    yield from check_metadata(role.metadata, is_path_segment)
    yield from check_rules(role.rules, namespaced=True)


def validate_update(new: Role, old: Role) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)


ROLES = Resource(
    info=info_of(Role),
    validate=validate,
    null_lists=("rules",),
    validate_update=validate_update,
    columns=(NAME, CREATED_AT),
    allows_create_on_update=True,
)

RESOURCES = (ROLES,)
