"""The small parts: paths, formats, alternatives, what OpenAPI says."""

from __future__ import annotations

from typing import Any

import pytest

from pybernetes.api.digits import WholeFraction
from pybernetes.api.fields import at
from pybernetes.api.patch.checking import problems as misfits
from pybernetes.api.patch.structural import DEDUCED, structure_of
from pybernetes.api.patch.structured import compare, merge
from pybernetes.apiserver.custom.formats import FORMATS, checked_format
from pybernetes.apiserver.custom.jsonpath import JsonPathError, compile_path
from pybernetes.apiserver.custom.lists import compile_uniqueness
from pybernetes.apiserver.custom.numbers import shown
from pybernetes.apiserver.custom.openapi import CustomDefinitions
from pybernetes.apiserver.custom.patterns import PatternError, matcher
from pybernetes.apiserver.custom.places import UNCORRELATED
from pybernetes.apiserver.custom.scales import ScalePaths
from pybernetes.apiserver.custom.structure import check_structural
from pybernetes.apiserver.custom.values import compile_values
from pybernetes.apiserver.openapi.schemas import Dialect

DOCUMENT = {
    "spec": {"list": [{"type": "A", "n": 1}, {"type": "B", "n": 2}], "a.b/c": "dotted", "empty": []},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.list[0].n", [1]),
        (".spec.list[-1].type", ["B"]),
        (".spec.list[*].n", [1, 2]),
        ('.spec.list[?(@.type=="B")].n', [2]),
        (".spec.list[?(@.n>1)].type", ["B"]),
        (".spec.list[0:1].n", [1]),
        (r".spec.a\.b/c", ["dotted"]),
        (".spec['a.b/c']", ["dotted"]),
        (".spec.none.deeper", []),
        ("..n", [1, 2]),
    ],
)
def test_a_path_finds(path: str, found: list[Any]) -> None:
    assert compile_path(path)(DOCUMENT) == found


def test_an_index_beyond_the_end_is_an_error_as_is_a_path_that_does_not_end() -> None:
    with pytest.raises(JsonPathError, match="out of bounds"):
        compile_path(".spec.list[5]")(DOCUMENT)
    with pytest.raises(JsonPathError):
        compile_path(".spec.list[")


