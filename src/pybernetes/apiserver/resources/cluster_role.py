"""ClusterRole: what may be done everywhere, or wherever a binding says.

Follows pkg/registry/rbac/clusterrole.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, at, invalid, is_path_segment, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.rbac_v1 import ClusterRole
from pybernetes.apiserver.columns import NAME
from pybernetes.apiserver.resource import Resource
from pybernetes.apiserver.resources.cells import CREATED_AT
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.rbac import check_rules
from pybernetes.apiserver.validation.selectors import check_label_selector


def validate(role: ClusterRole) -> Iterator[FieldError]:
    yield from check_metadata(role.metadata, is_path_segment, namespaced=False)
    yield from check_rules(role.rules, namespaced=False)
    if role.aggregation_rule is None:
        return
    selectors, path = role.aggregation_rule.cluster_role_selectors, at.aggregationRule.clusterRoleSelectors
    if not selectors:
        yield required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
    for index, selector in enumerate(selectors):
        wrong = list(check_label_selector(selector, path[index]))
        yield from wrong
        if wrong:
            yield invalid(path[index], None, "invalid label selector.")


def validate_update(new: ClusterRole, old: ClusterRole) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)


CLUSTER_ROLES = Resource(
    info=info_of(ClusterRole),
    validate=validate,
    null_lists=("rules",),
    validate_update=validate_update,
    columns=(NAME, CREATED_AT),
    allows_create_on_update=True,
)

RESOURCES = (CLUSTER_ROLES,)
