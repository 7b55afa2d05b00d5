"""Role and ClusterRole: what may be done.

Follows pkg/registry/rbac and pkg/apis/rbac/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, at, is_path_segment, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.rbac_v1 import ClusterRole, Role
from pybernetes.apiserver.columns import NAME
from pybernetes.apiserver.resource import Resource
from pybernetes.apiserver.resources.cells import CREATED_AT
from pybernetes.apiserver.validation.metadata import check_metadata, check_only_metadata
from pybernetes.apiserver.validation.rbac import check_rules
from pybernetes.apiserver.validation.selectors import check_label_selector


def validate_role(role: Role) -> Iterator[FieldError]:
    yield from check_metadata(role.metadata, is_path_segment)
    yield from check_rules(role.rules, at.rules, namespaced=True)


def validate_cluster_role(role: ClusterRole) -> Iterator[FieldError]:
    yield from check_metadata(role.metadata, is_path_segment, namespaced=False)
    yield from check_rules(role.rules, at.rules, namespaced=False)
    if role.aggregation_rule is not None:
        path = at.aggregationRule.clusterRoleSelectors
        if not role.aggregation_rule.cluster_role_selectors:
            yield required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
        for index, selector in enumerate(role.aggregation_rule.cluster_role_selectors):
            yield from check_label_selector(selector, path[index])


ROLES = Resource(
    info=info_of(Role),
    validate=validate_role,
    validate_update=check_only_metadata,
    columns=(NAME, CREATED_AT),
    allows_create_on_update=True,
)

CLUSTER_ROLES = Resource(
    info=info_of(ClusterRole),
    validate=validate_cluster_role,
    validate_update=check_only_metadata,
    columns=(NAME, CREATED_AT),
    allows_create_on_update=True,
)

RESOURCES = (ROLES, CLUSTER_ROLES)
