"""Which requests an audit policy is about, and what a policy must be."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.audit.policy import Level, Policy, Verdict, read
from pybernetes.apiserver.auth.contract import Attributes, User

JANE = User("jane", groups=("devs", "system:authenticated"))
GET_PODS = Attributes("get", "/api/v1/namespaces/default/pods/web", True, "", "v1", "pods", "", "default", "web")
GET_LOG = Attributes("get", "", True, "", "v1", "pods", "log", "default", "web")
HEALTH = Attributes("get", "/healthz/ping", is_resource=False)


def document(*rules: dict[str, Any], **more: Any) -> bytes:
    return orjson.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": list(rules), **more})


def matches(rule: dict[str, Any], asked: Attributes = GET_PODS, user: User | None = JANE) -> bool:
    return Policy(read(document({"level": "Metadata", **rule}))).judge(user, asked) is not None


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, True),
        ({"users": ["jane"]}, True),
        ({"users": ["bob"]}, False),
        ({"userGroups": ["devs", "ops"]}, True),
        ({"userGroups": ["ops"]}, False),
        ({"verbs": ["get", "list"]}, True),
        ({"verbs": ["list"]}, False),
        ({"namespaces": ["default"]}, True),
        ({"namespaces": [""]}, False),
        ({"resources": [{"group": ""}]}, True),
        ({"resources": [{"group": "apps"}]}, False),
        ({"resources": [{"group": "*", "resources": ["pods"]}]}, True),
        ({"resources": [{"resources": ["pods"], "resourceNames": ["web"]}]}, True),
        ({"resources": [{"resources": ["pods"], "resourceNames": ["db"]}]}, False),
        ({"resources": [{"resources": ["pods/*"]}]}, True),
        ({"resources": [{"resources": ["pods/log"]}]}, False),
        ({"nonResourceURLs": ["*"]}, False),
    ],
)
def test_a_rule_is_about_a_request_for_an_object(rule: dict[str, Any], expected: bool) -> None:
    assert matches(rule) is expected


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (["pods"], False),
        (["pods/log"], True),
        (["pods/*"], True),
        (["*/log"], True),
        (["*"], True),
        (["*/exec"], False),
    ],
)
def test_subresources_are_named_with_their_resource(resources: list[str], expected: bool) -> None:
    assert matches({"resources": [{"resources": resources}]}, GET_LOG) is expected


@pytest.mark.parametrize(
    ("urls", "expected"),
    [(["/healthz*"], True), (["/healthz"], False), (["/healthz/ping"], True), (["*"], True), (["/healthz/*"], True)],
)
def test_other_paths_are_matched_by_their_start(urls: list[str], expected: bool) -> None:
    assert matches({"nonResourceURLs": urls}, HEALTH) is expected
    assert not matches({"namespaces": [""]}, HEALTH)


def test_nobody_is_in_no_group() -> None:
    assert matches({}, user=None)
    assert not matches({"users": ["jane"]}, user=None)
    assert not matches({"userGroups": ["devs"]}, user=None)


def test_the_first_rule_that_is_about_a_request_decides() -> None:
    rules = (
        {"level": "None", "users": ["bob"]},
        {"level": "Request", "verbs": ["get"], "omitStages": ["RequestReceived"], "omitManagedFields": False},
        {"level": "Metadata"},
    )
    policy = Policy(read(document(*rules, omitStages=["Panic"], omitManagedFields=True)))
    assert policy.judge(JANE, GET_PODS) == Verdict(Level.REQUEST, frozenset({"RequestReceived", "Panic"}), False)
    assert policy.judge(User("bob"), GET_PODS) is None
    assert policy.judge(JANE, HEALTH) == Verdict(Level.REQUEST, frozenset({"RequestReceived", "Panic"}), False)


def test_what_no_rule_is_about_is_not_told() -> None:
    assert Policy(read(document({"level": "Metadata", "users": ["bob"]}))).judge(JANE, GET_PODS) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (document(), "loaded illegal policy with 0 rules"),
        (document({}), "rules[0].level: Required value"),
        (
            document({"level": "All"}),
            'rules[0].level: Unsupported value: "All": supported values: '
            '"None", "Metadata", "Request", "RequestResponse"',
        ),
        (
            document({"level": "None", "nonResourceURLs": ["healthz", "/a*b"]}),
            "[rules[0].nonResourceURLs[0]: Invalid value: \"healthz\": non-resource URL rules must begin with a '/' "
            "character, rules[0].nonResourceURLs[1]: Invalid value: \"/a*b\": non-resource URL wildcards '*' must be "
            "the final character of the rule]",
        ),
        (
            document({"level": "None", "nonResourceURLs": ["/a"], "namespaces": ["x"]}),
            'rules[0].nonResourceURLs: Invalid value: ["/a"]: rules cannot apply to both regular resources and '
            "non-resource URLs",
        ),
        (
            document({"level": "None", "resources": [{"resourceNames": ["a"]}]}),
            'rules[0].resources.resourceNames: Invalid value: ["a"]: using resourceNames requires at least one '
            "resource",
        ),
        (
            document({"level": "None", "omitStages": ["Soon"]}),
            'rules[0].omitStages[0]: Invalid value: "Soon": allowed stages are '
            "RequestReceived,ResponseStarted,ResponseComplete,Panic",
        ),
        (b"rules: [{level: None}]", "failed decoding: Object 'Kind' is missing in the policy"),
        (
            b"{apiVersion: v1, kind: Policy, rules: [{level: None}]}",
            'failed decoding: no kind "Policy" is registered for version "v1"',
        ),
    ],
)
def test_a_policy_that_cannot_be_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(text)
    assert str(refused.value) == message


def test_fields_that_are_not_known_are_passed_over() -> None:
    assert read(document({"level": "Metadata", "foo": 1})).rules[0].level == "Metadata"
