"""Validating admission policies: who is refused, and with which words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.serving import CONFIG_MAPS, Answer, Talk, config_map, serving

REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}


async def seen(talk: Talk) -> None:
    """Policies count as soon as the server has seen them."""
    await talk.server.watch_cache.at_least(talk.server.store.revision)


async def declare(talk: Talk, spec: Mapping[str, Any], *, binding: Mapping[str, Any] | None = None) -> None:
    constraints = {"resourceRules": [RULE]}
    policy = {"metadata": {"name": "p"}, "spec": {"matchConstraints": constraints, **spec}}
    bound = {"policyName": "p", "validationActions": ["Deny"], **(binding or {})}
    for plural, document in (
        ("validatingadmissionpolicies", policy),
        ("validatingadmissionpolicybindings", {"metadata": {"name": "b"}, "spec": bound}),
    ):
        made = await talk.post(f"{REGISTRATION}/{plural}", document)
        assert made.status == 201, made.message
    await seen(talk)


def validation(expression: str, **more: str) -> dict[str, Any]:
    return {"validations": [{"expression": expression, **more}]}


async def create(talk: Talk, name: str = "c", **data: str) -> Answer:
    return await talk.post(CONFIG_MAPS, config_map(name, **data))


async def test_what_breaks_a_validation_is_refused() -> None:
    async with serving() as talk:
        await declare(talk, validation("object.data.a == '1'", message="must be one"))
        refused = await create(talk, a="2")
        message = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: must be one"
        assert refused.status == 422
        assert refused.message == f'configmaps "c" is forbidden: {message}'
        assert refused.body["reason"] == "Invalid"
        assert refused.body["details"]["causes"] == [{"message": message}]
        assert (await create(talk, a="1")).status == 201


async def test_the_reason_and_the_message_may_be_stated() -> None:
    async with serving() as talk:
        await declare(
            talk,
            {
                "variables": [{"name": "count", "expression": "size(object.data)"}],
                **validation(
                    "variables.count > 1",
                    messageExpression="request.operation + ' of ' + string(variables.count)",
                    reason="Forbidden",
                ),
            },
        )
        refused = await create(talk, a="2")
        assert (refused.status, refused.body["reason"]) == (403, "Forbidden")
        assert refused.message.endswith("denied request: CREATE of 1")


async def test_an_expression_that_fails_refuses_unless_failures_are_ignored() -> None:
    async with serving() as talk:
        await declare(talk, validation("object.data.missing == '1'"))
        refused = await create(talk, a="2")
        assert refused.message.endswith(
            "denied request: expression 'object.data.missing == '1'' resulted in error: no such key: missing"
        )
    async with serving() as talk:
        await declare(talk, {**validation("object.data.missing == '1'"), "failurePolicy": "Ignore"})
        assert (await create(talk, a="2")).status == 201


async def test_warnings_let_the_write_pass() -> None:
    async with serving() as talk:
        await declare(talk, validation("false", message="hm"), binding={"validationActions": ["Warn"]})
        made = await create(talk)
        assert made.status == 201
        assert list(made.response.warnings) == [
            "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': hm"
        ]


async def test_conditions_and_selectors_say_who_is_concerned() -> None:
    async with serving() as talk:
        conditions = [{"name": "mine", "expression": "object.metadata.name.startsWith('m')"}]
        selector = {"objectSelector": {"matchLabels": {"on": "yes"}}}
        await declare(
            talk, {"matchConditions": conditions, **validation("false")}, binding={"matchResources": selector}
        )
        answers = [
            await talk.post(CONFIG_MAPS, config_map(name, labels))
            for name, labels in (("m1", {"on": "yes"}), ("x", {"on": "yes"}), ("m2", {"on": "no"}))
        ]
        assert [answer.status for answer in answers] == [422, 201, 201]


async def test_parameters_are_taken_from_the_object_that_the_binding_names() -> None:
    async with serving() as talk:
        spec = {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}
        ref = {"name": "limits", "parameterNotFoundAction": "Deny"}
        rule = validation("object.metadata.name == 'limits' || size(object.data) <= int(params.data.max)")
        await declare(talk, {**spec, **rule}, binding={"paramRef": ref})
        missing = await create(talk, a="1")
        assert missing.message.endswith(
            "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
        )
        await talk.delete(f"{REGISTRATION}/validatingadmissionpolicybindings/b")
        await seen(talk)
        assert (await create(talk, "limits", max="1")).status == 201
        binding = {"policyName": "p", "validationActions": ["Deny"], "paramRef": ref}
        await talk.post(
            f"{REGISTRATION}/validatingadmissionpolicybindings", {"metadata": {"name": "b"}, "spec": binding}
        )
        await seen(talk)
        assert (await create(talk, "one", a="1")).status == 201
        assert (await create(talk, "two", a="1", b="2")).status == 422


async def test_an_unknown_kind_of_parameters_is_told() -> None:
    async with serving() as talk:
        kind = {"apiVersion": "none.example/v1", "kind": "None"}
        await declare(talk, {"paramKind": kind, **validation("true")})
        assert (await create(talk)).message.endswith(
            "ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: "
            "failed to find resource referenced by paramKind: 'none.example/v1, Kind=None'"
        )


async def test_expressions_may_ask_what_the_user_may_do() -> None:
    async with serving() as talk:
        asking = "authorizer.group('').resource('pods').namespace('default').check('list').allowed()"
        await declare(talk, validation(f"{asking} && authorizer.requestResource.check('create').allowed()"))
        assert (await create(talk)).status == 201


async def test_a_policy_counts_only_while_it_is_bound() -> None:
    async with serving() as talk:
        await declare(talk, validation("false"))
        assert (await create(talk)).status == 422
        await talk.delete(f"{REGISTRATION}/validatingadmissionpolicybindings/b")
        await seen(talk)
        assert (await create(talk)).status == 201


async def test_policies_with_wrong_expressions_are_not_taken() -> None:
    async with serving() as talk:
        spec = {"matchConstraints": {"resourceRules": [RULE]}, **validation("variables.x == request.nope")}
        refused = await talk.post(
            f"{REGISTRATION}/validatingadmissionpolicies", {"metadata": {"name": "p"}, "spec": spec}
        )
        assert refused.status == 422
        [cause] = refused.body["details"]["causes"]
        assert cause["field"] == "spec.validations[0].expression"
        assert "undeclared reference to 'variables'" in cause["message"]
        assert "undefined field 'nope'" in cause["message"]
