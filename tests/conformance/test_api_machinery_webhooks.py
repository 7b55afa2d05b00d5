"""Admission webhooks behind services: what upstream's conformance suite asks of them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apiserver.hook_server import rule
from conformance.live_server import (
    DEFINITIONS,
    HOOKS,
    MERGE,
    STRATEGIC,
    UNWANTED,
    Document,
    Hooks,
    Live,
    config_map,
    definition,
    live,
    refused,
    respond,
    version,
)

CREATE, WRITE = ("CREATE",), ("CREATE", "UPDATE")


@pytest.fixture
async def api(server: Path) -> AsyncIterator[Live]:
    async with live(server) as made:
        yield made


@pytest.fixture
async def hooks(api: Live) -> AsyncIterator[Hooks]:
    async with api.hooks(respond) as made:
        yield made


def pod(name: str, container: str = "main", **labels: str) -> Document:
    metadata = {"name": name, "labels": {key.replace("_", "-"): value for key, value in labels.items()}}
    spec = {"containers": [{"name": container, "image": "registry.k8s.io/pause:3.10"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def of_group(api: Live, *versions: Document) -> Document:
    return definition(f"{api.namespace}.example.com", "E2e-test-webhook-crd", *versions)


def custom(made: Document, name: str, **data: str) -> Document:
    spec = made["spec"]
    group_version = f"{spec['group']}/{spec['versions'][0]['name']}"
    data = {key.replace("_", "-"): value for key, value in data.items()}
    return {"apiVersion": group_version, "kind": spec["names"]["kind"], "metadata": {"name": name}, "data": data}


def custom_rule(made: Document, *operations: str, versions: tuple[str, ...] = ("v1",)) -> Document:
    spec = made["spec"]
    return {
        "operations": list(operations),
        "apiGroups": [spec["group"]],
        "apiVersions": list(versions),
        "resources": [spec["names"]["plural"]],
    }


@pytest.mark.conformance("Admission webhook, discovery document")
async def test_discovery_tells_of_the_configurations_of_webhooks(api: Live) -> None:
    groups = {group["name"]: group for group in (await api.get("/apis"))["groups"]}
    versions = [one["groupVersion"] for one in groups["admissionregistration.k8s.io"]["versions"]]
    assert "admissionregistration.k8s.io/v1" in versions
    group = await api.get("/apis/admissionregistration.k8s.io")
    assert "admissionregistration.k8s.io/v1" in [one["groupVersion"] for one in group["versions"]]
    resources = [one["name"] for one in (await api.get(HOOKS))["resources"]]
    assert {"mutatingwebhookconfigurations", "validatingwebhookconfigurations"} <= {*resources}


@pytest.mark.conformance("Admission webhook, deny create")
async def test_what_does_not_comply_is_denied_but_not_in_an_exempt_namespace(api: Live, hooks: Hooks) -> None:
    of_pods = rule("pods", operations=CREATE, group="", version="v1")
    hanging = {"key": "hangs", "operator": "Exists"}
    pods = hooks.at("/pods", of_pods, objectSelector={"matchExpressions": [{**hanging, "operator": "DoesNotExist"}]})
    hangs = {"objectSelector": {"matchExpressions": [hanging]}, "timeoutSeconds": 1, "name": "hangs.k8s.io"}
    maps = hooks.at("/configmaps", rule("configmaps", operations=(*WRITE, "DELETE"), group="", version="v1"))
    exempt = {"matchExpressions": [{"key": "skip-webhook-admission", "operator": "NotIn", "values": ["yes"]}]}
    maps["namespaceSelector"] = {**maps["namespaceSelector"], **exempt}
    async with api.registered("Validating", api.namespace, pods, hooks.at("/pods", of_pods, **hangs), maps):
        bad_pod = pod("disallowed", "webhook-disallow", webhook_e2e_test="webhook-disallow")
        both = ("the pod contains unwanted container name", "the pod contains unwanted label")
        await refused(api, "POST", f"{api.core}/pods", bad_pod, *both)
        await refused(api, "POST", f"{api.core}/pods", pod("webhook-hangs", hangs="yes"), "webhook", "deadline")
        assert (await api.send("GET", f"{api.core}/pods/webhook-hangs")).status == 404

        bad_map = config_map("disallowed", webhook_e2e_test="webhook-disallow")
        await refused(api, "POST", f"{api.core}/configmaps", bad_map, UNWANTED)
        allowed = await api.create(f"{api.core}/configmaps", config_map("allowed", admit="this"))
        path = f"{api.core}/configmaps/allowed"
        data = {"admit": "this", "webhook-e2e-test": "webhook-disallow"}
        await refused(api, "PUT", path, {**allowed, "data": data}, UNWANTED)
        await refused(api, "PATCH", path, {"data": data}, UNWANTED, content=STRATEGIC)

        other = {"name": f"{api.namespace}-exempt", "labels": {api.namespace: "true", "skip-webhook-admission": "yes"}}
        await api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": other})
        await api.create(f"/api/v1/namespaces/{other['name']}/configmaps", bad_map)


@pytest.mark.conformance("Admission webhook, deny attach")
async def test_attaching_to_a_pod_is_denied(api: Live, hooks: Hooks, server: Path) -> None:
    running = await api.create(f"{api.core}/pods", {**pod("attached"), "spec": {**pod("x")["spec"], "nodeName": "n"}})
    status = {"phase": "Running", "containerStatuses": []}
    await api.replace(f"{api.core}/pods/attached/status", {**running, "status": status})
    connect = rule("pods/attach", operations=("CONNECT",), group="", version="v1")
    async with api.registered("Validating", api.namespace, hooks.at("/pods/attach", connect, name="attach.k8s.io")):
        words = [f"--kubeconfig={server}", f"--namespace={api.namespace}", "attach", "attached", "-i", "-c=main"]
        kubectl = str(Path(sys.executable).with_name("kubectl"))
        attached = await asyncio.to_thread(subprocess.run, [kubectl, *words], capture_output=True, text=True)
        assert attached.returncode != 0
        assert "attaching to pod 'attached' is not allowed" in attached.stderr


@pytest.mark.conformance("Admission webhook, deny custom resource create and delete")
async def test_custom_resources_are_denied_when_they_come_change_or_go(api: Live, hooks: Hooks) -> None:
    made = await api.define(of_group(api))
    path = api.custom(made)
    hook = hooks.at("/custom-resource", custom_rule(made, "CREATE", "UPDATE", "DELETE"))
    await api.create(path, custom(made, "there", webhook_e2e_test="webhook-disallow"))
    async with api.registered("Validating", api.namespace, hook):
        bad = custom(made, "bad", webhook_e2e_test="webhook-disallow")
        await refused(api, "POST", path, bad, UNWANTED, content="application/json")
        there = await api.get(f"{path}/there")
        await refused(api, "PUT", f"{path}/there", {**there, "extra": 1}, UNWANTED, content="application/json")
        await refused(api, "PATCH", f"{path}/there", {"extra": 1}, UNWANTED, content=MERGE)
        options = {"apiVersion": "v1", "kind": "DeleteOptions"}
        await refused(api, "DELETE", f"{path}/there", options, UNWANTED, content="application/json")
        assert (await api.get(f"{path}/there"))["data"] == {"webhook-e2e-test": "webhook-disallow"}
        await api.patch(f"{path}/there", {"data": {"webhook-e2e-test": "webhook-allow"}})
        await api.delete(f"{path}/there")
    await api.delete(f"{DEFINITIONS}/{made['metadata']['name']}")


@pytest.mark.conformance("Admission webhook, fail closed")
async def test_what_a_webhook_that_cannot_be_called_would_judge_is_denied(api: Live, hooks: Hooks) -> None:
    hook = hooks.at("/configmaps", rule("configmaps", operations=CREATE, group="", version="v1"))
    hook["clientConfig"] = {"service": {**hooks.service, "path": "/configmaps"}}
    async with api.registered("Validating", api.namespace, {**hook, "failurePolicy": "Fail"}):
        said = await api.typed("POST", f"{api.core}/configmaps", config_map("a"))
        assert (said.status, said.reason) == (500, "InternalError")
        assert said.message.startswith(f'Internal error occurred: failed calling webhook "{hook["name"]}"')


@pytest.mark.conformance("Admission webhook, ordered mutation")
async def test_a_mutation_builds_on_the_one_before(api: Live, hooks: Hooks) -> None:
    of_maps = rule("configmaps", operations=CREATE, group="", version="v1")
    first, second = (
        hooks.at("/mutating-configmaps", of_maps, name=f"adding-configmap-data-stage-{one}.k8s.io") for one in "12"
    )
    async with api.registered("Mutating", api.namespace, first, second):
        made = await api.create(f"{api.core}/configmaps", config_map("a", mutation_start="yes"))
        assert made["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes", "mutation-stage-2": "yes"}
        assert (await api.get(f"{api.core}/configmaps/a"))["data"] == made["data"]


@pytest.mark.conformance("Mutating Admission webhook, mutating webhook excluding object with specific name")
async def test_conditions_leave_an_object_out_by_its_name(api: Live, hooks: Hooks) -> None:
    of_maps = rule("configmaps", operations=CREATE, group="", version="v1")
    conditions = [{"name": "skip-me", "expression": "object.metadata.name != 'skip-me'"}]
    hook = hooks.at("/mutating-configmaps", of_maps, matchConditions=conditions)
    async with api.registered("Mutating", api.namespace, hook):
        skipped = await api.create(f"{api.core}/configmaps", config_map("skip-me", mutation_start="yes"))
        assert skipped["data"] == {"mutation-start": "yes"}
        other = await api.create(f"{api.core}/configmaps", config_map("other", mutation_start="yes"))
        assert other["data"]["mutation-stage-1"] == "yes"


@pytest.mark.conformance("Admission webhook, mutation with defaulting")
async def test_what_a_webhook_adds_gets_its_defaults(api: Live, hooks: Hooks) -> None:
    hook = hooks.at("/mutating-pods", rule("pods", operations=CREATE, group="", version="v1"))
    async with api.registered("Mutating", api.namespace, hook):
        made = await api.create(f"{api.core}/pods", pod("mutated"))
        (added,) = made["spec"]["initContainers"]
        assert added["name"] == "webhook-added-init-container"
        assert added["terminationMessagePolicy"] == "File"


@pytest.mark.conformance("Admission webhook, mutate custom resource")
async def test_custom_resources_are_mutated(api: Live, hooks: Hooks) -> None:
    made = await api.define(of_group(api))
    of_it = custom_rule(made, "CREATE", "UPDATE")
    stages = [hooks.at("/mutating-custom-resource", of_it, name=f"stage-{one}.k8s.io") for one in "12"]
    async with api.registered("Mutating", api.namespace, *stages):
        found = await api.create(api.custom(made), custom(made, "a", mutation_start="yes"))
        assert found["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes", "mutation-stage-2": "yes"}
    await api.delete(f"{DEFINITIONS}/{made['metadata']['name']}")


@pytest.mark.conformance("Admission webhook, mutate custom resource with pruning")
async def test_what_a_webhook_adds_beyond_the_schema_is_pruned(api: Live, hooks: Hooks) -> None:
    known = {name: {"type": "string"} for name in ("mutation-start", "mutation-stage-1")}
    schema = {"type": "object", "properties": {"data": {"type": "object", "properties": known}}}
    made = await api.define(of_group(api, version("v1", schema)))
    of_it = custom_rule(made, "CREATE", "UPDATE")
    stages = [hooks.at("/mutating-custom-resource", of_it, name=f"stage-{one}.k8s.io") for one in "12"]
    async with api.registered("Mutating", api.namespace, *stages):
        found = await api.create(api.custom(made), custom(made, "a", mutation_start="yes"))
        assert found["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes"}
        assert (await api.get(f"{api.custom(made)}/a"))["data"] == found["data"]
    await api.delete(f"{DEFINITIONS}/{made['metadata']['name']}")


@pytest.mark.conformance("Admission webhook, mutate custom resource with different stored version")
async def test_a_change_of_the_stored_version_leaves_mutations_as_they_are(api: Live, hooks: Hooks) -> None:
    made = await api.define(of_group(api, version("v1"), version("v2", storage=False)))
    hook = hooks.at("/mutating-custom-resource", custom_rule(made, "CREATE", "UPDATE", versions=("v1",)))
    path = api.custom(made)
    async with api.registered("Mutating", api.namespace, hook):
        first = await api.create(path, custom(made, "a", mutation_start="yes"))
        assert first["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes"}
        versions = [version("v1", storage=False), version("v2")]
        name = made["metadata"]["name"]
        changed = await api.patch(f"{DEFINITIONS}/{name}", {"spec": {"versions": versions}})
        assert changed["status"]["storedVersions"] == ["v1", "v2"]
        patched = await api.patch(f"{path}/a", {"data": {"mutation-start": "yes", "added": "now"}})
        assert patched["data"]["added"] == "now"
        assert patched["data"]["mutation-stage-2"] == "yes"
        assert patched["apiVersion"].endswith("/v1")
        assert (await api.get(f"{api.custom(made, 'v2')}/a"))["data"] == patched["data"]
    await api.delete(f"{DEFINITIONS}/{made['metadata']['name']}")


@pytest.mark.conformance("Admission webhook, deny custom resource definition")
async def test_the_creation_of_a_definition_is_denied(api: Live, hooks: Hooks) -> None:
    of_definitions = rule("customresourcedefinitions", operations=CREATE, group="apiextensions.k8s.io", version="*")
    hook = hooks.at("/crd", of_definitions, objectSelector={"matchLabels": {api.namespace: "true"}})
    made = of_group(api)
    made["metadata"]["labels"] = {"webhook-e2e-test": "webhook-disallow", api.namespace: "true"}
    async with api.registered("Validating", api.namespace, hook):
        await refused(api, "POST", DEFINITIONS, made, "the custom resource definition contains unwanted label")
        assert (await api.send("GET", f"{DEFINITIONS}/{made['metadata']['name']}")).status == 404


@pytest.mark.conformance("Admission webhook, honor timeout")
@pytest.mark.parametrize(
    ("timeout", "policy", "passes"), [(1, "Fail", False), (1, "Ignore", True), (10, "Fail", True), (None, "Fail", True)]
)
async def test_a_slow_webhook_has_as_long_as_its_configuration_says(
    api: Live, hooks: Hooks, timeout: int | None, policy: str, passes: bool
) -> None:
    hook = hooks.at("/slow", rule("configmaps", operations=CREATE, group="", version="v1"), failurePolicy=policy)
    if timeout is not None:
        hook["timeoutSeconds"] = timeout
    async with api.registered("Validating", api.namespace, hook):
        said = await api.typed("POST", f"{api.core}/configmaps", config_map("a"))
        if passes:
            assert said.status == 201
        else:
            assert (said.status, said.reason) == (500, "InternalError")
            assert said.message.endswith("context deadline exceeded")
