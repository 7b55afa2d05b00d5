"""Whether the rules of a schema can be used: they compile, and evaluating them cannot cost too much.

Rules below a node are judged before those on it.

Follows k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation (validation.go, cel_validation.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pybernetes.api import fields, go_json
from pybernetes.api.fields import FieldError, FieldPath
from pybernetes.apiserver.cel.schema_compile import SELF, CompiledRule, Rule, compile_rules
from pybernetes.apiserver.cel.schema_rules import RULES
from pybernetes.apiserver.cel.schema_types import MAX_REQUEST, Declared, declared
from pybernetes.cel.call_estimates import Size, times
from pybernetes.cel.environment import Program
from pybernetes.cel.estimates import Path, SizeOf, estimate
from pybernetes.cel.values import MAX_UINT

Schema = Mapping[str, Any]
RULE_LIMIT, TOTAL_LIMIT = 10_000_000, 100_000_000
_HINT = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength "
    "where arrays, maps, and strings are declared)"
)


@dataclass(frozen=True, slots=True)
class _Place:
    """``cardinality``: how often the node can occur, None if nothing bounds it. ``loose``: what has no counterpart in
    the object before an update."""

    at: FieldPath
    cardinality: int | None = 1
    loose: FieldPath | None = None
    root: bool = False


@dataclass(slots=True)
class _Total:
    cost: int = 0
    expensive: list[tuple[int, FieldPath]] = field(default_factory=list)

    def add(self, cost: int, at: FieldPath) -> None:
        self.cost = min(self.cost + cost, MAX_UINT)
        if cost >= TOTAL_LIMIT // 100:
            self.expensive = sorted([*self.expensive, (cost, at)], key=lambda one: -one[0])[:4]


def check_rules(schema: Schema, at: FieldPath) -> Iterator[FieldError]:
    total = _Total()
    yield from _check_node(schema, _Place(at, root=True), total)
    if total.cost > TOTAL_LIMIT:
        detail = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
        for _, place in total.expensive:
            yield fields.forbidden(place, detail)
        name = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
        yield fields.forbidden(at, _too_expensive(name, total.cost, TOTAL_LIMIT))


def _check_node(schema: Schema, place: _Place, total: _Total) -> Iterator[FieldError]:
    for child, where in _children(schema, place):
        yield from _check_node(child, where, total)
    if not schema.get(RULES):
        return
    root = place.root or bool(schema.get("x-kubernetes-embedded-resource"))
    found = declared(schema, SELF, root=root)
    path = place.at.child(RULES)
    if found is None:
        message = "internal error: failed to construct type information for x-kubernetes-validations rules: unable to "
        yield fields.internal(path, f"{message}convert structural schema to CEL declarations")
        return
    sizes = _sizes(found)
    often = place.cardinality if place.cardinality is not None else MAX_REQUEST // (found.min_size + 1)
    for index, one in enumerate(compile_rules(schema, found)):
        yield from _check_rule(one, path[index], place, sizes, often, total)


def _children(schema: Schema, place: _Place) -> Iterator[tuple[Schema, _Place]]:
    below = replace(place, cardinality=_times(place.cardinality, _repeats(schema)), root=False)
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping):
        yield values, replace(below, at=place.at.additionalProperties)
    atomic = schema.get("x-kubernetes-map-type") not in (None, "granular", "atomic")
    for name, one in (schema.get("properties") or {}).items():
        loose = (place.loose or place.at) if atomic else place.loose
        yield one, replace(below, at=place.at.properties[name], loose=loose)
    items = schema.get("items")
    if isinstance(items, Mapping):
        loose = place.loose
        if loose is None and schema.get("x-kubernetes-list-type") != "map":
            loose = place.at
        yield items, replace(below, at=place.at.child("items"), loose=loose)


def _repeats(schema: Schema) -> int | None:
    """How many of what is below a node there can be."""
    if schema.get("type") == "array":
        most = schema.get("maxItems")
    elif schema.get("type") == "object" and schema.get("additionalProperties") is not None:
        most = schema.get("maxProperties")
    else:
        return 1
    return None if most is None else max(most, 0)


def _times(left: int | None, right: int | None) -> int | None:
    return None if left is None or right is None else times(left, right)


def _check_rule(
    one: CompiledRule, at: FieldPath, place: _Place, sizes: SizeOf, often: int, total: _Total
) -> Iterator[FieldError]:
    if one.program is not None:
        cost = times(_estimated(one.program, sizes), often)
        if cost > RULE_LIMIT:
            yield fields.forbidden(at.rule, _too_expensive("estimated rule cost", cost, RULE_LIMIT))
        total.add(cost, at.rule)
    if one.error:
        yield fields.invalid_as(at.rule, _shown(one.rule), one.error)
    yield from _check_message(one, at, sizes, total)
    if one.uses_old_self:
        if place.loose is not None:
            detail = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.loose}"
            yield fields.invalid(at.rule, one.rule.rule, detail)
    elif one.rule.optional_old_self is not None:
        detail = "may not be set if oldSelf is not used in rule"
        yield fields.invalid(at.optionalOldSelf, one.rule.optional_old_self, detail)


def _check_message(one: CompiledRule, at: FieldPath, sizes: SizeOf, total: _Total) -> Iterator[FieldError]:
    if one.message_error:
        yield fields.invalid_as(at.messageExpression, _shown(one.rule), one.message_error)
    elif one.message is not None:
        cost = _estimated(one.message, sizes)
        if cost > RULE_LIMIT:
            name = "estimated messageExpression cost"
            yield fields.forbidden(at.messageExpression, _too_expensive(name, cost, RULE_LIMIT))
        total.add(cost, at.messageExpression)


def _estimated(program: Program, sizes: SizeOf) -> int:
    return estimate(program.tree, program.checked, sizes)


def _sizes(root: Declared) -> SizeOf:
    def size_of(path: Path) -> Size | None:
        node: Declared | None = root
        for name in path[1:]:
            if node is None:
                return None
            if name in ("@items", "@values"):
                node = node.element
            elif name == "@keys":
                return Size(0, 0) if node.type.kind == "map" else None
            else:
                node = node.fields.get(name)
        return None if node is None else Size(0, node.max_elements)

    return size_of


def _too_expensive(name: str, cost: int, limit: int) -> str:
    factor = cost / limit
    shown = "more than 100x" if factor > 100 else f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    return f"{name} exceeds budget by factor of {shown} {_HINT}"


def _shown(rule: Rule) -> str:
    """As Go prints the rule."""
    import orjson

    document = {
        "Rule": rule.rule,
        "Message": rule.message,
        "MessageExpression": rule.message_expression,
        "Reason": rule.reason,
        "FieldPath": rule.field_path,
        "OptionalOldSelf": rule.optional_old_self,
    }
    return go_json.escaped(orjson.dumps(document).decode())
