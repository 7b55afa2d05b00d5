"""Rules that say which requests a webhook or a policy is about, and the conditions beside them.

Follows validateRuleWithOperations and validateMatchConditions in pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    duplicate,
    invalid,
    is_qualified_name,
    not_supported,
    required,
    too_many,
)
from pybernetes.api.models.admissionregistration_v1 import MatchCondition, NamedRuleWithOperations, RuleWithOperations

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")
MOST_CONDITIONS = 64


def check_rule(
    rule: RuleWithOperations | NamedRuleWithOperations, path: FieldPath, operations: Collection[str] = OPERATIONS
) -> Iterator[FieldError]:
    if not rule.operations:
        yield required(path.operations)
    if len(rule.operations) > 1 and "*" in rule.operations:
        yield invalid(path.operations, rule.operations, "if '*' is present, must not specify other operations")
    for index, operation in enumerate(rule.operations):
        if operation not in operations:
            yield not_supported(path.operations[index], operation, sorted(operations))
    yield from _check_words(rule.api_groups, path.apiGroups, "API groups")
    yield from _check_words(rule.api_versions, path.apiVersions, "API versions")
    for index, version in enumerate(rule.api_versions):
        if not version:
            yield required(path.apiVersions[index])
    yield from _check_resources(rule.resources, path.resources)
    if rule.scope is not None and rule.scope not in SCOPES:
        yield not_supported(path.scope, rule.scope, SCOPES)


def _check_words(words: Sequence[str], path: FieldPath, meant: str) -> Iterator[FieldError]:
    if not words:
        yield required(path)
    if len(words) > 1 and "*" in words:
        yield invalid(path, words, f"if '*' is present, must not specify other {meant}")


def _check_resources(resources: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    if not resources:
        yield required(path)
    with_all_subresources: set[str] = set()
    of_all_resources: set[str] = set()
    plain = False
    for index, text in enumerate(resources):
        if not text:
            yield required(path[index])
            continue
        resource, slash, subresource = text.partition("/")
        if not slash:
            plain = text != "*"
            continue
        if resource in with_all_subresources:
            yield invalid(path[index], text, f"if '{resource}/*' is present, must not specify {text}")
        if subresource in of_all_resources:
            yield invalid(path[index], text, f"if '*/{subresource}' is present, must not specify {text}")
        if subresource == "*":
            with_all_subresources.add(resource)
        if resource == "*":
            of_all_resources.add(subresource)
    if len(resources) > 1 and "*/*" in resources:
        yield invalid(path, resources, "if '*/*' is present, must not specify other resources")
    if "*" in resources and plain:
        message = "if '*' is present, must not specify other resources without subresources"
        yield invalid(path, resources, message)


def check_match_conditions(
    conditions: Sequence[MatchCondition], path: FieldPath, *, params: bool = False
) -> Iterator[FieldError]:
    """Names, presence, and whether the expressions compile; with ``params`` they may name `params`."""
    if len(conditions) > MOST_CONDITIONS:
        yield too_many(path, len(conditions), MOST_CONDITIONS)
    names: set[str] = set()
    for index, condition in enumerate(conditions):
        if not condition.expression.strip():
            yield required(path[index].expression)
        else:
            yield from _check_expression(condition, path[index], params=params)
        if not condition.name:
            yield required(path[index].name)
            continue
        yield from (invalid(path[index].name, condition.name, text) for text in is_qualified_name(condition.name))
        if condition.name in names:
            yield duplicate(path[index].name, condition.name)
        names.add(condition.name)


def _check_expression(condition: MatchCondition, path: FieldPath, *, params: bool) -> Iterator[FieldError]:
    from pybernetes.apiserver.cel import match_conditions

    yield from match_conditions.check_expression(condition.expression.strip(), path.expression, params=params)
