"""What validating and mutating admission policies and their bindings have in common.

Follows pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    duplicate,
    forbidden,
    invalid,
    is_dns1035_label,
    is_dns_subdomain,
    is_path_segment,
    not_supported,
    required,
)
from pybernetes.api.models.admissionregistration_v1 import (
    MatchResources,
    NamedRuleWithOperations,
    ParamKind,
    ParamRef,
    Variable,
)
from pybernetes.apiserver.validation.admission_rules import check_rule
from pybernetes.apiserver.validation.selectors import check_label_selector

if TYPE_CHECKING:
    from pybernetes.apiserver.cel.composition import Composition
    from pybernetes.apiserver.cel.types import Type

FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
NOT_FOUND_ACTIONS = ("Deny", "Allow")
_IDENTIFIER_LETTERS = frozenset("_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def check_failure_policy(policy: str | None, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_required_choice(policy, FAILURE_POLICIES, path)


def _check_required_choice(value: str | None, choices: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    if value is None:
        yield required(path)
    elif value not in choices:
        yield not_supported(path, value, choices)


def check_param_kind(kind: ParamKind, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_api_version(kind.api_version, path.apiVersion)
    if not kind.kind:
        yield required(path.kind)
    elif messages := is_dns1035_label(kind.kind.lower()):
        text = "may have mixed case, but should otherwise match: " + ",".join(messages)
        yield invalid(path.kind, kind.kind, text)


def _check_api_version(text: str, path: FieldPath) -> Iterator[FieldError]:
    if not text:
        yield required(path)
        return
    if text.count("/") > 1:
        yield invalid(path, text, f"unexpected GroupVersion string: {text}")
        return
    group, _, version = ("", "", "") if text == "/" else text.rpartition("/")
    if group and (messages := is_dns_subdomain(group)):
        yield invalid(path, group, ",".join(messages))
    if not version:
        yield invalid(path, text, "version must be specified")
    elif messages := is_dns1035_label(version):
        yield invalid(path, version, ",".join(messages))


def check_constraints(constraints: MatchResources | None, path: FieldPath) -> Iterator[FieldError]:
    """`matchConstraints` of a policy: they must name some resources."""
    if constraints is None:
        yield required(path)
        return
    yield from check_match_resources(constraints, path)
    if not constraints.resource_rules:
        yield required(path.resourceRules)


def check_match_resources(match: MatchResources | None, path: FieldPath) -> Iterator[FieldError]:
    if match is None:
        return
    yield from _check_required_choice(match.match_policy, MATCH_POLICIES, path.matchPolicy)
    for name, selector in (("namespaceSelector", match.namespace_selector), ("objectSelector", match.object_selector)):
        if selector is None:
            yield required(path.child(name))
        yield from check_label_selector(selector, path.child(name))
    yield from _check_named_rules(match.resource_rules, path.resourceRules)
    yield from _check_named_rules(match.exclude_resource_rules, path.excludeResourceRules)


def _check_named_rules(rules: Iterable[NamedRuleWithOperations], path: FieldPath) -> Iterator[FieldError]:
    for index, rule in enumerate(rules):
        at_names = path[index].resourceNames
        for place, name in enumerate(rule.resource_names):
            yield from (invalid(at_names[place], name, message) for message in is_path_segment(name))
            if name in rule.resource_names[:place]:
                yield duplicate(at_names[place], name)
        yield from check_rule(rule, path[index])


def check_variables(variables: Sequence[Variable], path: FieldPath, composition: Composition) -> Iterator[FieldError]:
    """Declares them too, so that other expressions may name them."""
    from pybernetes.apiserver.cel.expressions import ExpressionError

    for index, variable in enumerate(variables):
        if not variable.name.strip():
            yield required(path[index].name, "name is not specified")
        elif not _is_identifier(variable.name):
            yield invalid(path[index].name, variable.name, "must be a valid CEL identifier")
        if not variable.expression.strip():
            yield required(path[index].expression, "expression is not specified")
            continue
        try:
            composition.declare(variable.name, variable.expression)
        except ExpressionError as error:
            yield invalid(path[index].expression, variable.expression, str(error))


def _is_identifier(name: str) -> bool:
    from pybernetes.apiserver.cel.escaping import RESERVED

    return not name[0].isdigit() and _IDENTIFIER_LETTERS.issuperset(name) and name not in RESERVED


def check_expression(
    expression: str,
    path: FieldPath,
    composition: Composition,
    results: Sequence[Type],
    *,
    authorizer: bool = True,
    patches: bool = False,
) -> Iterator[FieldError]:
    from pybernetes.apiserver.cel.expressions import ExpressionError

    try:
        composition.compile(expression, results, authorizer=authorizer, patches=patches)
    except ExpressionError as error:
        yield invalid(path, expression, str(error))


def check_policy_name(name: str, path: FieldPath) -> Iterator[FieldError]:
    if not name:
        yield required(path)
    else:
        yield from (invalid(path, name, message) for message in is_dns_subdomain(name))


def check_param_ref(ref: ParamRef | None, path: FieldPath) -> Iterator[FieldError]:
    if ref is None:
        return
    exclusive = "name and selector are mutually exclusive"
    if ref.name:
        yield from (invalid(path.name, ref.name, message) for message in is_path_segment(ref.name))
        if ref.selector is not None:
            yield forbidden(path.name, exclusive)
    if ref.selector is not None:
        yield from check_label_selector(ref.selector, path.selector)
        if ref.name:
            yield forbidden(path.selector, exclusive)
    if not ref.name and ref.selector is None:
        yield required(path, "one of name or selector must be specified")
    action = ref.parameter_not_found_action
    if not action:
        yield required(path.parameterNotFoundAction)
    elif action not in NOT_FOUND_ACTIONS:
        yield not_supported(path.parameterNotFoundAction, action, NOT_FOUND_ACTIONS)
