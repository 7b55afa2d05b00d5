"""CustomResourceDefinitions: what upstream's conformance suite asks of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from conformance.live_server import DEFINITIONS, JSON_PATCH, MERGE, Document, Live, definition, live, version

NAMED = {"v1": "hostPort", "v2": "host"}


@pytest.fixture
async def api(server: Path) -> AsyncIterator[Live]:
    async with live(server) as made:
        yield made


@pytest.fixture
def group(api: Live) -> str:
    return f"{api.namespace}.example.com"


def respond(path: str, review: Document) -> Document:
    """v1 has one field for host and port, v2 two."""
    request = review["request"]
    converted = [convert(one, request["desiredAPIVersion"]) for one in request["objects"]]
    response = {"uid": request["uid"], "convertedObjects": converted, "result": {"status": "Success"}}
    return {"apiVersion": review["apiVersion"], "kind": "ConversionReview", "response": response}


def convert(found: Document, wanted: str) -> Document:
    made = {name: value for name, value in found.items() if name not in ("host", "port", "hostPort")}
    made["apiVersion"] = wanted
    if wanted.endswith("/v2"):
        made["host"], _, made["port"] = found.get("hostPort", ":").partition(":")
    else:
        made["hostPort"] = f"{found.get('host')}:{found.get('port')}"
    return made


def schema(*fields: str) -> Document:
    return {"type": "object", "properties": {name: {"type": "string"} for name in fields}}


def converted(group: str, service: Document, authority: str, **more: Document) -> Document:
    """A kind in v1 and v2; the webhook converts."""
    client_config = {"service": {**service, "path": "/crdconvert"}, "caBundle": authority}
    webhook = {"clientConfig": client_config, "conversionReviewVersions": ["v1", "v1beta1"]}
    versions = (
        version("v1", schema("hostPort"), **more.get("v1", {})),
        version("v2", schema("host", "port"), storage=False, **more.get("v2", {})),
    )
    return definition(group, "Noxu", *versions, conversion={"strategy": "Webhook", "webhook": webhook})


def noxu(api_version: str, name: str, **fields: Any) -> Document:
    return {"apiVersion": api_version, "kind": "Noxu", "metadata": {"name": name}, **fields}


def names(documents: list[Document]) -> list[str]:
    return [one["metadata"]["name"] for one in documents]


@pytest.mark.conformance("Custom Resource Definition, discovery")
async def test_discovery_tells_of_definitions(api: Live) -> None:
    groups = {one["name"]: one for one in (await api.get("/apis"))["groups"]}
    listed = groups["apiextensions.k8s.io"]["versions"]
    assert {"groupVersion": "apiextensions.k8s.io/v1", "version": "v1"} in listed
    document = await api.get("/apis/apiextensions.k8s.io")
    assert {"groupVersion": "apiextensions.k8s.io/v1", "version": "v1"} in document["versions"]
    resources = (await api.get("/apis/apiextensions.k8s.io/v1"))["resources"]
    assert "customresourcedefinitions" in [one["name"] for one in resources]


@pytest.mark.conformance("Custom Resource Definition, create")
async def test_a_definition_is_made_and_deleted(api: Live, group: str) -> None:
    made = await api.define(definition(group, "Foo"))
    assert await api.items(f"/apis/{group}/v1/foos") == []
    path = f"{DEFINITIONS}/{made['metadata']['name']}"
    await api.delete(path)
    await gone(api, path)
    assert (await api.send("GET", f"/apis/{group}/v1/foos")).status == 404


@pytest.mark.conformance("Custom Resource Definition, list")
async def test_labelled_definitions_are_listed_and_deleted_together(api: Live, group: str) -> None:
    labels = {"e2e-list-test-uuid": api.namespace}
    for number in range(10):
        one = definition(group, f"Foo{number}")
        one["metadata"]["labels"] = labels
        await api.define(one)
    await api.define(definition(group, "Other"))
    selected = f"e2e-list-test-uuid={api.namespace}"
    found = await api.items(DEFINITIONS, labelSelector=selected)
    assert names(found) == [f"foo{number}s.{group}" for number in range(10)]
    await api.delete(DEFINITIONS, labelSelector=selected)
    for one in found:
        await gone(api, f"{DEFINITIONS}/{one['metadata']['name']}")
    assert await api.items(DEFINITIONS, labelSelector=selected) == []
    assert (await api.get(f"{DEFINITIONS}/others.{group}"))["metadata"]["name"] == f"others.{group}"


@pytest.mark.conformance("Custom Resource Definition, status sub-resource")
async def test_the_status_of_a_definition_is_read_replaced_and_patched(api: Live, group: str) -> None:
    made = await api.define(definition(group, "Foo"))
    path = f"{DEFINITIONS}/{made['metadata']['name']}/status"
    found = await api.get(path)
    assert found["status"]["acceptedNames"]["kind"] == "Foo"

    def own(type: str) -> Document:
        return {"type": type, "status": "True", "reason": "E2E", "message": "Set from an e2e test"}

    found["status"]["conditions"].append(own("StatusUpdate"))
    updated = await api.replace(path, found)
    assert "StatusUpdate" in [one["type"] for one in updated["status"]["conditions"]]
    addition = [{"op": "add", "path": "/status/conditions/-", "value": own("StatusPatched")}]
    patched = await api.patch(path, addition, JSON_PATCH)
    seen = await api.get(path.removesuffix("/status"))
    for one in (patched, seen):
        types = [condition["type"] for condition in one["status"]["conditions"]]
        assert types[-2:] == ["StatusUpdate", "StatusPatched"]
        assert "Established" in types
    await api.delete(path.removesuffix("/status"))


@pytest.mark.conformance("Custom Resource Definition, defaulting")
async def test_defaults_hold_for_requests_and_for_what_is_stored(api: Live, group: str) -> None:
    plain = {"type": "object", "properties": {name: {"type": "string"} for name in "ab"}}
    made = await api.define(definition(group, "Foo", version("v1", plain)))
    path, own = api.custom(made), f"{DEFINITIONS}/{made['metadata']['name']}"

    def foo(name: str) -> Document:
        return {"apiVersion": f"{group}/v1", "kind": "Foo", "metadata": {"name": name}}

    first = await api.create(path, foo("one"))
    assert "a" not in first

    at = "/spec/versions/0/schema/openAPIV3Schema/properties"
    await api.patch(own, [{"op": "add", "path": f"{at}/a/default", "value": "A"}], JSON_PATCH)
    await read_until(api, f"{path}/one", lambda one: one.get("a") == "A")
    second = await api.create(path, foo("two"))
    assert second["a"] == "A"

    swap = [{"op": "remove", "path": f"{at}/a/default"}, {"op": "add", "path": f"{at}/b/default", "value": "B"}]
    await api.patch(own, swap, JSON_PATCH)
    found = await read_until(api, f"{path}/two", lambda one: one.get("b") == "B")
    assert found["a"] == "A"
    assert "a" not in await read_until(api, f"{path}/one", lambda one: one.get("b") == "B")
    await api.delete(own)


@pytest.mark.conformance("Custom Resource Definition, watch")
async def test_objects_of_a_definition_are_watched(api: Live, group: str) -> None:
    made = await api.define(definition(group, "Foo"))
    path = f"/apis/{group}/v1/foos"
    start = (await api.get(path))["metadata"]["resourceVersion"]
    for name in ("name1", "name2"):
        selected = {"resourceVersion": start, "fieldSelector": f"metadata.name={name}"}
        async with api.watch(path, **selected) as events:
            document = {"apiVersion": f"{group}/v1", "kind": "Foo", "metadata": {"name": name}, "content": 1}
            created = await api.create(api.custom(made), document)
            changed = await api.patch(f"{api.custom(made)}/{name}", {"content": 2})
            await api.delete(f"{api.custom(made)}/{name}")
            assert await anext(events) == ("ADDED", created)
            assert await anext(events) == ("MODIFIED", changed)
            type, last = await anext(events)
            assert (type, last["metadata"]["uid"], last["content"]) == ("DELETED", created["metadata"]["uid"], 2)
            assert int(last["metadata"]["resourceVersion"]) > int(changed["metadata"]["resourceVersion"])
    await api.delete(f"{DEFINITIONS}/{made['metadata']['name']}")


@pytest.mark.conformance("Custom Resource Definition Conversion Webhook, conversion custom resource")
async def test_an_object_made_in_one_version_is_read_in_another(api: Live, group: str) -> None:
    async with api.hooks(respond, "e2e-test-crd-conversion-webhook") as hooks:
        made = await api.define(converted(group, hooks.service, hooks.server.authority))
        await api.create(api.custom(made), noxu(f"{group}/v1", "one", hostPort="local:8080"))
        found = await api.get(f"{api.custom(made, 'v2')}/one")
        assert (found["apiVersion"], found["host"], found["port"]) == (f"{group}/v2", "local", "8080")
        assert "hostPort" not in found
        await api.delete(f"{DEFINITIONS}/{made['metadata']['name']}")
        await gone(api, f"{DEFINITIONS}/{made['metadata']['name']}")


@pytest.mark.conformance("Custom Resource Definition Conversion Webhook, convert mixed version list")
async def test_what_is_stored_in_two_versions_is_listed_in_either(api: Live, group: str) -> None:
    async with api.hooks(respond, "e2e-test-crd-conversion-webhook") as hooks:
        made = await api.define(converted(group, hooks.service, hooks.server.authority))
        own = f"{DEFINITIONS}/{made['metadata']['name']}"
        await api.create(api.custom(made), noxu(f"{group}/v1", "one", hostPort="local:8080"))
        await stored_in_v2(api, own)
        await api.create(api.custom(made), noxu(f"{group}/v1", "two", hostPort="local:8081"))
        in_v2 = await api.items(api.custom(made, "v2"))
        assert [(one["apiVersion"], one["host"], one["port"]) for one in in_v2] == [
            (f"{group}/v2", "local", "8080"),
            (f"{group}/v2", "local", "8081"),
        ]
        in_v1 = await api.items(api.custom(made))
        assert [(one["apiVersion"], one["hostPort"]) for one in in_v1] == [
            (f"{group}/v1", "local:8080"),
            (f"{group}/v1", "local:8081"),
        ]
        await api.delete(own)
        await gone(api, own)


async def stored_in_v2(api: Live, own: str) -> None:
    """Another server may go on storing v1 for a moment; so it is asked until an object is stored in v2."""
    changed = await api.get(own)
    for one in changed["spec"]["versions"]:
        one["storage"] = one["name"] == "v2"
    patched = await api.patch(own, {"spec": {"versions": changed["spec"]["versions"]}}, MERGE)
    assert patched["status"]["storedVersions"] == ["v1", "v2"]


@pytest.mark.conformance("custom-resource-definition-field-selectors-list-watch-register-informers")
async def test_selectable_fields_choose_what_lists_watches_and_informers_are_told(api: Live, group: str) -> None:
    selectable = {
        "v1": {"selectableFields": [{"jsonPath": ".hostPort"}]},
        "v2": {"selectableFields": [{"jsonPath": ".host"}, {"jsonPath": ".port"}]},
    }
    async with api.hooks(respond, "e2e-test-crd-conversion-webhook") as hooks:
        made = await api.define(converted(group, hooks.service, hooks.server.authority, **selectable))
        own, v1, v2 = f"{DEFINITIONS}/{made['metadata']['name']}", api.custom(made), api.custom(made, "v2")
        informer = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
        by_v1, by_v2 = "hostPort=host1:80", "host=host1,port=80"
        await api.create(v1, noxu(f"{group}/v1", "one", hostPort="host1:80"))
        async with (
            api.watch(v1, fieldSelector=by_v1, **informer) as told_v1,
            api.watch(v2, fieldSelector=by_v2, **informer) as told_v2,
            api.watch(v2, fieldSelector="host!=host1") as told_others,
        ):
            for told, field in ((told_v1, "v1"), (told_v2, "v2")):
                type, document = await anext(told)
                assert (type, document["metadata"]["name"], document["apiVersion"]) == (
                    "ADDED",
                    "one",
                    f"{group}/{field}",
                )
                type, document = await anext(told)
                assert type == "BOOKMARK"
                assert document["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
                assert (document["apiVersion"], document["kind"]) == (f"{group}/{field}", "Noxu")
            await api.create(v2, noxu(f"{group}/v2", "two", host="host2", port="80"))
            await api.create(v2, noxu(f"{group}/v2", "three", host="host1", port="80"))
            await api.create(v1, noxu(f"{group}/v1", "four", hostPort="host1:8080"))
            assert names(await api.items(v1, fieldSelector=by_v1)) == ["one", "three"]
            assert names(await api.items(v2, fieldSelector=by_v2)) == ["one", "three"]
            assert names(await api.items(v2, fieldSelector="host=host1")) == ["four", "one", "three"]
            assert names(await api.items(f"/apis/{group}/v2/noxus", fieldSelector="port!=80")) == ["four"]
            await api.patch(f"{v2}/one", {"host": "host2"})
            await api.delete(f"{v1}/three")
            await api.patch(f"{v1}/two", {"hostPort": "host1:80"})
            expected = [("ADDED", "three"), ("DELETED", "one"), ("DELETED", "three"), ("ADDED", "two")]
            for told in (told_v1, told_v2):
                assert [await kind_and_name(told) for _ in expected] == expected
            others = [("ADDED", "two"), ("ADDED", "one"), ("DELETED", "two")]
            assert [await kind_and_name(told_others) for _ in others] == others
        said = await api.send("GET", v1, fieldSelector="host=host1")
        assert (said.status, said.message) == (400, "field label not supported: host")
        await api.delete(own)
        await gone(api, own)


async def kind_and_name(events: AsyncIterator[tuple[str, Document]]) -> tuple[str, str]:
    """Of the next event that is no bookmark."""
    async for type, document in events:
        if type != "BOOKMARK":
            assert type != "ERROR", document
            return type, document["metadata"]["name"]
    raise AssertionError("the watch ended")


async def read_until(api: Live, path: str, holds: Any) -> Document:
    """Another server may take a moment to know of a changed definition."""
    while not holds(found := await api.get(path)):
        pass
    return found


async def gone(api: Live, path: str) -> None:
    folder, _, name = path.rpartition("/")
    listed = await api.get(folder, fieldSelector=f"metadata.name={name}")
    if listed["items"]:
        start = listed["metadata"]["resourceVersion"]
        async with api.watch(folder, resourceVersion=start, fieldSelector=f"metadata.name={name}") as events:
            async for type, _ in events:
                if type == "DELETED":
                    return
