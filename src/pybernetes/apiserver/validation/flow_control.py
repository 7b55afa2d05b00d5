"""Which requests a flow schema is about, and the form of status conditions of flow control.

Follows pkg/apis/flowcontrol/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    duplicate,
    forbidden,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    not_supported,
    required,
)
from pybernetes.api.models.flowcontrol_v1 import (
    FlowSchemaCondition,
    GroupSubject,
    NonResourcePolicyRule,
    PolicyRulesWithSubjects,
    PriorityLevelConfigurationCondition,
    ResourcePolicyRule,
    ServiceAccountSubject,
    Subject,
    UserSubject,
)

ALL = "*"
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
KINDS = ("Group", "ServiceAccount", "User")
_FIELDS = {"ServiceAccount": "serviceAccount", "User": "user", "Group": "group"}


def check_rule(rule: PolicyRulesWithSubjects, path: FieldPath) -> Iterator[FieldError]:
    if not rule.subjects:
        yield required(path.subjects, "subjects must contain at least one value")
    for index, subject in enumerate(rule.subjects):
        yield from _check_subject(subject, path.subjects[index])
    if not rule.resource_rules and not rule.non_resource_rules:
        yield required(path, "at least one of resourceRules and nonResourceRules has to be non-empty")
    for index, one in enumerate(rule.resource_rules):
        yield from _check_resource_rule(one, path.resourceRules[index])
    for index, other in enumerate(rule.non_resource_rules):
        yield from _check_non_resource_rule(other, path.nonResourceRules[index])


def _check_subject(subject: Subject, path: FieldPath) -> Iterator[FieldError]:
    if subject.kind not in KINDS:
        yield not_supported(path.kind, subject.kind, KINDS)
        return
    given: dict[str, ServiceAccountSubject | UserSubject | GroupSubject | None] = {
        "ServiceAccount": subject.service_account,
        "User": subject.user,
        "Group": subject.group,
    }
    own, field = given.pop(subject.kind), _FIELDS[subject.kind]
    if own is None:
        yield required(path.child(field), f"{field} is required when subject kind is '{subject.kind}'")
    elif isinstance(own, ServiceAccountSubject):
        yield from _check_account(own, path.serviceAccount)
    elif not own.name:
        yield required(path.child(field).name)
    for kind, other in given.items():
        if other is not None:
            name = _FIELDS[kind]
            yield forbidden(path.child(name), f"{name} is forbidden when subject kind is not '{kind}'")


def _check_account(account: ServiceAccountSubject, path: FieldPath) -> Iterator[FieldError]:
    if not account.name:
        yield required(path.name)
    elif account.name != ALL:
        yield from (invalid(path.name, account.name, message) for message in is_dns_subdomain(account.name))
    if not account.namespace:
        yield required(path.namespace, "must specify namespace for service account")
    else:
        yield from (invalid(path.namespace, account.namespace, message) for message in is_dns_label(account.namespace))


def _check_verbs(verbs: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    if not verbs:
        yield required(path, "verbs must contain at least one value")
    elif ALL in verbs:
        yield from _check_all_alone(verbs, path, "verbs")
    elif not set(verbs) <= set(VERBS):
        yield not_supported(path, list(verbs), VERBS)


def _check_all_alone(values: Sequence[str], path: FieldPath, what: str) -> Iterator[FieldError]:
    if len(values) > 1 and ALL in values:
        yield invalid(path, list(values), f"if '*' is present, must not specify other {what}")


def _check_resource_rule(rule: ResourcePolicyRule, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_verbs(rule.verbs, path.verbs)
    if not rule.api_groups:
        yield required(path.apiGroups, "resource rules must supply at least one api group")
    yield from _check_all_alone(rule.api_groups, path.apiGroups, "api groups")
    if not rule.resources:
        yield required(path.resources, "resource rules must supply at least one resource")
    yield from _check_all_alone(rule.resources, path.resources, "resources")
    if not rule.namespaces and not rule.cluster_scope:
        message = "resource rules that are not cluster scoped must supply at least one namespace"
        yield required(path.namespaces, message)
    elif ALL in rule.namespaces:
        yield from _check_all_alone(rule.namespaces, path.namespaces, "namespaces")
    else:
        start = "each member of this list must be '*' or a DNS-1123 label; "
        for index, namespace in enumerate(rule.namespaces):
            messages = is_dns_label(namespace)
            yield from (invalid(path.namespaces[index], namespace, start + message) for message in messages)


def _check_non_resource_rule(rule: NonResourcePolicyRule, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_verbs(rule.verbs, path.verbs)
    urls = rule.non_resource_urls
    if not urls:
        yield required(path.nonResourceURLs, "nonResourceURLs must contain at least one value")
    elif ALL in urls:
        yield from _check_all_alone(urls, path.nonResourceURLs, "non-resource URLs")
    else:
        for index, url in enumerate(urls):
            if wrong := _wrong_with_url(url):
                yield invalid(path.nonResourceURLs[index], url, wrong)


def _wrong_with_url(url: str) -> str:
    if not url:
        return "must not be empty"
    if url == "/":
        return ""
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    if url.count("*") > 1 or ("*" in url and not url.endswith("/*")):
        return "wildcard can only do suffix matching"
    return ""


def check_flow_conditions(
    conditions: Sequence[FlowSchemaCondition | PriorityLevelConfigurationCondition], path: FieldPath
) -> Iterator[FieldError]:
    types: set[str] = set()
    for index, condition in enumerate(conditions):
        if condition.type in types:
            yield duplicate(path[index].type, condition.type)
        types.add(condition.type)
        if not condition.type:
            yield required(path[index].type)
