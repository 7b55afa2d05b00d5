from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pybernetes.api import errors, fields, meta
from pybernetes.api.fields import FieldError, at
from pybernetes.api.models import apps_v1, core_v1, meta_v1


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            fields.invalid(at.spec.replicas, -1, "must be greater than or equal to 0"),
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        (fields.required(at.spec.containers[0].image), "spec.containers[0].image: Required value"),
        (fields.required(at.spec.containers), "spec.containers: Required value"),
        (
            fields.not_supported(at.spec.type, "x", ["a", "b"]),
            'spec.type: Unsupported value: "x": supported values: "a", "b"',
        ),
        (fields.duplicate(at.data["a.b"], "x"), 'data[a.b]: Duplicate value: "x"'),
        (fields.forbidden(at.data, "no"), "data: Forbidden: no"),
        (fields.too_long(at.data, "", 1), "data: Too long: may not be more than 1 byte"),
        (fields.too_many(at.items, 11, 10), "items: Too many: 11: must have at most 10 items"),
        (fields.not_found(at.spec.x, "y"), 'spec.x: Not found: "y"'),
        (
            fields.invalid(at.spec.selector, meta_v1.LabelSelector(match_labels={"a": "b"}), "field is immutable"),
            'spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: field is immutable',
        ),
        (fields.invalid(at.a, True, "no"), "a: Invalid value: true: no"),
        (fields.invalid(at.a, None, "no"), "a: Invalid value: null: no"),
        (fields.invalid(at.a, 'say "x"\n', "no"), 'a: Invalid value: "say \\"x\\"\\n": no'),
    ],
)
def test_a_field_error_reads_as_upstream_writes_it(error: FieldError, text: str) -> None:
    assert str(error) == text


def test_invalid_lists_every_cause() -> None:
    problems = [fields.required(at.spec.selector), fields.invalid(at.spec.replicas, -1, "too small")]
    status = errors.invalid("apps", "Deployment", "web", problems).status()
    assert status["message"] == (
        'Deployment.apps "web" is invalid: [spec.selector: Required value, spec.replicas: Invalid value: -1: too small]'
    )
    assert status["details"] == {
        "name": "web",
        "group": "apps",
        "kind": "Deployment",
        "causes": [
            {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.selector"},
            {"reason": "FieldValueInvalid", "message": "Invalid value: -1: too small", "field": "spec.replicas"},
        ],
    }
    assert (status["code"], status["reason"]) == (422, "Invalid")


def test_one_error_stands_without_brackets_and_a_repeated_one_once() -> None:
    one = fields.required(at.spec)
    assert errors.invalid("", "Pod", "a", [one, one]).message == 'Pod "a" is invalid: spec: Required value'


def test_messages_name_resource_and_object() -> None:
    assert str(errors.not_found("deployments.apps", "web")) == 'deployments.apps "web" not found'
    assert str(errors.forbidden("pods", "", "no")) == "pods is forbidden: no"
    assert str(errors.conflict("pods", "a", "changed")) == 'Operation cannot be fulfilled on pods "a": changed'
    assert errors.not_found("deployments.apps", "web").status()["details"] == {
        "name": "web",
        "group": "apps",
        "kind": "deployments",
    }


def test_an_error_survives_the_wire() -> None:
    sent = errors.too_many_requests("slow down", retry_after=3)
    received = errors.ApiError.from_status(429, sent.status())
    assert (received.code, received.reason, received.message, received.retry_after) == (
        429,
        "TooManyRequests",
        "slow down",
        3,
    )


def test_a_response_without_a_status_still_has_a_reason() -> None:
    assert errors.ApiError.from_status(404, {}).reason == "NotFound"
    assert errors.ApiError.from_status(502, {}).reason == "InternalError"


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (fields.is_dns_subdomain, "a-b.c", "a,b"),
        (fields.is_dns_label, "web-1", "a.b"),
        (fields.is_dns1035_label, "web-1", "1web"),
        (fields.is_qualified_name, "example.com/Name_1", "a/b/c"),
        (fields.is_label_value, "", "-a"),
        (fields.is_config_key, ".bashrc", ".."),
        (fields.is_env_name, "MY.VAR", "1A"),
        (fields.is_port_name, "http", "80"),
        (fields.is_ip, "fe80::1", "10.0.0"),
        (fields.is_cidr, "10.0.0.0/8", "10.0.0.0"),
    ],
)
def test_names_are_checked(check, good: str, bad: str) -> None:  # type: ignore[no-untyped-def]
    assert check(good) == []
    assert check(bad)
    assert check(good + "\n") or good == ""


def test_the_message_of_a_wrong_name_is_upstreams() -> None:
    assert fields.is_dns_subdomain("a,b") == [
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    ]


def test_a_controller_reference_names_its_owner() -> None:
    owner = apps_v1.ReplicaSet(metadata=meta_v1.ObjectMeta(name="web", uid="1"))
    pod = core_v1.Pod(metadata=meta_v1.ObjectMeta(owner_references=[meta.owner_reference(owner)]))
    reference = meta.controller_of(pod)
    assert reference is not None
    assert (reference.api_version, reference.kind, reference.name) == ("apps/v1", "ReplicaSet", "web")
    assert meta.is_controlled_by(pod, owner)
    assert meta.controller_of(owner) is None


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    conditions = [core_v1.PodCondition(type="Ready", status="True", last_transition_time=early)]
    same = core_v1.PodCondition(type="Ready", status="True", last_transition_time=late)
    assert meta.set_condition(conditions, same) is False
    assert conditions[0].last_transition_time == early
    changed = core_v1.PodCondition(type="Ready", status="False", last_transition_time=late)
    assert meta.set_condition(conditions, changed) is True
    assert conditions[0].last_transition_time == late
    assert not meta.is_true(conditions, "Ready")


def test_times_are_read_and_written() -> None:
    moment = meta.parse_time("2026-01-02T15:04:05.123456+01:00")
    assert meta.format_time(moment) == "2026-01-02T14:04:05Z"
    assert meta.format_micro_time(moment) == "2026-01-02T14:04:05.123456Z"
    with pytest.raises(ValueError, match="no zone"):
        meta.parse_time("2026-01-02T15:04:05")
