"""One node of a schema with the rules on it and below it.

Follows k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pybernetes.api import fields
from pybernetes.api.fields import FieldError, FieldPath
from pybernetes.apiserver.cel.field_paths import FieldPathError, resolve
from pybernetes.apiserver.cel.schema_compile import OLD_SELF, SELF, CompiledRule, Rule, compile_rules
from pybernetes.apiserver.cel.schema_types import Adapt, Schema, adapter, declared, with_object_meta
from pybernetes.cel.environment import PER_CALL_LIMIT
from pybernetes.cel.errors import CelError, CostExceeded
from pybernetes.cel.values import NONE, Optional

MAX_MESSAGE = 5 * 1024
_ROOT = FieldPath("<nil>")
"""How upstream shows the place of a whole object."""
_SPENT = "failed due to running out of cost budget, no further validation rules will be run"
_STOPPED = "no further validation rules will be run due to call cost exceeds limit"
_NO_OVERLOAD = "call arguments did not match a supported operator, function or macro signature"


class BudgetSpent(Exception):
    """No further rule is looked at."""


@dataclass(slots=True)
class Budget:
    """What is left to spend, and what was found so far."""

    left: int
    errors: list[FieldError]
    warnings: list[str]


@dataclass(slots=True)
class SchemaNode:
    schema: Schema
    rules: list[CompiledRule]
    paths: list[FieldPath | None]
    """Where a rule's `fieldPath` leads, relative to the node."""
    adapt: Adapt
    items: SchemaNode | None = None
    values: SchemaNode | None = None
    properties: dict[str, SchemaNode] = field(default_factory=dict)
    alternatives: list[SchemaNode] = field(default_factory=list)

    @classmethod
    def of(cls, stated: Schema, shape: Schema, *, root: bool) -> SchemaNode | None:
        """None where nothing at or below has rules. ``stated`` has the rules, ``shape`` the types (allOf has none)."""
        found = declared(shape, SELF, root=root)
        rules = compile_rules(stated, found) if found is not None else []
        seen = with_object_meta(shape) if root else shape
        adapt = (adapter(seen) if rules else None) or _same
        node = cls(shape, rules, [_path(one.rule, shape) for one in rules], adapt)
        node.items = _below(stated, shape, "items")
        node.values = _below(stated, shape, "additionalProperties")
        node.properties = _properties(stated, shape)
        for one in stated.get("allOf") or ():
            alternative = cls.of(one, shape, root=root)
            if alternative is not None:
                node.alternatives.append(alternative)
        return node if node.rules or node._has_children() else None

    def _has_children(self) -> bool:
        return bool(self.items or self.values or self.properties or self.alternatives)

    def validate(self, new: Any, old: Any | None, at: FieldPath, budget: Budget, *, ratcheted: bool) -> None:
        """``ratcheted``: a part that holds this one is as it was."""
        try:
            self._validate(new, old, at, budget, ratcheted=ratcheted)
        except BudgetSpent:
            return

    def _validate(self, new: Any, old: Any | None, at: FieldPath, budget: Budget, *, ratcheted: bool) -> None:
        if new is None:
            return
        same = ratcheted or (old is not None and new == old)
        if self.rules:
            self._judge(new, old, at, budget, ratcheted=same)
        for one in self.alternatives:
            one._validate(new, old, at, budget, ratcheted=ratcheted)
        if isinstance(new, list):
            self._each_item(new, old if isinstance(old, list) else [], at, budget, ratcheted=same)
        elif isinstance(new, dict):
            self._each_value(new, old if isinstance(old, dict) else {}, at, budget, ratcheted=same)

    def _each_item(self, new: list[Any], old: list[Any], at: FieldPath, budget: Budget, *, ratcheted: bool) -> None:
        if self.items is None:
            return
        before = _correlation(self.schema, old)
        for index, one in enumerate(new):
            self.items._validate(one, before(one), at[index], budget, ratcheted=ratcheted)

    def _each_value(
        self, new: dict[str, Any], old: dict[str, Any], at: FieldPath, budget: Budget, *, ratcheted: bool
    ) -> None:
        if self.values is not None:
            for key, one in new.items():
                self.values._validate(one, old.get(key), at[key], budget, ratcheted=ratcheted)
        for name, node in self.properties.items():
            if name in new:
                node._validate(new[name], old.get(name), at.child(name), budget, ratcheted=ratcheted)

    def _judge(self, new: Any, old: Any | None, at: FieldPath, budget: Budget, *, ratcheted: bool) -> None:
        kind, shown = self.schema.get("type", ""), at if str(at) else _ROOT
        if budget.left <= 0:
            budget.errors.append(fields.invalid(shown, kind, f"validation {_SPENT}"))
            raise BudgetSpent
        variables = {SELF: self.adapt(new)}
        before = None if old is None else self.adapt(old)
        for one, relative in zip(self.rules, self.paths, strict=True):
            if one.error:
                budget.errors.append(fields.invalid(shown, kind, f"rule compile error: {one.error}"))
            elif one.program is not None and not (one.uses_old_self and old is None and not one.rule.optional_old_self):
                if one.rule.optional_old_self:
                    variables[OLD_SELF] = NONE if old is None else Optional(before)
                elif old is not None:
                    variables[OLD_SELF] = before
                if not _holds(one, variables, shown, kind, budget):
                    error = self._broken(one, variables, at, relative, new, budget)
                    if ratcheted and not one.uses_old_self:
                        budget.warnings.append(str(error))
                    else:
                        budget.errors.append(error)

    def _broken(
        self,
        one: CompiledRule,
        variables: Mapping[str, Any],
        at: FieldPath,
        relative: FieldPath | None,
        new: Any,
        budget: Budget,
    ) -> FieldError:
        text = str(relative) if relative is not None else ""
        place = (
            FieldPath(f"{at}{'' if text.startswith('[') or not str(at) else '.'}{text}")
            if text
            else at
            if str(at)
            else _ROOT
        )
        detail = _message(one, variables, place, self.schema.get("type", ""), budget) or _stated_message(one.rule)
        return _REASONS.get(one.rule.reason or "", _invalid)(place, new, detail)


