"""Fields that are unknown or stated twice, and small answers of the server: what conformance asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conformance.live_server import (
    APPLY,
    DEFINITIONS,
    JSON,
    JSON_PATCH,
    MERGE,
    OPEN,
    STRATEGIC,
    Document,
    Live,
    Said,
    definition,
    live,
    version,
)

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
SPEC: Document = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "foo": {"type": "string"},
                "cronSpec": {"type": "string", "pattern": r"^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$"},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
                    "x-kubernetes-list-type": "map",
                    "items": {
                        "type": "object",
                        "required": ["containerPort", "protocol"],
                        "properties": {
                            "containerPort": {"type": "integer", "format": "int32"},
                            "protocol": {"type": "string"},
                            "hostPort": {"type": "integer", "format": "int32"},
                        },
                    },
                },
                "knownField1": {"type": "string"},
            },
        }
    },
}
EMBEDDED: Document = {
    "type": "object",
    "properties": {
        "spec": OPEN,
        "embedded": {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        },
    },
}


@pytest.fixture
async def api(server: Path) -> AsyncIterator[Live]:
    async with live(server) as made:
        yield made


async def strictly(api: Live, method: str, path: str, body: str, content: str = JSON) -> Said:
    owner = {"fieldManager": "field_validation_mgr"} if content == APPLY else {}
    return await api.send(method, path, body.encode(), content, fieldValidation="Strict", **owner)


async def refuses(api: Live, method: str, path: str, body: str, *ends: str, content: str = JSON) -> None:
    """What is told ends in one of these ways: which field is found first is left open where fields are applied."""
    said = await strictly(api, method, path, body, content)
    assert said.status >= 400
    assert said.message.endswith(ends), said.message


def deployment(name: str = "dup", metadata: str = "", spec: str = "", container: str = "") -> str:
    labels = '"labels": {"app": "nginx"}'
    containers = f'[{{"name": "nginx", "image": "nginx:latest", {container} "imagePullPolicy": "Always"}}]'
    template = f'{{"metadata": {{{labels}}}, "spec": {{"containers": {containers}}}}}'
    selector = '"selector": {"matchLabels": {"app": "nginx"}}'
    return (
        f'{{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {{"name": "{name}", {metadata} {labels}}}, '
        f'"spec": {{{spec} {selector}, "template": {template}}}}}'
    )


UNKNOWN_AND_TWICE = {
    "spec": '"unknown1": "val1", "unknownDupe": "v", "unknownDupe": "w", "paused": true, "paused": false,',
    "container": '"unknownNested": "val1", "imagePullPolicy": "Never",',
}
IN_YAML = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: in-yaml
  labels: {app: nginx}
spec:
  unknown1: val1
  paused: true
  paused: false
  selector:
    matchLabels: {app: nginx}
  template:
    metadata:
      labels: {app: nginx}
    spec:
      containers:
      - name: nginx
        image: nginx:latest
        unknownNested: val1
"""


