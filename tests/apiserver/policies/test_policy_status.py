"""The status of validating policies: what their expressions would trip over, by the types of what they are about."""

from __future__ import annotations

import asyncio
from typing import Any

from apiserver.serving import Talk, serving
from pybernetes.apiserver.assembly import assemble
from pybernetes.store.memory import MemoryStore

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
DEPLOYMENTS = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}


def policy(*expressions: str, **more: Any) -> dict[str, Any]:
    validations = [{"expression": expression} for expression in expressions]
    constraints = {"resourceRules": [DEPLOYMENTS]}
    return {"metadata": {"name": "p"}, "spec": {"matchConstraints": constraints, "validations": validations, **more}}


async def observed(talk: Talk, generation: int = 1) -> dict[str, Any]:
    """The status, once that generation was looked at."""
    watching = await talk.watch(POLICIES)
    async with asyncio.timeout(120):
        while True:
            _, seen = await watching.next()
            status: dict[str, Any] = seen["status"]
            if status.get("observedGeneration") == generation:
                return status


async def status_of(document: dict[str, Any]) -> dict[str, Any]:
    async with serving() as talk:
        made = await talk.post(POLICIES, document)
        assert made.status == 201, made.message
        return await observed(talk)


async def test_a_policy_without_faults_has_been_looked_at() -> None:
    assert await status_of(policy("object.spec.replicas > 1")) == {"observedGeneration": 1, "typeChecking": {}}


async def test_a_field_that_a_kind_does_not_have_is_told_of() -> None:
    status = await status_of(policy("true", "object.spec.foo == 1"))
    assert status["typeChecking"]["expressionWarnings"] == [
        {
            "fieldRef": "spec.validations[1].expression",
            "warning": (
                "apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'foo'\n"
                " | object.spec.foo == 1\n"
                " | ...........^\n"
            ),
        }
    ]


async def test_each_kind_that_a_rule_names_is_checked() -> None:
    rule = {**DEPLOYMENTS, "resources": ["replicasets", "deployments", "deployments/scale"]}
    status = await status_of(policy("object.spec.strategy.type == ''", matchConstraints={"resourceRules": [rule]}))
    (warning,) = status["typeChecking"]["expressionWarnings"]
    assert warning["warning"].startswith("apps/v1, Kind=ReplicaSet: ERROR: <input>:1:12: undefined field 'strategy'\n")
    assert "Deployment" not in warning["warning"]


async def test_rules_with_wildcards_are_not_checked() -> None:
    rule = {**DEPLOYMENTS, "apiVersions": ["*"]}
    status = await status_of(policy("object.nothing == 1", matchConstraints={"resourceRules": [rule]}))
    assert status["typeChecking"] == {}


async def test_variables_and_parameters_have_types_too() -> None:
    status = await status_of(
        policy(
            "variables.replicas == 'a'",
            "params.data.size() > 0 && params.date == 1",
            variables=[{"name": "replicas", "expression": "object.spec.replicas"}],
            paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        )
    )
    first, second = (one["warning"] for one in status["typeChecking"]["expressionWarnings"])
    assert "found no matching overload for '_==_' applied to '(int, string)'" in first
    assert "undefined field 'date'" in second


async def test_a_message_expression_is_checked_as_well() -> None:
    document = policy("true")
    document["spec"]["validations"][0]["messageExpression"] = "string(object.spec.port)"
    status = await status_of(document)
    (warning,) = status["typeChecking"]["expressionWarnings"]
    assert warning["fieldRef"] == "spec.validations[0].messageExpression"


async def test_a_changed_policy_is_looked_at_again() -> None:
    async with serving() as talk:
        await talk.post(POLICIES, policy("object.spec.foo == 1"))
        assert (await observed(talk))["typeChecking"]["expressionWarnings"]
        await talk.patch(f"{POLICIES}/p", {"spec": {"validations": [{"expression": "true"}]}})
        assert await observed(talk, 2) == {"observedGeneration": 2, "typeChecking": {}}


async def test_its_fields_are_applied_under_upstreams_name() -> None:
    async with serving() as talk:
        await talk.post(POLICIES, policy("true"))
        await observed(talk)
        managed = (await talk.get(f"{POLICIES}/p")).body["metadata"]["managedFields"]
        (applied,) = [one for one in managed if one["manager"] == "validatingadmissionpolicy-status-controller"]
        assert (applied["operation"], applied["subresource"]) == ("Apply", "status")


async def test_policies_of_before_are_looked_at_when_a_server_starts() -> None:
    store = MemoryStore()
    async with serving(store=store) as talk:
        await talk.post(POLICIES, policy("object.spec.foo == 1"))
        before = await observed(talk)
    assembled = assemble(store)
    await assembled.start()
    try:
        assert await observed(Talk(assembled)) == before
    finally:
        await assembled.stop()