def _same(value: Any) -> Any:
    return value


def _below(stated: Schema, shape: Schema, key: str) -> SchemaNode | None:
    one, form = stated.get(key), shape.get(key)
    if not isinstance(one, Mapping) or not isinstance(form, Mapping):
        return None
    return SchemaNode.of(one, form, root=bool(form.get("x-kubernetes-embedded-resource")))


def _properties(stated: Schema, shape: Schema) -> dict[str, SchemaNode]:
    forms = shape.get("properties") or {}
    found = {
        name: SchemaNode.of(one, forms[name], root=bool(forms[name].get("x-kubernetes-embedded-resource")))
        for name, one in (stated.get("properties") or {}).items()
        if name in forms
    }
    return {name: node for name, node in found.items() if node is not None}


def _path(rule: Rule, schema: Schema) -> FieldPath | None:
    if not rule.field_path:
        return None
    try:
        return resolve(rule.field_path, schema)[0]
    except FieldPathError:
        return None


def _correlation(schema: Schema, old: list[Any]) -> Callable[[Any], Any | None]:
    """Only elements of lists of the kind `map` have one before them: that with the same keys."""
    if schema.get("x-kubernetes-list-type") != "map":
        return lambda _: None
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    by_key = {_key(one, keys): one for one in reversed(old) if isinstance(one, dict)}
    return lambda one: by_key.get(_key(one, keys)) if isinstance(one, dict) else None


def _key(element: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(repr(element.get(key)) for key in keys)


def _holds(one: CompiledRule, variables: Mapping[str, Any], at: FieldPath, kind: str, budget: Budget) -> bool:
    """True too for a rule that could not be evaluated: the error is in the budget then."""
    assert one.program is not None
    value, cost = one.program.measure(variables, limit=PER_CALL_LIMIT)
    budget.left -= cost
    rule = (one.rule.message or one.rule.rule).strip()
    if budget.left < 0:
        message = (
            f"validation failed due to running out of cost budget, no further validation rules will be run: {rule}"
        )
        if not isinstance(value, CostExceeded):
            budget.errors.append(fields.invalid(at, kind, message.removesuffix(f": {rule}")))
            raise BudgetSpent
    if isinstance(value, CostExceeded):
        message = f"'{value}': {_STOPPED} for rule: {rule}"
        budget.errors.append(fields.invalid(at, kind, message))
        raise BudgetSpent
    if isinstance(value, CelError):
        text = str(value)
        if text.startswith("no such overload"):
            detail = f"'{text}': {_NO_OVERLOAD} for rule: {rule}"
        else:
            detail = f"{text} evaluating rule: {rule}"
        budget.errors.append(fields.invalid(at, kind, detail))
        return True
    return value is True


def _message(one: CompiledRule, variables: Mapping[str, Any], at: FieldPath, kind: str, budget: Budget) -> str:
    """What `messageExpression` says; empty if it fails or says nothing that can be shown."""
    if one.message is None:
        return ""
    value, cost = one.message.measure(variables, limit=PER_CALL_LIMIT)
    budget.left -= cost
    expression = fields.quoted(one.rule.message_expression)
    spent = ""
    if budget.left < 0:
        spent = f"messageExpression evaluation {_SPENT}"
    elif isinstance(value, CostExceeded):
        spent = f"{_STOPPED} for messageExpression: {expression}"
    if spent:
        budget.errors.append(fields.invalid(at, kind, spent))
        raise BudgetSpent
    text = value.strip() if isinstance(value, str) else ""
    return "" if len(text.encode()) > MAX_MESSAGE or "\n" in text else text


def _stated_message(rule: Rule) -> str:
    return rule.message.strip() if rule.message else f"failed rule: {rule.rule.strip()}"


def _invalid(at: FieldPath, value: Any, detail: str) -> FieldError:
    if isinstance(value, (dict, list)):
        return fields.without_value(fields.ErrorType.INVALID, at, detail)
    return fields.invalid(at, value, detail)


def _duplicate(at: FieldPath, value: Any, detail: str) -> FieldError:
    if isinstance(value, (dict, list)):
        return fields.without_value(fields.ErrorType.DUPLICATE, at, "")
    return fields.duplicate(at, value)


_REASONS: dict[str, Callable[[FieldPath, Any, str], FieldError]] = {
    "FieldValueForbidden": lambda at, value, detail: fields.forbidden(at, detail),
    "FieldValueRequired": lambda at, value, detail: fields.required(at, detail),
    "FieldValueDuplicate": _duplicate,
}