@pytest.mark.parametrize(
    ("format", "right", "wrong"),
    [
        ("datetime", "2020-01-02T03:04:05Z", "2020-01-02"),
        ("date", "2020-02-29", "2021-02-29"),
        ("ipv4", "10.0.0.1", "10.0.0"),
        ("ipv6", "fe80::1", "10.0.0.1"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("duration", "22 ns", "soon"),
        ("byte", "eA==", "x"),
        ("uuid", "123E4567-e89b-12d3-a456-426614174000", "123"),
        ("mac", "01:23:45:67:89:ab", "01:23"),
        ("isbn", "978-0321751041", "978-0321751042"),
        ("k8sshortname", "a-b", "-a"),
    ],
)
def test_a_format_tells_right_from_wrong(format: str, right: str, wrong: str) -> None:
    assert FORMATS[format](right)
    assert not FORMATS[format](wrong)


def test_a_format_of_another_type_is_not_looked_at() -> None:
    assert checked_format({"type": "string", "format": "date-time"}) == "date-time"
    assert checked_format({"type": "string", "format": "int32"}) == ""
    assert checked_format({"type": "integer", "format": "int32"}) == "int32"


def test_numbers_are_shown_as_go_shows_them() -> None:
    assert [shown(one) for one in (5, 2.5, 1e21, 1e-7, 0.0001)] == ["5", "2.5", "1e+21", "1e-07", "0.0001"]
    assert [shown(one) for one in (2**63 - 1, 2**64 - 1, -0.125, 0.0, -0.0)] == [
        "9223372036854775807",
        "1.8446744073709552e+19",
        "-0.125",
        "0",
        "-0",
    ]
    assert [shown(one) for one in (100.0, 999999.0, 2e6, 123456.75)] == ["100", "999999", "2e+06", "123456.75"]


def test_a_pattern_is_of_linear_time_and_mistakes_in_it_read_as_gos() -> None:
    assert matcher(r"^\p{L}+$")("é")
    with pytest.raises(PatternError, match=r"error parsing regexp: missing closing \): `\(`"):
        matcher("(")


def problems(schema: Any, value: Any, old: Any = UNCORRELATED) -> list[str]:
    return [str(error) for error in compile_values(schema)(value, old)]


def test_of_failed_alternatives_the_nearest_is_told() -> None:
    schema = {
        "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
        "anyOf": [{"required": ["a"], "properties": {"a": {"minimum": 5}}}, {"required": ["b"]}],
    }
    assert problems(schema, {"a": 1}) == [
        '<nil>: Invalid value: "": "" must validate at least one schema (anyOf)',
        "a: Invalid value: 1: a in body should be greater than or equal to 5",
    ]
    assert problems(schema, {"b": "x"}) == []


def test_exactly_one_alternative_is_right() -> None:
    schema = {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
    assert problems(schema, {"a": 1}) == []
    assert problems(schema, {"a": 1, "b": 1}) == [
        '<nil>: Invalid value: "": "" must validate one and only one schema (oneOf). Found 2 valid alternatives'
    ]


def test_true_is_no_number_and_one_is_not_true() -> None:
    assert problems({"type": "integer"}, True) == [
        '<nil>: Invalid value: "boolean":  in body must be of type integer: "boolean"'
    ]
    assert problems({"enum": [1]}, True) == ['<nil>: Unsupported value: true: supported values: "1"']


def test_whole_numbers_that_do_not_fit_64_bits_are_fractions() -> None:
    schema = {"x-kubernetes-int-or-string": True}
    assert problems(schema, 2**63 - 1) == []
    assert problems(schema, 2**63) == [
        '<nil>: Invalid value: "number":  in body must be of type integer,string: "number"'
    ]


def test_whole_numbers_are_multiples_of_the_whole_part_of_a_factor() -> None:
    schema = {"type": "number", "multipleOf": 0.5}
    assert problems(schema, 1.5) == []
    assert problems(schema, 1) == ["<nil>: Invalid value: 0: factor MultipleOf declared for  must be positive: 0"]
    assert problems(schema, WholeFraction(1)) == []
    assert problems(schema, 1e20) == ["<nil>: Invalid value: 1e+20:  in body should be a multiple of 0.5"]


def test_a_fraction_is_compared_with_whole_numbers_by_its_whole_part() -> None:
    assert problems({"enum": [1, 2.5]}, 1.5) == []
    assert problems({"enum": [1, 2.5]}, WholeFraction(1)) == []
    assert problems({"enum": [1, 2.5]}, WholeFraction(123456789)) == [
        '<nil>: Unsupported value: 1.23456789e+08: supported values: "1", "2.5"'
    ]


def test_a_large_fraction_is_no_whole_number() -> None:
    schema = {"type": "integer"}
    assert problems(schema, WholeFraction(2**53 - 1)) == []
    assert problems(schema, WholeFraction(2**60)) == [
        '<nil>: Invalid value: "number":  in body must be of type integer: "number"'
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [({}, "map[]"), ([{"b": True, "a": None}, 1.5, "x"], "[map[a:<nil> b:true] 1.5 x]")],
)
def test_replicas_that_are_no_number_are_shown_as_go_prints_them(value: Any, text: str) -> None:
    paths = ScalePaths(".spec.replicas", ".status.replicas", None)
    (found,) = map(str, paths.problems({"spec": {"replicas": value}}, status_only=False))
    assert f".spec.replicas accessor error: {text} is of the type" in found


@pytest.mark.parametrize(("format", "fits"), [("", False), ("byte", False), ("date-time", True), ("ipv4", True)])
def test_a_text_with_a_format_of_its_own_may_be_any_scalar_to_who_applies(format: str, fits: bool) -> None:
    structure = structure_of({"type": "object", "properties": {"t": {"type": "string", "format": format}}})
    assert (not misfits({"t": 5}, structure)) is fits
    assert misfits({"t": []}, structure)


def test_elements_of_a_keyed_list_are_ratcheted_by_their_keys() -> None:
    element = {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer", "maximum": 5}}}
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
    schema = {"properties": {"l": {"type": "array", "items": element, **keyed}}}
    old = {"l": [{"k": "a", "v": 9}]}
    assert problems(schema, {"l": [{"k": "b", "v": 1}, {"k": "a", "v": 9}]}, old) == []
    assert problems(schema, {"l": [{"k": "a", "v": 8}]}, old) != []


def test_a_schema_says_types_once_and_outside_of_alternatives() -> None:
    schema = {"type": "object", "anyOf": [{"properties": {"q": {"type": "integer"}}}]}
    assert [str(one) for one in check_structural(schema, at.schema)] == [
        "schema.anyOf[0].properties[q].type: Forbidden: must be empty to be structural",
        "schema.properties[q]: Required value: because it is defined in schema.anyOf[0].properties[q]",
    ]


def test_openapi_2_leaves_open_what_it_cannot_say() -> None:
    schema = {
        "type": "object",
        "properties": {
            "either": {"x-kubernetes-int-or-string": True},
            "maybe": {"type": "string", "nullable": True},
            "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    published = CustomDefinitions("", ("example.com", "v1", "Widget"), "WidgetList", "widgets", schema, ())
    (_, name, new), _ = published.definitions(Dialect.V3)
    (_, _, old), _ = published.definitions(Dialect.V2)
    assert name == "com.example.v1.Widget"
    assert new["properties"]["either"]["anyOf"] == [{"type": "integer"}, {"type": "string"}]
    assert new["properties"]["maybe"] == {"type": "string", "nullable": True}
    assert old["properties"]["either"] == {"x-kubernetes-int-or-string": True}
    assert old["properties"]["maybe"] == {}
    assert old["properties"]["any"] == {"x-kubernetes-preserve-unknown-fields": True}


def test_a_key_that_stands_twice_is_shown_in_the_order_of_its_fields() -> None:
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "by"], "items": {"type": "object"}}
    unique = compile_uniqueness(keyed)
    assert unique is not None
    port = {"port": 1, "by": "TCP"}
    assert [str(one) for one in unique([port, port], "ports")] == ['ports[1]: Duplicate value: {"by":"TCP","port":1}']


def test_what_becomes_a_map_or_is_none_any_more_loses_and_gains_the_fields_below() -> None:
    parts, single = {"a": {"x": {"y": 1}, "z": 2}}, {"a": 1}
    lost = compare(parts, single, DEDUCED)
    assert lost.set == {"f:a": {}}
    assert lost.removed == {"f:a": {"f:x": {".": {}, "f:y": {}}, "f:z": {}}}
    filled = compare({"a": {}}, {"a": {"x": 1}}, DEDUCED)
    assert (filled.set, filled.removed) == ({"f:a": {"f:x": {}}}, {})
    gained = compare(single, parts, DEDUCED)
    assert (gained.set, gained.removed) == ({"f:a": {".": {}, "f:x": {".": {}, "f:y": {}}, "f:z": {}}}, {})


def test_a_null_replaces_what_may_be_anything_unless_that_is_a_map() -> None:
    null = {"a": None}
    assert [merge({"a": one}, null, DEDUCED) for one in (1, [1], {"b": 1})] == [null, null, {"a": {"b": 1}}]
