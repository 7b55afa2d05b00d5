"""The rules of one node of a schema, compiled.

Follows k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/compilation.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pybernetes.apiserver.cel.schema_rules import RULES
from pybernetes.apiserver.cel.schema_types import Declared
from pybernetes.cel import types
from pybernetes.cel.environment import Environment, Program
from pybernetes.cel.errors import CompileError

SELF, OLD_SELF = "self", "oldSelf"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of `x-kubernetes-validations` as it is stated."""

    rule: str = ""
    message: str = ""
    message_expression: str = ""
    reason: str | None = None
    field_path: str = ""
    optional_old_self: bool | None = None

    @classmethod
    def read(cls, stated: Mapping[str, Any]) -> Rule:
        return cls(
            stated.get("rule") or "",
            stated.get("message") or "",
            stated.get("messageExpression") or "",
            stated.get("reason"),
            stated.get("fieldPath") or "",
            stated.get("optionalOldSelf"),
        )


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """``program`` is None with an ``error``, and with neither for an empty rule."""

    rule: Rule
    program: Program | None = None
    error: str = ""
    message: Program | None = None
    message_error: str = ""

    @property
    def uses_old_self(self) -> bool:
        return self.program is not None and OLD_SELF in self.program.references


def compile_rules(schema: Mapping[str, Any], declared: Declared) -> list[CompiledRule]:
    plain, optional = _environments(declared)
    return [
        _compiled(Rule.read(stated), optional if stated.get("optionalOldSelf") else plain)
        for stated in schema.get(RULES) or ()
    ]


def _environments(declared: Declared) -> tuple[Environment, Environment]:
    old = types.optional_of(declared.type)
    return (
        Environment({SELF: declared.type, OLD_SELF: declared.type}),
        Environment({SELF: declared.type, OLD_SELF: old}),
    )


def _compiled(rule: Rule, environment: Environment) -> CompiledRule:
    if not rule.rule.strip():
        return CompiledRule(rule)
    try:
        program = environment.compile(rule.rule)
    except CompileError as error:
        return CompiledRule(rule, error=f"compilation failed: {error}")
    if program.result != types.BOOL:
        return CompiledRule(rule, error="cel expression must evaluate to a bool")
    if not rule.message_expression:
        return CompiledRule(rule, program)
    try:
        message = environment.compile(rule.message_expression)
    except CompileError as error:
        return CompiledRule(rule, program, message_error=f"messageExpression compilation failed: {error}")
    if message.result != types.STRING:
        return CompiledRule(rule, program, message_error="messageExpression must evaluate to a string")
    return CompiledRule(rule, program, message=message)
