"""Whether a FlowSchema is about a request. Pure.

Follows k8s.io/apiserver/pkg/util/flowcontrol/rule.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pybernetes.api.models.flowcontrol_v1 import (
    FlowSchema,
    NonResourcePolicyRule,
    PolicyRulesWithSubjects,
    ResourcePolicyRule,
    Subject,
)
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.request_info import RequestInfo

_ANY = "*"
_ACCOUNT = "system:serviceaccount:"


def matches(schema: FlowSchema, user: User, info: RequestInfo) -> bool:
    return any(_matches(rule, user, info) for rule in schema.spec.rules)


def _matches(rule: PolicyRulesWithSubjects, user: User, info: RequestInfo) -> bool:
    if not any(_is_about(subject, user) for subject in rule.subjects):
        return False
    if info.is_resource:
        return any(_of_resource(one, info) for one in rule.resource_rules)
    return any(_of_path(one, info) for one in rule.non_resource_rules)


def _is_about(subject: Subject, user: User) -> bool:
    match subject.kind:
        case "User" if subject.user is not None:
            return subject.user.name in (_ANY, user.name)
        case "Group" if subject.group is not None:
            return subject.group.name == _ANY or subject.group.name in user.groups
        case "ServiceAccount" if subject.service_account is not None:
            account = subject.service_account
            start = f"{_ACCOUNT}{account.namespace}:"
            return user.name.startswith(start) if account.name == _ANY else user.name == start + account.name
    return False


def _of_resource(rule: ResourcePolicyRule, info: RequestInfo) -> bool:
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    if not (_has(rule.verbs, info.verb) and _has(rule.resources, resource) and _has(rule.api_groups, info.group)):
        return False
    return _has(rule.namespaces, info.namespace) if info.namespace else bool(rule.cluster_scope)


def _of_path(rule: NonResourcePolicyRule, info: RequestInfo) -> bool:
    return _has(rule.verbs, info.verb) and _covers(rule.non_resource_urls, info.path)


def _has(wanted: Sequence[str], value: str) -> bool:
    return value in wanted or list(wanted) == [_ANY]


def _covers(wanted: Iterable[str], path: str) -> bool:
    """A path covers itself and what is below it."""
    return any(one in (_ANY, path) or path.startswith(one.removesuffix("*").rstrip("/") + "/") for one in wanted)