@pytest.mark.conformance("Server side field validation, typed object")
async def test_unknown_and_repeated_fields_of_a_typed_object_are_refused(api: Live) -> None:
    path = f"/apis/apps/v1/namespaces/{api.namespace}/deployments"
    told = (
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
        'unknown field "spec.unknown1", unknown field "spec.unknownDupe", duplicate field "spec.paused", '
        'unknown field "spec.template.spec.containers[0].unknownNested", '
        'duplicate field "spec.template.spec.containers[0].imagePullPolicy"'
    )
    bad = deployment(**UNKNOWN_AND_TWICE)
    await refuses(api, "POST", path, bad, told)
    assert (await strictly(api, "POST", path, deployment())).status == 201
    await refuses(api, "PUT", f"{path}/dup", bad, told)
    patch = (
        '{"spec": {"unknown1": 1, "paused": true, "paused": false, '
        '"template": {"spec": {"containers": [{"name": "nginx", "unknownNested": 1}]}}}}'
    )
    unknown = 'unknown field "spec.template.spec.containers[0].unknownNested", unknown field "spec.unknown1"'
    for content in (MERGE, STRATEGIC):
        end = f'strict decoding error: duplicate field "spec.paused", {unknown}'
        await refuses(api, "PATCH", f"{path}/dup", patch, end, content=content)
    operations = (
        '[{"op": "add", "path": "/spec/unknown1", "value": 1, "foo": 2}, '
        '{"op": "add", "path": "/spec/paused", "value": true, "value": false}, '
        '{"op": "add", "path": "/spec/template/spec/containers/0/unknownNested", "value": 1}]'
    )
    of_patch = 'json patch unknown field "[0].foo", json patch duplicate field "[1].value", '
    end = f"strict decoding error: {of_patch}{unknown}"
    await refuses(api, "PATCH", f"{path}/dup", operations, end, content=JSON_PATCH)
    told = (
        'strict decoding error: yaml: unmarshal errors:\n  line 10: key "paused" already set in map, '
        'unknown field "spec.template.spec.containers[0].unknownNested", unknown field "spec.unknown1"'
    )
    await refuses(api, "POST", path, IN_YAML, told, content="application/yaml")
    applied = deployment("applied", spec='"unknown1": "val1",')
    end = ".spec.unknown1: field not declared in schema"
    await refuses(api, "PATCH", f"{path}/applied", applied, end, content=APPLY)
    twice = deployment("applied", spec='"paused": true, "paused": false,')
    end = 'line 1: key "paused" already set in map'
    await refuses(api, "PATCH", f"{path}/applied", twice, end, content=APPLY)
    found = await api.get(f"{path}/dup")
    assert found["metadata"]["generation"] == 1


@pytest.mark.conformance("Server side field validation, typed unknown metadata")
async def test_unknown_metadata_of_a_typed_object_is_refused(api: Live) -> None:
    path = f"/apis/apps/v1/namespaces/{api.namespace}/deployments"
    bad = deployment(metadata='"unknownMeta": "unknownVal",')
    await refuses(api, "POST", path, bad, 'strict decoding error: unknown field "metadata.unknownMeta"')
    end = ".metadata.unknownMeta: field not declared in schema"
    await refuses(api, "PATCH", f"{path}/dup", bad, end, content=APPLY)
    assert (await api.send("GET", f"{path}/dup")).status == 404


@pytest.mark.conformance(
    "Server side field validation, unknown fields CR no validation schema",
    "Server side field validation, CR duplicates",
)
async def test_a_kind_without_a_schema_takes_every_field_once(api: Live) -> None:
    made = await api.define(definition(f"{api.namespace}.example.com", "Free"))
    path = api.custom(made)

    def free(name: str, spec: str) -> str:
        api_version = f"{made['spec']['group']}/v1"
        return f'{{"apiVersion": "{api_version}", "kind": "Free", "metadata": {{"name": "{name}"}}, "spec": {spec}}}'

    many = free("a", '{"unknown1": "val1", "ports": [{"name": "x"}]}')
    applied = await strictly(api, "PATCH", f"{path}/a", many, APPLY)
    assert (applied.status, applied.document["spec"]["unknown1"]) == (201, "val1")
    changed = await strictly(api, "PATCH", f"{path}/a", free("a", '{"unknown1": "val2"}'), APPLY)
    assert (changed.status, changed.document["spec"]) == (200, {"unknown1": "val2"})
    twice = '{"x": 1, "x": 2, "ports": [{"name": "x", "name": "y"}]}'
    told = 'strict decoding error: duplicate field "spec.x", duplicate field "spec.ports[0].name"'
    await refuses(api, "POST", path, free("b", twice), told)
    await refuses(api, "PUT", f"{path}/a", free("a", twice), told)
    await refuses(api, "PATCH", f"{path}/a", free("a", twice), told, content=MERGE)
    end = 'line 1: key "x" already set in map\n  line 1: key "name" already set in map'
    await refuses(api, "PATCH", f"{path}/a", free("a", twice), end, content=APPLY)
    await api.delete(f"{DEFINITIONS}/{made['metadata']['name']}")


