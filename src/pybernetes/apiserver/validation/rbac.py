"""What rules, role references and subjects must be, and the API groups that are filled in when they are left out.

Follows pkg/apis/rbac/validation and pkg/apis/rbac/v1/defaults.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

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
from pybernetes.api.models.rbac_v1 import PolicyRule, RoleRef, Subject
from pybernetes.apiserver.validation.internal_form import internal_form

GROUP = "rbac.authorization.k8s.io"
ROLE_KINDS = ("Role", "ClusterRole")
SUBJECT_KINDS = ("ServiceAccount", "User", "Group")


def default_binding(document: dict[str, Any]) -> None:
    role = document.get("roleRef")
    if role is not None and not role.get("apiGroup"):
        role["apiGroup"] = GROUP
    for subject in document.get("subjects") or ():
        if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = GROUP


def check_rules(rules: Sequence[PolicyRule], *, namespaced: bool) -> Iterator[FieldError]:
    for index, rule in enumerate(rules):
        yield from _check_rule(rule, at.rules[index], namespaced)


def _check_rule(rule: PolicyRule, path: FieldPath, namespaced: bool) -> Iterator[FieldError]:
    if not rule.verbs:
        yield required(path.verbs, "verbs must contain at least one value")
    if rule.non_resource_urls:
        if namespaced:
            yield invalid(
                path.nonResourceURLs, rule.non_resource_urls, "namespaced rules cannot apply to non-resource URLs"
            )
        if rule.api_groups or rule.resources or rule.resource_names:
            yield invalid(
                path.nonResourceURLs,
                rule.non_resource_urls,
                "rules cannot apply to both regular resources and non-resource URLs",
            )
        return
    if not rule.api_groups:
        yield required(path.apiGroups, "resource rules must supply at least one api group")
    if not rule.resources:
        yield required(path.resources, "resource rules must supply at least one resource")


def check_role_ref(role: RoleRef, kinds: Sequence[str]) -> Iterator[FieldError]:
    path = at.roleRef
    if role.api_group != GROUP:
        yield not_supported(path.apiGroup, role.api_group, (GROUP,))
    if role.kind not in kinds:
        yield not_supported(path.kind, role.kind, kinds)
    if not role.name:
        yield required(path.name)
    else:
        yield from (invalid(path.name, role.name, message) for message in is_path_segment(role.name))


def check_subjects(subjects: Sequence[Subject], *, namespaced: bool) -> Iterator[FieldError]:
    for index, subject in enumerate(subjects):
        yield from _check_subject(subject, at.subjects[index], namespaced)


def _check_subject(subject: Subject, path: FieldPath, namespaced: bool) -> Iterator[FieldError]:
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
        case _:
            yield not_supported(path.kind, subject.kind, SUBJECT_KINDS)


def check_same_role(new: RoleRef, old: RoleRef) -> Iterator[FieldError]:
    if new != old:
        yield invalid(at.roleRef, internal_form(new), "cannot change roleRef")
