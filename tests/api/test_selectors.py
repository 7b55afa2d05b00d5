from __future__ import annotations

import pytest

from pybernetes.api.models.meta_v1 import LabelSelector as Model
from pybernetes.api.models.meta_v1 import LabelSelectorRequirement
from pybernetes.api.selectors import FieldSelector, LabelSelector, SelectorError

WEB = {"app": "web", "tier": "front", "weight": "5"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app == web", True),
        ("app!=web", False),
        ("color!=red", True),
        ("app", True),
        ("!app", False),
        ("!color", True),
        ("app in (web, api)", True),
        ("app notin (web)", False),
        ("color notin (red)", True),
        ("weight>4,weight<6", True),
        ("weight>5", False),
        ("app=web,tier=back", False),
        ("color=", False),
    ],
)
def test_a_selector_selects(text: str, matches: bool) -> None:
    assert LabelSelector.parse(text).matches(WEB) is matches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x y", "found 'y', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b,", "found '', expected: identifier after ','"),
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        ("a in b", "found 'b' expected: '('"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a>x", "for 'Gt', 'Lt' operators, the value must be an integer"),
        ("-a", "name part must consist of"),
    ],
)
def test_what_is_no_selector_is_refused_in_upstreams_words(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        LabelSelector.parse(text)
    assert message in str(caught.value)


def test_a_selector_prints_sorted_and_parses_again() -> None:
    selector = LabelSelector.parse("tier in (b,a), app=web,!old")
    assert str(selector) == "app=web,!old,tier in (a,b)"
    assert str(LabelSelector.parse(str(selector))) == str(selector)


def test_the_struct_of_specs_selects_nothing_when_absent_and_everything_when_empty() -> None:
    assert not LabelSelector.from_model(None).matches(WEB)
    assert LabelSelector.from_model(Model()).matches({})
    expressions = [LabelSelectorRequirement(key="tier", operator="In", values=["front"])]
    selector = LabelSelector.from_model(Model(match_labels={"app": "web"}, match_expressions=expressions))
    assert selector.matches(WEB)
    assert not selector.matches({"app": "web"})
    with pytest.raises(SelectorError, match='"Near" is not a valid label selector operator'):
        LabelSelector.from_model(Model(match_expressions=[LabelSelectorRequirement(key="a", operator="Near")]))


def test_field_selectors() -> None:
    selector = FieldSelector.parse("metadata.name=web,spec.nodeName!=")
    values = {"metadata.name": "web", "spec.nodeName": "one"}
    assert selector.matches(lambda field: values.get(field, ""))
    assert selector.exact("metadata.name") == "web"
    assert selector.exact("spec.nodeName") is None
    assert FieldSelector.parse(r"a=b\,c").requirements[0].value == "b,c"
    assert str(FieldSelector.parse(r"a=b\,c")) == r"a=b\,c"
    with pytest.raises(SelectorError, match="invalid selector: 'a'; can't understand 'a'"):
        FieldSelector.parse("a")
