"""What the validations of a policy say about a request.

Follows k8s.io/apiserver/pkg/admission/plugin/policy/validating/validator.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from pybernetes.api.models.admissionregistration_v1 import MatchCondition
from pybernetes.apiserver.admission.policies.expressions import (
    Evaluation,
    Expression,
    Failed,
    OutOfBudget,
    compiled,
    composition_of,
    namespace_value,
)
from pybernetes.apiserver.admission.policies.invocations import Invocation
from pybernetes.apiserver.auth.contract import Authorizer
from pybernetes.apiserver.cel.admission_values import RequestValues
from pybernetes.apiserver.cel.composition import Composition
from pybernetes.apiserver.cel.match_conditions import MatchConditions
from pybernetes.apiserver.resource import Document
from pybernetes.cel import types

LONGEST_MESSAGE = 5 * 1024


@dataclass(frozen=True, slots=True)
class Violation:
    message: str
    reason: str = ""
    index: int = 0
    """Of the validation."""


@dataclass(frozen=True, slots=True)
class Result:
    violations: Sequence[Violation] = ()
    annotation_problems: Sequence[str] = ()
    annotations: Sequence[tuple[str, str]] = ()
    """Key and value of what the audit log shall tell."""


@dataclass(frozen=True, slots=True)
class Rule:
    expression: Expression
    message: str
    message_expression: Expression | None
    reason: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The expressions of a ValidatingAdmissionPolicy."""

    composition: Composition
    conditions: list[MatchCondition]
    rules: list[Rule]
    annotations: list[tuple[str, Expression]]
    params: bool

    @classmethod
    def of(cls, spec: Document) -> Rules:
        composition = composition_of(spec)
        return cls(
            composition,
            [msgspec.convert(one, MatchCondition) for one in spec.get("matchConditions") or ()],
            [_rule(composition, one) for one in spec.get("validations") or ()],
            [
                (one["key"], compiled(composition, one["valueExpression"], results=(types.STRING, types.NULL)))
                for one in spec.get("auditAnnotations") or ()
            ],
            spec.get("paramKind") is not None,
        )


def _rule(composition: Composition, validation: Document) -> Rule:
    text = validation.get("messageExpression")
    return Rule(
        compiled(composition, validation["expression"]),
        validation.get("message") or "",
        compiled(composition, text, results=(types.STRING,), authorizer=False) if text else None,
        validation.get("reason") or "Invalid",
    )


async def judge(one: Invocation[Rules], authorizer: Authorizer, namespace: Document | None) -> Result:
    rules = one.policy.expressions
    lenient = one.policy.ignores_failure
    conditions = MatchConditions(rules.conditions, authorizer, params=rules.params)
    verdict = await conditions.evaluate(one.seen, params=one.param)
    if verdict.error:
        return Result() if lenient else Result([Violation(verdict.error)])
    if not verdict.matches:
        return Result()
    values = RequestValues(one.seen, authorizer)
    variables = {**values.variables(), **namespace_value(namespace), "params": one.param}
    return await values.settled(lambda: _judged(rules, variables, lenient=lenient))


def _judged(rules: Rules, variables: dict[str, Any], *, lenient: bool) -> Result:
    evaluation = Evaluation(rules.composition, variables)
    try:
        violations = [
            replace(found, index=index)
            for index, rule in enumerate(rules.rules)
            if (found := _violation(rule, evaluation, lenient=lenient))
        ]
        annotations, problems = _annotations(rules, variables)
    except OutOfBudget as error:
        return Result() if lenient else Result([Violation(str(error))])
    return Result(violations, [] if lenient else problems, annotations)


def _violation(rule: Rule, evaluation: Evaluation, *, lenient: bool) -> Violation | None:
    try:
        if evaluation.value_of(rule.expression) is True:
            return None
    except Failed as error:
        return None if lenient else Violation(str(error))
    message = _evaluated(rule, evaluation) or rule.message.strip()
    return Violation(message or f"failed expression: {rule.expression.text.strip()}", rule.reason)


def _evaluated(rule: Rule, evaluation: Evaluation) -> str:
    if rule.message_expression is None:
        return ""
    try:
        value = evaluation.value_of(rule.message_expression)
    except Failed:
        return ""
    text = value.strip() if isinstance(value, str) else ""
    return "" if len(text.encode()) > LONGEST_MESSAGE or "\n" in text else text


def _annotations(rules: Rules, variables: dict[str, Any]) -> tuple[list[tuple[str, str]], list[str]]:
    """(what shall be told, what could not be evaluated)."""
    told: list[tuple[str, str]] = []
    problems: list[str] = []
    for key, expression in rules.annotations:
        try:
            value = Evaluation(rules.composition, variables).value_of(expression)
        except Failed as error:
            problems.append(str(error))
            continue
        if isinstance(value, str) and value.strip():
            told.append((key, value.strip()))
    return told, problems