@pytest.mark.conformance(
    "Server side field validation, valid CR with validation schema",
    "Server side field validation, unknown fields CR fails validation",
)
async def test_a_kind_with_a_schema_takes_what_is_in_it(api: Live) -> None:
    made = await api.define(definition(f"{api.namespace}.example.com", "Bound", version("v1", SPEC)))
    path = api.custom(made)

    def bound(name: str, extra: str = "", of_port: str = "") -> str:
        port = f'{{"containerPort": 8080, "protocol": "TCP", {of_port} "hostPort": 8081}}'
        spec = f'{{{extra} "foo": "foo1", "cronSpec": "* * * * */5", "ports": [{port}]}}'
        api_version = f"{made['spec']['group']}/v1"
        return f'{{"apiVersion": "{api_version}", "kind": "Bound", "metadata": {{"name": "{name}"}}, "spec": {spec}}}'

    assert (await strictly(api, "PATCH", f"{path}/a", bound("a"), APPLY)).status == 201
    assert (await strictly(api, "PATCH", f"{path}/a", bound("a"), APPLY)).status == 200
    assert (await strictly(api, "POST", path, bound("b"))).status == 201
    extra, of_port = '"extraProperty": "arbitrary-value",', '"more": 1,'
    end = ".spec.extraProperty: field not declared in schema"
    for name in ("a", "c"):
        await refuses(api, "PATCH", f"{path}/{name}", bound(name, extra), end, content=APPLY)
    told = 'strict decoding error: unknown field "spec.extraProperty", unknown field "spec.ports[0].more"'
    await refuses(api, "POST", path, bound("c", extra, of_port), told)
    await refuses(api, "PUT", f"{path}/a", bound("a", extra, of_port), told)
    await refuses(api, "PATCH", f"{path}/a", bound("a", extra, of_port), told, content=MERGE)
    missing = bound("c").replace('"protocol": "TCP",', "")
    await refuses(api, "POST", path, missing, "spec.ports[0].protocol: Required value")
    assert (await api.send("GET", f"{path}/c")).status == 404
    await api.delete(f"{DEFINITIONS}/{made['metadata']['name']}")


@pytest.mark.conformance("Server side field validation, unknown metadata")
async def test_unknown_metadata_of_a_custom_resource_and_what_it_embeds_is_refused(api: Live) -> None:
    made = await api.define(definition(f"{api.namespace}.example.com", "Holder", version("v1", EMBEDDED)))
    path = api.custom(made)

    def holder(meta: str = "", embedded: str = "") -> str:
        inner = f'{{"apiVersion": "foo.com/v1", "kind": "Bar", "metadata": {{{embedded} "name": "e"}}, "free": 1}}'
        api_version = f"{made['spec']['group']}/v1"
        return (
            f'{{"apiVersion": "{api_version}", "kind": "Holder", "metadata": {{{meta} "name": "a"}}, '
            f'"spec": {{"x": 1}}, "embedded": {inner}}}'
        )

    bad = holder('"unknownMeta": "unknownVal",', '"unknownSubMeta": "unknownVal",')
    told = (
        'strict decoding error: unknown field "metadata.unknownMeta", unknown field "embedded.metadata.unknownSubMeta"'
    )
    await refuses(api, "POST", path, bad, told)
    await refuses(api, "PUT", f"{path}/a", bad, told)
    of_meta = "metadata.unknownMeta: field not declared in schema"
    of_embedded = "embedded.metadata.unknownSubMeta: field not declared in schema"
    await refuses(api, "PATCH", f"{path}/a", bad, of_meta, of_embedded, content=APPLY)
    await refuses(api, "PATCH", f"{path}/a", holder('"unknownMeta": 1,'), of_meta, content=APPLY)
    await refuses(api, "PATCH", f"{path}/a", holder("", '"unknownSubMeta": 1,'), of_embedded, content=APPLY)
    assert (await strictly(api, "PATCH", f"{path}/a", holder(), APPLY)).status == 201
    await refuses(api, "PATCH", f"{path}/a", bad, told, content=MERGE)
    await api.delete(f"{DEFINITIONS}/{made['metadata']['name']}")


@pytest.mark.conformance("API metadata HTTP return")
async def test_what_has_no_metadata_is_no_table(api: Live) -> None:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"namespace": api.namespace, "resource": "pods", "verb": "get"}},
    }
    said = await api.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review, accept=TABLE)
    assert (said.status, said.reason) == (406, "NotAcceptable")


@pytest.mark.conformance("Confirm a server version")
async def test_the_version_is_two_whole_numbers(api: Live) -> None:
    found = await api.get("/version")
    assert found["major"].isascii()
    assert found["major"].isdigit()
    assert found["minor"].isascii()
    assert found["minor"].isdigit()
