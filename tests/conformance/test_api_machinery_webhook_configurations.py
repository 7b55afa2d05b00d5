"""Configurations of webhooks: how they come and go, change, and what they may not say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from apiserver.hook_server import rule
from conformance.live_server import (
    HOOKS,
    JSON_PATCH,
    UNWANTED,
    Document,
    Hooks,
    Live,
    config_map,
    configuration,
    live,
    refused,
    respond,
)

CREATE = ("CREATE",)


@pytest.fixture
async def api(server: Path) -> AsyncIterator[Live]:
    async with live(server) as made:
        yield made


@pytest.fixture
async def hooks(api: Live) -> AsyncIterator[Hooks]:
    async with api.hooks(respond) as made:
        yield made


@pytest.mark.conformance("Admission webhook, update validating webhook")
async def test_a_validating_webhook_counts_as_its_configuration_is_changed(api: Live, hooks: Hooks) -> None:
    hook = hooks.at("/configmaps", rule("configmaps", operations=CREATE, group="", version="v1"))
    bad = config_map("a", webhook_e2e_test="webhook-disallow")
    async with api.registered("Validating", api.namespace, hook) as path:
        await refused(api, "POST", f"{api.core}/configmaps", bad, UNWANTED)
        found = await api.get(path)
        found["webhooks"][0]["rules"][0]["operations"] = ["UPDATE"]
        await api.replace(path, found)
        await eventually_passes(api, bad)
        operations = [{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["CREATE"]}]
        await api.patch(path, operations, JSON_PATCH)
        await eventually_refused(api, bad)


@pytest.mark.conformance("Admission webhook, update mutating webhook")
async def test_a_mutating_webhook_counts_as_its_configuration_is_changed(api: Live, hooks: Hooks) -> None:
    hook = hooks.at("/mutating-configmaps", rule("configmaps", operations=CREATE, group="", version="v1"))
    begun = config_map("a", mutation_start="yes")
    async with api.registered("Mutating", api.namespace, hook) as path:
        found = await api.get(path)
        found["webhooks"][0]["rules"][0]["operations"] = ["UPDATE"]
        await api.replace(path, found)
        assert "mutation-stage-1" not in (await eventually(api, begun, lambda one: len(one["data"]) == 1))["data"]
        operations = [{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["CREATE"]}]
        await api.patch(path, operations, JSON_PATCH)
        assert (await eventually(api, begun, lambda one: len(one["data"]) == 2))["data"]["mutation-stage-1"] == "yes"


@pytest.mark.conformance("Admission webhook, list validating webhooks")
async def test_validating_webhooks_are_listed_and_deleted_by_their_label(api: Live, hooks: Hooks) -> None:
    hook = hooks.at("/configmaps", rule("configmaps", operations=CREATE, group="", version="v1"))
    bad = config_map("a", webhook_e2e_test="webhook-disallow")
    await ten_of(api, "Validating", hook)
    await refused(api, "POST", f"{api.core}/configmaps", bad, UNWANTED)
    await all_gone(api, "Validating")
    await eventually_passes(api, bad)


@pytest.mark.conformance("Admission webhook, list mutating webhooks")
async def test_mutating_webhooks_are_listed_and_deleted_by_their_label(api: Live, hooks: Hooks) -> None:
    hook = hooks.at("/mutating-configmaps", rule("configmaps", operations=CREATE, group="", version="v1"))
    begun = config_map("a", mutation_start="yes")
    await ten_of(api, "Mutating", hook)
    await eventually(api, begun, lambda one: one["data"].get("mutation-stage-1") == "yes")
    await all_gone(api, "Mutating")
    await eventually(api, begun, lambda one: len(one["data"]) == 1)


@pytest.mark.conformance("Admission webhook, admission control not allowed on webhook configuration objects")
async def test_configurations_of_webhooks_are_out_of_reach_of_webhooks(api: Live, hooks: Hooks) -> None:
    of_configurations = rule(
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
        operations=("CREATE", "UPDATE", "DELETE"),
        group="admissionregistration.k8s.io",
    )
    chosen = {"objectSelector": {"matchLabels": {api.namespace: "true"}}, "failurePolicy": "Fail"}
    deny = hooks.at("/always-deny", of_configurations, **chosen)
    label = hooks.at("/add-label", of_configurations, **chosen)
    for one in (deny, label):
        del one["namespaceSelector"]
    async with (
        api.registered("Validating", api.namespace, deny),
        api.registered("Mutating", api.namespace, label),
    ):
        for kind in ("Validating", "Mutating"):
            folder = f"{HOOKS}/{kind.lower()}webhookconfigurations"
            name = f"{api.namespace}-dummy"
            dummy = configuration(kind, name, {**deny, "name": "dummy.k8s.io"}, labels={api.namespace: "true"})
            dummy["webhooks"][0]["rules"] = [rule("invalid", operations=CREATE, group="")]
            made = await api.create(folder, dummy)
            assert made["metadata"]["labels"] == {api.namespace: "true"}
            await api.delete(f"{folder}/{name}")
            assert (await api.send("GET", f"{folder}/{name}")).status == 404
    assert not hooks.server.asked


@pytest.mark.conformance(
    "Mutating Admission webhook, create and update mutating webhook configuration with matchConditions",
    "Validating Admission webhook, create and update validating webhook configuration with matchConditions",
)
@pytest.mark.parametrize("kind", ["Mutating", "Validating"])
async def test_conditions_are_stored_and_changed(api: Live, hooks: Hooks, kind: str) -> None:
    first = [{"name": "expression-1", "expression": "object.metadata.namespace == 'production'"}]
    then = [
        {"name": "expression-1", "expression": "object.metadata.namespace == 'production'"},
        {"name": "expression-2", "expression": "object.metadata.namespace == 'staging'"},
    ]
    hook = hooks.at("/always-deny", rule("configmaps", operations=CREATE, group=""), matchConditions=first)
    async with api.registered(kind, api.namespace, hook) as path:
        found = await api.get(path)
        assert found["webhooks"][0]["matchConditions"] == first
        found["webhooks"][0]["matchConditions"] = then
        await api.replace(path, found)
        assert (await api.get(path))["webhooks"][0]["matchConditions"] == then


@pytest.mark.conformance(
    "Mutating Admission webhook, reject mutating webhook configurations with invalid matchConditions",
    "Validing Admission webhook, reject validating webhook configurations with invalid matchConditions",
)
@pytest.mark.parametrize("kind", ["Mutating", "Validating"])
async def test_conditions_that_do_not_compile_are_refused(api: Live, hooks: Hooks, kind: str) -> None:
    wrong = [{"name": "invalid-expression-1", "expression": "... [] bad expression"}]
    hook = hooks.at("/always-deny", rule("configmaps", operations=CREATE, group=""), matchConditions=wrong)
    path = f"{HOOKS}/{kind.lower()}webhookconfigurations"
    said = await api.typed("POST", path, configuration(kind, api.namespace, hook))
    assert (said.status, said.reason) == (422, "Invalid")
    assert "compilation failed" in said.message
    assert (await api.send("GET", f"{path}/{api.namespace}")).status == 404


async def eventually(api: Live, document: Document, holds: Any) -> Document:
    """Writes it until what comes of it is as it is waited for; another server may not know of a change yet."""
    while True:
        said = await api.typed("POST", f"{api.core}/configmaps", document)
        if said.status == 201:
            await api.delete(f"{api.core}/configmaps/{document['metadata']['name']}")
            if holds(said.document):
                found: Document = said.document
                return found


async def eventually_passes(api: Live, document: Document) -> None:
    await eventually(api, document, lambda _: True)


async def eventually_refused(api: Live, document: Document) -> None:
    while (said := await api.typed("POST", f"{api.core}/configmaps", document)).status == 201:
        await api.delete(f"{api.core}/configmaps/{document['metadata']['name']}")
    assert UNWANTED in said.message


async def ten_of(api: Live, kind: str, hook: Document) -> None:
    folder = f"{HOOKS}/{kind.lower()}webhookconfigurations"
    for number in range(10):
        one = configuration(kind, f"{api.namespace}-{number}", hook, labels={"e2e-list-test-uuid": api.namespace})
        await api.create(folder, one)
    found = await api.items(folder, labelSelector=f"e2e-list-test-uuid={api.namespace}")
    assert [one["metadata"]["name"] for one in found] == [f"{api.namespace}-{number}" for number in range(10)]


async def all_gone(api: Live, kind: str) -> None:
    folder = f"{HOOKS}/{kind.lower()}webhookconfigurations"
    selected = f"e2e-list-test-uuid={api.namespace}"
    await api.delete(folder, labelSelector=selected)
    assert await api.items(folder, labelSelector=selected) == []
