"""Expressions: what they give, and what is said of those that are wrong."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pybernetes.cel import types
from pybernetes.cel.environment import Environment
from pybernetes.cel.errors import CelError, CompileError, CostExceeded
from pybernetes.cel.values import Optional

SELF = types.object_type(
    "self",
    {
        "count": types.INT,
        "name": types.STRING,
        "names": types.list_of(types.STRING),
        "sizes": types.map_of(types.STRING, types.INT),
        "__namespace__": types.STRING,
    },
    {"__namespace__": "namespace"},
)
ENVIRONMENT = Environment({"self": SELF, "any": types.DYN})
DOCUMENT = {"count": 3, "name": "web", "names": ["a", "b"], "sizes": {"x": 1}, "namespace": "shop"}


def value_of(text: str) -> Any:
    return ENVIRONMENT.compile(text).evaluate({"self": DOCUMENT, "any": {"a": {"b": 1}, "n": 2}})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("self.count * 2 + 1", 7),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
        ("dyn(1) == 1.0", True),
        ("dyn(true) == dyn(1)", False),
        ("self.name.startsWith('w') && self.names.size() == 2", True),
        ("self.__namespace__", "shop"),
        ("self.names.all(x, x < 'c')", True),
        ("self.names.exists_one(x, x == 'a')", True),
        ("self.names.map(x, x + x)", ["aa", "bb"]),
        ("self.names.filter(x, x != 'a')", ["b"]),
        ("self.names.all(i, x, self.names[i] == x)", True),
        ("self.names.transformList(i, x, i > 0, x)", ["b"]),
        ("self.sizes.transformMap(k, v, v + 1)", {"x": 2}),
        ("any.missing == 1 || true", True),
        ("[1, 0].exists(x, 2 / x == 2)", True),
        ("any.?a.?c.orValue(5)", 5),
        ("any.?a.b.orValue(5)", 1),
        ("any.?n.optMap(x, x + 1).value()", 3),
        ("has(any.a.c)", False),
        ("type(any.n) == int", True),
        ("'%s is %d, %.1f and %s'.format(['a', dyn(1), dyn(2.5), dyn([true])])", "a is 1, 2.5 and [true]"),
        ("'a,b,c'.split(',', 2)", ["a", "b,c"]),
        ("'tacocat'.substring(1, 3).upperAscii()", "AC"),
        ("['a', 'b'].join('-')", "a-b"),
        ("[3, 1, 2].sort()", [1, 2, 3]),
        ("[3, 1, 2].sortBy(n, -n)", [3, 2, 1]),
        ("[{'k': 'b'}, {'k': 'a'}].sortBy(e, e.k)[0].k", "a"),
        ("[[2, 1], [0]].map(l, l.sortBy(n, n))", [[1, 2], [0]]),
        ("[1, 2, 3].sum() + [4, 9].max()", 15),
        ("['a', 'b'].isSorted()", True),
        ("'abc 123'.find('[0-9]+')", "123"),
        ("'a1b2'.findAll('[0-9]')", ["1", "2"]),
        ("sets.intersects([1, 2], [2, 3])", True),
        ("quantity('1Gi').isGreaterThan(quantity('1G'))", True),
        ("quantity('1500m').asApproximateFloat()", 1.5),
        ("ip('::1').isLoopback() && ip('10.0.0.1').family() == 4", True),
        ("cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')", True),
        ("type(ip('1.1.1.1')) == net.IP", True),
        ("url('https://a.example:8443/p?q=1').getHost()", "a.example:8443"),
        ("semver('1.10.0').isGreaterThan(semver('1.9.3'))", True),
        ("semver('v1.2', true).minor()", 2),
        ("format.dns1123Label().validate('web').hasValue()", False),
        ("duration('90m').getHours()", 1),
        ("timestamp('2024-02-29T12:00:00Z').getDayOfMonth()", 28),
        ("string(duration('1500ms'))", "1.5s"),
        ("string(0.1 + 0.2) + string(1e21)", "0.300000000000000041e+21"),
        ("b'abc' == bytes('abc')", True),
    ],
)
def test_an_expression_gives_its_value(text: str, value: Any) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("any.missing", "no such key: missing"),
        ("self.names[2]", "index out of bounds: 2"),
        ("1 / 0", "division by zero"),
        ("9223372036854775807 + 1", "integer overflow"),
        ("dyn('a') < 1", "no such overload"),
        ("optional.none().value()", "optional.none() dereference"),
        ("[].max()", "max called on empty list"),
    ],
)
def test_what_cannot_be_evaluated_says_why(text: str, message: str) -> None:
    with pytest.raises(CelError, match=re.escape(message)):
        value_of(text)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("self.nope == 1", 5, "undefined field 'nope'"),
        ("self.count == 'a'", 12, "found no matching overload for '_==_' applied to '(int, string)'"),
        ("self.count.startsWith('x')", 22, "found no matching overload for 'startsWith' applied to 'int.(string)'"),
        ("nope", 1, "undeclared reference to 'nope' (in container '')"),
        ("self.count.x", 11, "type 'int' does not support field selection"),
        ("self.name.all(x, true)", 5, "expression of type 'string' cannot be range of a comprehension"),
        ("['a', 1]", 7, "expected type 'string' but found 'int'"),
        ("self.names.exists(x, 1)", 22, "expected type 'bool' but found 'int'"),
        ("namespace == 1", 1, "reserved identifier: namespace"),
        ("has(self)", 5, "invalid argument to has() macro"),
        ("self.names.all(1, true)", 16, "argument must be a simple name"),
        ("self.names.all(x, x, true)", 19, "duplicate variable name: x"),
        ("'a'.sortBy(x, x)", 1, "sortBy can only be applied to a list, identifier, comprehension, call or select"),
        ("self.names.sortBy(1, 1)", 19, "argument is not an identifier"),
        ("size(Nothing{})", 13, "undeclared reference to 'Nothing' (in container '')"),
        ("self.`a-b` == 1", 6, "unsupported syntax: '`'"),
        ("'a'.matches('(')", 13, "invalid matches argument"),
        ("duration('x') == duration('1s')", 10, "invalid duration argument"),
        ("self.count ==", 14, "Syntax error: mismatched input '<EOF>' expecting "),
    ],
)
def test_a_wrong_expression_is_refused_with_its_place(text: str, column: int, message: str) -> None:
    with pytest.raises(CompileError) as refused:
        ENVIRONMENT.compile(text)
    first, shown, pointer = str(refused.value).split("\n")[:3]
    assert first.startswith(f"ERROR: <input>:1:{column}: {message}")
    assert shown == f" | {text}"
    assert pointer == f" | {'.' * (column - 1)}^"


def test_a_type_is_found_through_variables_of_folds_and_optionals() -> None:
    assert str(ENVIRONMENT.compile("self.names.map(x, x.size())").result) == "list(int)"
    assert str(ENVIRONMENT.compile("self.?sizes[?'x']").result) == "optional_type(int)"
    assert str(ENVIRONMENT.compile("{'a': [self.count]}").result) == "map(string, list(int))"


def test_an_evaluation_ends_when_it_has_cost_too_much() -> None:
    program = ENVIRONMENT.compile("self.names.all(x, self.names.all(y, self.names.all(z, x + y + z != 'q')))")
    with pytest.raises(CostExceeded):
        program.evaluate({"self": {"names": ["n"] * 40}}, limit=1000)


def test_optionals_are_equal_by_what_they_hold() -> None:
    assert value_of("optional.of(1) == optional.of(1)") is True
    assert value_of("optional.of([1])") == Optional([1])
