"""Roles and bindings.

Follows pkg/apis/rbac/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    invalid,
    is_dns_subdomain,
    is_path_segment,
    not_supported,
    required,
)
from pybernetes.api.models.rbac_v1 import ClusterRoleBinding, PolicyRule, RoleBinding, RoleRef, Subject
from pybernetes.apiserver.validation.metadata import check_metadata_update

GROUP = "rbac.authorization.k8s.io"


def check_rules(rules: Sequence[PolicyRule], path: FieldPath, *, namespaced: bool) -> Iterator[FieldError]:
    for index, rule in enumerate(rules):
        yield from _check_rule(rule, path[index], namespaced=namespaced)


def _check_rule(rule: PolicyRule, path: FieldPath, *, namespaced: bool) -> Iterator[FieldError]:
    if not rule.verbs:
        yield required(path.verbs, "verbs must contain at least one value")
    if rule.non_resource_urls:
        if namespaced:
            message = "namespaced rules cannot apply to non-resource URLs"
            yield invalid(path.nonResourceURLs, rule.non_resource_urls, message)
        if rule.api_groups or rule.resources or rule.resource_names:
            message = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid(path.nonResourceURLs, rule.non_resource_urls, message)
        return
    if not rule.api_groups:
        yield required(path.apiGroups, "resource rules must supply at least one api group")
    if not rule.resources:
        yield required(path.resources, "resource rules must supply at least one resource")


def check_role_ref(role: RoleRef, path: FieldPath, kinds: Sequence[str]) -> Iterator[FieldError]:
    if role.api_group != GROUP:
        yield not_supported(path.apiGroup, role.api_group, (GROUP,))
    if role.kind not in kinds:
        yield not_supported(path.kind, role.kind, kinds)
    if not role.name:
        yield required(path.name)
    else:
        yield from (invalid(path.name, role.name, message) for message in is_path_segment(role.name))


def check_subjects(subjects: Sequence[Subject], path: FieldPath, *, namespaced: bool) -> Iterator[FieldError]:
    for index, subject in enumerate(subjects):
        yield from _check_subject(subject, path[index], namespaced=namespaced)


def _check_subject(subject: Subject, path: FieldPath, *, namespaced: bool) -> Iterator[FieldError]:
    if not subject.name:
        yield required(path.name)
    match subject.kind:
        case "ServiceAccount":
            if subject.name:
                yield from (invalid(path.name, subject.name, message) for message in is_dns_subdomain(subject.name))
            if subject.api_group:
                yield not_supported(path.apiGroup, subject.api_group, ("",))
            if not namespaced and not subject.namespace:
                yield required(path.namespace)
        case "User" | "Group":
            if subject.api_group != GROUP:
                yield not_supported(path.apiGroup, subject.api_group, (GROUP,))
        case other:
            yield not_supported(path.kind, other, ("ServiceAccount", "User", "Group"))


def check_binding_update(
    new: RoleBinding | ClusterRoleBinding, old: RoleBinding | ClusterRoleBinding
) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    if new.role_ref != old.role_ref:
        yield invalid(at.roleRef, new.role_ref, "cannot change roleRef")
