"""ClusterRoleBinding: who holds a cluster role everywhere.

Follows pkg/registry/rbac/clusterrolebinding.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, is_path_segment
from pybernetes.api.kinds import info_of
from pybernetes.api.models.rbac_v1 import ClusterRoleBinding
from pybernetes.apiserver.resource import Resource
from pybernetes.apiserver.resources.role_binding import BINDING_COLUMNS
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.rbac import check_role_ref, check_same_role, check_subjects, default_binding


def validate(binding: ClusterRoleBinding) -> Iterator[FieldError]:
    yield from check_metadata(binding.metadata, is_path_segment, namespaced=False)
    yield from check_role_ref(binding.role_ref, ("ClusterRole",))
    yield from check_subjects(binding.subjects, namespaced=False)


def validate_update(new: ClusterRoleBinding, old: ClusterRoleBinding) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_same_role(new.role_ref, old.role_ref)


CLUSTER_ROLE_BINDINGS = Resource(
    info=info_of(ClusterRoleBinding),
    defaults=default_binding,
    validate=validate,
    validate_update=validate_update,
    columns=BINDING_COLUMNS,
    allows_create_on_update=True,
)

RESOURCES = (CLUSTER_ROLE_BINDINGS,)
