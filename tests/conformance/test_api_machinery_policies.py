"""Validating and mutating admission policies: what upstream's conformance suite asks of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from conformance.live_server import HOOKS, Document, Live, Said, live

API_VERSION = "admissionregistration.k8s.io/v1"
VERBS = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}


@pytest.fixture
async def api(server: Path) -> AsyncIterator[Live]:
    async with live(server) as made:
        yield made


def on_deployments(api: Live) -> Document:
    """What is done to deployments in the test's own namespace."""
    rule = {"operations": ["CREATE", "UPDATE"], "apiGroups": ["apps"], "apiVersions": ["v1"]}
    own = {"matchLabels": {api.namespace: "true"}}
    return {"resourceRules": [{**rule, "resources": ["deployments"]}], "namespaceSelector": own}


def policy(kind: str, name: str, spec: Document) -> Document:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def folder(kind: str) -> str:
    plural = f"{kind.lower()[:-1]}ies" if kind.endswith("Policy") else f"{kind.lower()}s"
    return f"{HOOKS}/{plural}"


def deployment(name: str, replicas: int, image: str = "nginx:1", **labels: str) -> Document:
    app = {"app": name}
    pod = {"metadata": {"labels": app}, "spec": {"containers": [{"name": "main", "image": image}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": app}, "template": pod}
    metadata = {"name": name, "labels": {**app, **labels}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


async def bind(api: Live, kind: str, name: str, **spec: Any) -> None:
    own = {"matchResources": {"namespaceSelector": {"matchLabels": {api.namespace: "true"}}}}
    await api.create(folder(f"{kind}Binding"), policy(f"{kind}Binding", name, {"policyName": name, **own, **spec}))


async def until_denied(api: Live, document: Document) -> Said:
    """Another server may take a moment to know of a policy."""
    while (said := await deploy(api, document)).status == 201:
        await api.delete(f"/apis/apps/v1/namespaces/{api.namespace}/deployments/{document['metadata']['name']}")
    return said


async def deploy(api: Live, document: Document) -> Said:
    return await api.typed("POST", f"/apis/apps/v1/namespaces/{api.namespace}/deployments", document)


async def checked(api: Live, name: str) -> Document:
    """The policy once its expressions have been looked at."""
    path = f"{folder('ValidatingAdmissionPolicy')}/{name}"
    return await api.until(path, lambda one: one.get("status", {}).get("typeChecking") is not None)


@pytest.mark.conformance("ValidatingAdmissionPolicy")
async def test_a_deployment_is_validated_by_an_expression(api: Live) -> None:
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": on_deployments(api),
        "validations": [
            {
                "expression": "object.spec.replicas > 1",
                "messageExpression": "'wants replicas > 1, got ' + string(object.spec.replicas)",
            },
            {"expression": "namespaceObject.metadata.name == object.metadata.namespace", "message": "wrong namespace"},
        ],
    }
    await api.create(folder("ValidatingAdmissionPolicy"), policy("ValidatingAdmissionPolicy", api.namespace, spec))
    found = await checked(api, api.namespace)
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"] == 1
    assert not found["status"]["typeChecking"].get("expressionWarnings")
    await bind(api, "ValidatingAdmissionPolicy", api.namespace, validationActions=["Deny"])
    said = await until_denied(api, deployment("one", 1))
    assert (said.status, said.reason) == (422, "Invalid")
    start = f"ValidatingAdmissionPolicy '{api.namespace}' with binding '{api.namespace}' denied request"
    assert said.message.endswith(f"{start}: wants replicas > 1, got 1")
    assert (await deploy(api, deployment("two", 2))).status == 201
    await clear(api, "ValidatingAdmissionPolicy")


@pytest.mark.conformance("ValidatingAdmissionPolicy")
async def test_expressions_refer_to_variables(api: Live) -> None:
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": on_deployments(api),
        "variables": [
            {"name": "replicas", "expression": "object.spec.replicas"},
            {"name": "oddReplicas", "expression": "variables.replicas % 2 == 1"},
        ],
        "validations": [
            {"expression": "variables.replicas > 1"},
            {"expression": "variables.oddReplicas"},
        ],
    }
    await api.create(folder("ValidatingAdmissionPolicy"), policy("ValidatingAdmissionPolicy", api.namespace, spec))
    found = await checked(api, api.namespace)
    assert not found["status"]["typeChecking"].get("expressionWarnings")
    await bind(api, "ValidatingAdmissionPolicy", api.namespace, validationActions=["Deny"])
    await until_denied(api, deployment("one", 1))
    said = await deploy(api, deployment("two", 2))
    assert said.message.endswith("denied request: failed expression: variables.oddReplicas")
    assert (await deploy(api, deployment("three", 3))).status == 201
    await clear(api, "ValidatingAdmissionPolicy")


@pytest.mark.conformance("MutatingAdmissionPolicy")
async def test_a_deployment_is_mutated_as_an_expression_says(api: Live) -> None:
    replicas = {"expression": "Object{spec: Object.spec{replicas: object.spec.replicas + 10}}"}
    mutations = [{"patchType": "ApplyConfiguration", "applyConfiguration": replicas}]
    assert (await mutated(api, mutations, lambda one: one["spec"]["replicas"] > 10))["spec"]["replicas"] == 11
    await clear(api, "MutatingAdmissionPolicy")


@pytest.mark.conformance("MutatingAdmissionPolicy")
async def test_a_deployment_is_given_annotations(api: Live) -> None:
    annotations = {"expression": "Object{metadata: Object.metadata{annotations: {'my-anno': 'myValue'}}}"}
    mutations = [
        {"patchType": "ApplyConfiguration", "applyConfiguration": annotations},
        {
            "patchType": "JSONPatch",
            "jsonPatch": {
                "expression": "[JSONPatch{op: 'add', path: '/metadata/annotations/' + "
                "jsonpatch.escapeKey('example.com/more'), value: variables.who}]"
            },
        },
    ]
    variables = [{"name": "who", "expression": "request.userInfo.username"}]
    found = await mutated(api, mutations, lambda one: "annotations" in one["metadata"], variables=variables)
    assert found["metadata"]["annotations"]["my-anno"] == "myValue"
    assert found["metadata"]["annotations"]["example.com/more"]
    await clear(api, "MutatingAdmissionPolicy")


async def mutated(api: Live, mutations: list[Document], holds: Any, **more: Any) -> Document:
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": on_deployments(api),
        "mutations": mutations,
        **more,
    }
    await api.create(folder("MutatingAdmissionPolicy"), policy("MutatingAdmissionPolicy", api.namespace, spec))
    await bind(api, "MutatingAdmissionPolicy", api.namespace)
    path = f"/apis/apps/v1/namespaces/{api.namespace}/deployments"
    while True:
        found = await api.create(path, deployment("one", 1))
        if holds(found):
            stored = await api.get(f"{path}/one")
            assert holds(stored)
            return stored
        await api.delete(f"{path}/one")


async def clear(api: Live, kind: str) -> None:
    for one in (f"{kind}Binding", kind):
        await api.delete(f"{folder(one)}/{api.namespace}")


SPECS: dict[str, Document] = {
    "ValidatingAdmissionPolicy": {
        "matchConstraints": {
            "resourceRules": [
                {"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}
            ],
            "namespaceSelector": {"matchLabels": {"nobody": "has-this"}},
        },
        "validations": [{"expression": "object.spec.replicas <= 100", "messageExpression": "'too many'"}],
    },
    "MutatingAdmissionPolicy": {
        "reinvocationPolicy": "IfNeeded",
        "matchConstraints": {
            "resourceRules": [
                {"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}
            ],
            "namespaceSelector": {"matchLabels": {"nobody": "has-this"}},
        },
        "mutations": [
            {
                "patchType": "ApplyConfiguration",
                "applyConfiguration": {"expression": "Object{spec: Object.spec{replicas: 1}}"},
            }
        ],
    },
    "ValidatingAdmissionPolicyBinding": {"policyName": "nobody", "validationActions": ["Deny"]},
    "MutatingAdmissionPolicyBinding": {"policyName": "nobody"},
}


@pytest.mark.conformance(
    "ValidatingAdmissionPolicy API",
    "ValidatingadmissionPolicyBinding API",
    "MutatingAdmissionPolicy API",
    "MutatingAdmissionPolicyBinding API",
)
@pytest.mark.parametrize("kind", list(SPECS))
async def test_policies_and_bindings_have_every_verb(api: Live, kind: str) -> None:
    await discovered(api, kind)
    path, label = folder(kind), {"special-label": api.namespace}

    def fresh(name: str) -> Document:
        made = policy(kind, name, deepcopy(SPECS[kind]))
        made["metadata"] = {"generateName": f"e2e-{name}-", "labels": label}
        return made

    selected = {"labelSelector": f"special-label={api.namespace}"}
    made = [await api.create(path, fresh(name)) for name in ("one", "two", "three")]
    one = f"{path}/{made[0]['metadata']['name']}"
    said = await api.typed("POST", path, {**fresh("x"), "metadata": {"name": made[0]["metadata"]["name"]}})
    assert (said.status, said.reason) == (409, "AlreadyExists")
    found = await api.get(one)
    assert found["metadata"]["uid"] == made[0]["metadata"]["uid"]
    assert len(await api.items(path, **selected)) == 3

    listed = (await api.get(path, **selected))["metadata"]["resourceVersion"]
    async with api.watch(path, resourceVersion=listed, **selected) as events:
        patched = await api.patch(one, {"metadata": {"annotations": {"patched": "true"}}})
        assert patched["metadata"]["annotations"]["patched"] == "true"
        patched["metadata"]["annotations"]["updated"] = "true"
        updated = await api.replace(one, patched)
        assert updated["metadata"]["annotations"] == {"patched": "true", "updated": "true"}
        for annotation in ("patched", "updated"):
            event = await changed(events, made[0]["metadata"]["uid"], annotation)
            assert event["metadata"]["annotations"][annotation] == "true"
        if kind == "ValidatingAdmissionPolicy":
            await status_is_read_and_written(api, one)
        await api.delete(one)
        while (event := await anext(events))[0] != "DELETED":
            pass
        assert event[1]["metadata"]["uid"] == made[0]["metadata"]["uid"]
    said = await api.send("GET", one)
    assert (said.status, said.reason) == (404, "NotFound")
    assert len(await api.items(path, **selected)) == 2
    await api.delete(path, **selected)
    assert await api.items(path, **selected) == []


async def discovered(api: Live, kind: str) -> None:
    groups = {group["name"]: group for group in (await api.get("/apis"))["groups"]}
    assert API_VERSION in [one["groupVersion"] for one in groups["admissionregistration.k8s.io"]["versions"]]
    group = await api.get("/apis/admissionregistration.k8s.io")
    assert API_VERSION in [one["groupVersion"] for one in group["versions"]]
    resources = {one["name"]: one for one in (await api.get(HOOKS))["resources"]}
    plural = folder(kind).rpartition("/")[2]
    assert {*resources[plural]["verbs"]} == VERBS
    assert resources[plural]["kind"] == kind
    if kind == "ValidatingAdmissionPolicy":
        assert {*resources[f"{plural}/status"]["verbs"]} == {"get", "patch", "update"}


async def changed(events: AsyncIterator[tuple[str, Document]], uid: str, annotation: str) -> Document:
    """The change that brought an annotation; the server may have written the status in between."""
    async for type, document in events:
        assert type == "MODIFIED"
        if annotation in document["metadata"].get("annotations", {}):
            assert document["metadata"]["uid"] == uid
            return document
    raise AssertionError("the watch ended")


async def status_is_read_and_written(api: Live, path: str) -> None:
    found = await api.get(f"{path}/status")

    def own(status: str) -> list[Document]:
        moment = "2026-01-01T00:00:00Z"
        return [
            {"type": "PolicyReady", "status": status, "reason": "E2E", "message": "Set", "lastTransitionTime": moment}
        ]

    patched = await api.patch(f"{path}/status", {"status": {"conditions": own("True")}, "spec": {"variables": None}})
    assert patched["status"]["conditions"] == own("True")
    assert patched["spec"] == found["spec"]
    patched["status"]["conditions"] = own("False")
    patched["metadata"].pop("resourceVersion")
    current = await api.get(path)
    patched["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"]
    updated = await api.replace(f"{path}/status", patched)
    assert updated["status"]["conditions"][0]["status"] == "False"
    assert (await api.get(path))["status"]["conditions"] == own("False")
