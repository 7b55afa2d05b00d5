"""What validating and mutating admission policies and their bindings have in common.

Follows pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
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
    MatchCondition,
    MatchResources,
    NamedRuleWithOperations,
    ParamKind,
    ParamRef,
    Variable,
)
from pybernetes.apiserver.validation.admission_rules import check_match_conditions, check_rule
from pybernetes.apiserver.validation.selectors import check_label_selector

if TYPE_CHECKING:
    from pybernetes.apiserver.cel.composition import Composition
    from pybernetes.cel.types import Type


class PolicySpec(Protocol):
    """What the specs of both kinds of policy state."""

    @property
    def failure_policy(self) -> str | None: ...
    @property
    def match_conditions(self) -> list[MatchCondition]: ...
    @property
    def match_constraints(self) -> MatchResources | None: ...
    @property
    def param_kind(self) -> ParamKind | None: ...
    @property
    def variables(self) -> list[Variable]: ...


class BindingSpec(Protocol):
    """What the specs of both kinds of binding state."""

    @property
    def match_resources(self) -> MatchResources | None: ...
    @property
    def param_ref(self) -> ParamRef | None: ...
    @property
    def policy_name(self) -> str: ...


MUTATING_OPERATIONS = frozenset({"*", "CONNECT", "CREATE", "UPDATE"})
"""What is deleted cannot be changed."""
FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
NOT_FOUND_ACTIONS = ("Deny", "Allow")
_IDENTIFIER_LETTERS = frozenset("_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def check_policy(
    spec: PolicySpec,
    composition: Composition,
    *,
    old: PolicySpec | None,
    operations: Collection[str] | None = None,
) -> Iterator[FieldError]:
    """What stands in every policy, `spec.variables` last: they are declared in ``composition``. Of the operations that
    there are it may know ``operations`` only.

    Match conditions that an update leaves as they are under the same `paramKind` are not judged again.
    """
    path, kind = at.spec, spec.param_kind
    yield from _check_required_choice(spec.failure_policy, FAILURE_POLICIES, path.failurePolicy)
    if kind is not None:
        yield from _check_param_kind(kind, path.paramKind)
    yield from _check_constraints(spec.match_constraints, path.matchConstraints)
    if operations is not None:
        yield from _check_operations(spec.match_constraints, path.matchConstraints, operations)
    if old is None or old.param_kind != kind or old.match_conditions != spec.match_conditions:
        yield from check_match_conditions(spec.match_conditions, path.matchConditions, params=kind is not None)
    yield from _check_variables(spec.variables, path.variables, composition)


def check_binding(spec: BindingSpec, operations: Collection[str] | None = None) -> Iterator[FieldError]:
    """What stands in every binding."""
    path = at.spec
    yield from _check_policy_name(spec.policy_name, path.policyName)
    yield from _check_param_ref(spec.param_ref, path.paramRef)
    yield from _check_match_resources(spec.match_resources, path.matchResources)
    if operations is not None:
        yield from _check_operations(spec.match_resources, path.matchResources, operations)


def _check_operations(
    match: MatchResources | None, path: FieldPath, operations: Collection[str]
) -> Iterator[FieldError]:
    """Of the operations that there are, those that this kind of policy does not know."""
    for rule in match.resource_rules if match is not None else ():
        for operation in rule.operations:
            if operation not in operations:
                yield not_supported(path.resourceRules.operations, operation, sorted(operations))


def _check_required_choice(value: str | None, choices: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    if value is None:
        yield required(path)
    elif value not in choices:
        yield not_supported(path, value, choices)


def _check_param_kind(kind: ParamKind, path: FieldPath) -> Iterator[FieldError]:
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


def _check_constraints(constraints: MatchResources | None, path: FieldPath) -> Iterator[FieldError]:
    """`matchConstraints` of a policy: they must name some resources."""
    if constraints is None:
        yield required(path)
        return
    yield from _check_match_resources(constraints, path)
    if not constraints.resource_rules:
        yield required(path.resourceRules)


def _check_match_resources(match: MatchResources | None, path: FieldPath) -> Iterator[FieldError]:
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


def _check_variables(variables: Sequence[Variable], path: FieldPath, composition: Composition) -> Iterator[FieldError]:
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


def _check_policy_name(name: str, path: FieldPath) -> Iterator[FieldError]:
    if not name:
        yield required(path)
    else:
        yield from (invalid(path, name, message) for message in is_dns_subdomain(name))


def _check_param_ref(ref: ParamRef | None, path: FieldPath) -> Iterator[FieldError]:
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
