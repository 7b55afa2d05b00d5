"""What a review of access must be, before it is answered."""

from __future__ import annotations

from typing import Any

import pytest

from pybernetes.apiserver.auth.review_objects import access_problems, evaluation_error

PODS = {"verb": "get", "resource": "pods"}
PATH = {"path": "/x", "verb": "get"}
EITHER = (
    "spec.resourceAttributes: Invalid value: null: "
    "exactly one of nonResourceAttributes or resourceAttributes must be specified"
)


def problems(spec: dict[str, Any], *, about_self: bool = False, local: bool = False) -> list[str]:
    document = {"metadata": {"namespace": "default"} if local else {}, "spec": spec}
    return [str(problem) for problem in access_problems(document, about_self=about_self, local=local)]


def test_a_review_is_about_somebody_and_one_thing() -> None:
    somebody = 'spec.user: Invalid value: "": at least one of user or group must be specified'
    assert problems({}) == [EITHER, somebody]
    assert problems({}, about_self=True) == [EITHER]
    assert problems({"user": "u", "resourceAttributes": PODS, "nonResourceAttributes": PATH}) == [
        'spec.nonResourceAttributes: Invalid value: {"Path":"/x","Verb":"get"}: '
        "cannot be specified in combination with resourceAttributes"
    ]


def test_a_local_review_is_about_its_own_namespace() -> None:
    assert problems({"user": "u", "nonResourceAttributes": PATH}, local=True) == [
        'spec.nonResourceAttributes: Invalid value: {"Path":"/x","Verb":"get"}: disallowed on this kind of request'
    ]
    elsewhere = {"user": "u", "resourceAttributes": {**PODS, "namespace": "elsewhere"}}
    assert problems(elsewhere, local=True) == [
        'spec.resourceAttributes.namespace: Invalid value: "elsewhere": must match metadata.namespace'
    ]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (
            {},
            "spec.resourceAttributes.fieldSelector.requirements: Required value: "
            "when spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required",
        ),
        (
            {"rawSelector": "a=b", "requirements": [{"key": "a", "operator": "In", "values": ["b"]}]},
            'spec.resourceAttributes.fieldSelector.rawSelector: Invalid value: "a=b": '
            "may not specified at the same time as requirements",
        ),
    ],
)
def test_a_selector_is_stated_one_way(selector: dict[str, Any], expected: str) -> None:
    assert problems({"user": "u", "resourceAttributes": {**PODS, "fieldSelector": selector}}) == [expected]


@pytest.mark.parametrize(("values", "understood"), [(["n"], True), ([], False), (["n", "m"], False)])
def test_a_requirement_of_fields_has_one_value(values: list[str], understood: bool) -> None:
    requirement = {"key": "spec.nodeName", "operator": "In", "values": values}
    spec = {"resourceAttributes": {**PODS, "fieldSelector": {"requirements": [requirement]}}}
    ignored = "spec.resourceAttributes.fieldSelector ignored due to parse error"
    assert evaluation_error(spec) == ("" if understood else ignored)


def test_metadata_that_should_be_empty_is_shown_in_the_order_of_its_fields() -> None:
    spec = {"user": "u", "resourceAttributes": PODS}
    document = {"metadata": {"namespace": "n", "labels": {"b": "1", "a": "2"}, "name": "x"}, "spec": spec}
    assert [str(one) for one in access_problems(document, about_self=False, local=False)] == [
        'metadata: Invalid value: {"name":"x","namespace":"n","labels":{"a":"2","b":"1"}}: must be empty'
    ]
