"""x-kubernetes-validations: rules that objects must meet, and that definitions may have."""

from __future__ import annotations

from typing import Any

import pytest

from pybernetes.api.fields import FieldPath, at
from pybernetes.apiserver.cel.schema_rules import SchemaRules, check

ROOT = FieldPath("schema")


def under_spec(properties: dict[str, Any], *rules: dict[str, Any]) -> dict[str, Any]:
    spec = {"type": "object", "properties": properties, "x-kubernetes-validations": list(rules)}
    return {"type": "object", "properties": {"spec": spec}}


def judged(schema: dict[str, Any], new: Any, old: Any | None = None) -> list[str]:
    return [str(error) for error in SchemaRules(schema).validate(new, old, at)]


def found_in(schema: dict[str, Any]) -> list[str]:
    return [str(error) for error in check(schema, ROOT)]


def test_a_broken_rule_is_told_with_its_message_reason_and_place() -> None:
    schema = under_spec(
        {"n": {"type": "integer"}},
        {"rule": "self.n > 1"},
        {"rule": "self.n > 2", "message": " two "},
        {
            "rule": "self.n > 3",
            "messageExpression": "'not ' + 'three'",
            "reason": "FieldValueForbidden",
            "fieldPath": ".n",
        },
    )
    assert judged(schema, {"spec": {"n": 1}}) == [
        "spec: Invalid value: failed rule: self.n > 1",
        "spec: Invalid value: two",
        "spec.n: Forbidden: not three",
    ]


def test_a_rule_that_cannot_be_evaluated_is_told_with_the_error() -> None:
    schema = under_spec({"n": {"type": "integer"}}, {"rule": "self.n > 1"})
    assert judged(schema, {"spec": {}}) == ['spec: Invalid value: "object": no such key: n evaluating rule: self.n > 1']


def test_a_rule_at_the_root_sees_the_name_whatever_the_schema_says() -> None:
    schema = {"type": "object", "x-kubernetes-validations": [{"rule": "self.metadata.name == 'a'", "message": "name"}]}
    assert judged(schema, {"metadata": {"name": "a"}}) == []
    assert judged(schema, {"metadata": {"name": "b"}}) == ["<nil>: Invalid value: name"]


def test_values_have_the_types_of_their_formats() -> None:
    schema = under_spec(
        {
            "t": {"type": "string", "format": "date-time"},
            "d": {"type": "string", "format": "duration"},
            "b": {"type": "string", "format": "byte"},
            "f": {"type": "number"},
            "i": {"x-kubernetes-int-or-string": True},
        },
        {"rule": "self.t > timestamp('2020-01-01T00:00:00Z')"},
        {"rule": "self.d < duration('1h') && self.b == b'abc' && self.f == 1.0 && type(self.i) == string"},
    )
    spec = {"t": "2021-01-01T00:00:00Z", "d": "5m", "b": "YWJj", "f": 1, "i": "5%"}
    assert judged(schema, {"spec": spec}) == []


def test_a_transition_rule_compares_elements_of_map_lists_by_their_keys() -> None:
    items = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "v": {"type": "integer", "x-kubernetes-validations": [{"rule": "self >= oldSelf", "message": "less"}]},
            },
        },
    }
    schema = under_spec({"items": items})
    old = {"spec": {"items": [{"name": "a", "v": 3}]}}
    new = {"spec": {"items": [{"name": "b", "v": 1}, {"name": "a", "v": 2}]}}
    assert judged(schema, new, old) == ["spec.items[1].v: Invalid value: 2: less"]
    assert judged(schema, new) == []


def test_an_optional_old_value_lets_a_rule_judge_creations_too() -> None:
    rule = {"rule": "oldSelf.hasValue() || self.n == 1", "optionalOldSelf": True, "message": "starts with 1"}
    schema = under_spec({"n": {"type": "integer"}}, rule)
    assert judged(schema, {"spec": {"n": 2}}) == ["spec: Invalid value: starts with 1"]
    assert judged(schema, {"spec": {"n": 2}}, {"spec": {"n": 1}}) == []


def test_what_was_broken_before_only_warns() -> None:
    schema = under_spec({"n": {"type": "integer"}}, {"rule": "self.n > 1"})
    warnings: list[str] = []
    object_ = {"spec": {"n": 1}}
    assert list(SchemaRules(schema).validate(object_, object_, at, warnings=warnings)) == []
    assert warnings == ["spec: Invalid value: failed rule: self.n > 1"]


def test_sets_and_map_lists_are_compared_without_their_order() -> None:
    sets = {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}
    schema = under_spec({"a": sets, "b": sets}, {"rule": "self.a == self.b && (self.a + self.b).size() == 2"})
    assert judged(schema, {"spec": {"a": ["x", "y"], "b": ["y", "x"]}}) == []


def test_a_schema_without_rules_is_never_compiled() -> None:
    rules = SchemaRules({"type": "object", "properties": {"a": {"type": "string"}}})
    assert not rules.present
    assert list(rules.validate({"a": 1}, None, at)) == []


def test_a_rule_that_does_not_compile_is_told_as_it_stands() -> None:
    [error] = found_in(under_spec({"n": {"type": "integer"}}, {"rule": "self.m > 1"}))
    assert error == (
        'schema.properties[spec].x-kubernetes-validations[0].rule: Invalid value: {"Rule":"self.m \\u003e 1",'
        '"Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}: compilation failed: '
        "ERROR: <input>:1:5: undefined field 'm'\n | self.m > 1\n | ....^"
    )


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"rule": "self.n + 1"}, "cel expression must evaluate to a bool"),
        ({"rule": "true", "messageExpression": "1"}, "messageExpression must evaluate to a string"),
        ({"rule": "true", "optionalOldSelf": True}, "may not be set if oldSelf is not used in rule"),
    ],
)
def test_a_rule_must_give_what_it_is_for(rule: dict[str, Any], message: str) -> None:
    [error] = found_in(under_spec({"n": {"type": "integer"}}, rule))
    assert error.endswith(message)


def test_old_values_are_not_to_be_had_in_lists_without_keys() -> None:
    element = {"type": "integer", "maximum": 5, "x-kubernetes-validations": [{"rule": "self >= oldSelf"}]}
    schema = {"type": "object", "properties": {"l": {"type": "array", "maxItems": 3, "items": element}}}
    [error] = found_in(schema)
    assert error.endswith(
        "oldSelf cannot be used on the uncorrelatable portion of the schema within schema.properties[l]"
    )


def test_a_rule_that_may_cost_too_much_is_refused_until_sizes_are_bounded() -> None:
    rule = {"rule": "self.l.all(x, self.l.all(y, x == y))"}
    unbounded = {"type": "array", "items": {"type": "string"}}
    expensive, *total = found_in(under_spec({"l": unbounded}, rule))
    assert "Forbidden: estimated rule cost exceeds budget by factor of more than 100x" in expensive
    assert total[-1].startswith("schema: Forbidden: x-kubernetes-validations estimated rule cost total")
    bounded = {"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 10}}
    assert found_in(under_spec({"l": bounded}, rule)) == []
