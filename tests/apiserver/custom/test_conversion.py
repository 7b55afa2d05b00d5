"""Objects that a webhook converts: what it may change, and how its mistakes are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apiserver.custom.definitions import DEFINITIONS, becomes, definition, version
from apiserver.hook_server import HookServer, hook_server
from apiserver.serving import TABLE, Answer, Talk, Watching, serving

Document = dict[str, Any]
V1, V2 = (f"/apis/example.com/{one}/namespaces/default/widgets" for one in ("v1", "v2"))
TEXT = {"type": "string"}
START = "conversion webhook for example.com/v1, Kind=Widget"


def schema(*fields: str) -> Document:
    return {"type": "object", "properties": dict.fromkeys(fields, TEXT)}


def convert(found: Document, wanted: str) -> Document:
    made = {name: value for name, value in found.items() if name not in ("host", "port", "hostPort")}
    made["apiVersion"] = wanted
    if wanted.endswith("/v2"):
        made["host"], _, made["port"] = found.get("hostPort", ":").partition(":")
    else:
        made["hostPort"] = f"{found.get('host', '')}:{found.get('port', '')}"
    return made


def answering(change: Callable[[Document], Any] = lambda review: None) -> Callable[[str, Document], Any]:
    """`change` is shown the whole answer; what it returns, if anything, is answered in its place."""

    def respond(path: str, review: Document) -> Any:
        request = review["request"]
        converted = [convert(one, request["desiredAPIVersion"]) for one in request["objects"]]
        response = {"uid": request["uid"], "convertedObjects": converted, "result": {"status": "Success"}}
        answer = {"apiVersion": review["apiVersion"], "kind": "ConversionReview", "response": response}
        return change(answer) or answer

    return respond


async def define(talk: Talk, hooks: HookServer) -> None:
    webhook = {"clientConfig": hooks.config(), "conversionReviewVersions": ["v1"]}
    versions = [version("v1", schema("hostPort", "note")), version("v2", schema("host", "port", "note"))]
    made = await talk.post(
        DEFINITIONS, definition(versions=versions, conversion={"strategy": "Webhook", "webhook": webhook})
    )
    assert made.status == 201, made.message
    await becomes(talk, "widgets.example.com", "Established", "True")


def widget(api_version: str, **fields: Any) -> Document:
    metadata = {"name": "w", "labels": {"a": "b"}, **fields.pop("metadata", {})}
    return {"apiVersion": f"example.com/{api_version}", "kind": "Widget", "metadata": metadata, **fields}


def of_object(change: Callable[[Document], Any]) -> Callable[[Document], Any]:
    return lambda answer: change(answer["response"]["convertedObjects"][0])


def response(**changed: Any) -> Callable[[Document], Any]:
    return lambda answer: answer["response"].update(changed)


def metadata(**changed: Any) -> Callable[[Document], Any]:
    return of_object(lambda one: one["metadata"].update(changed))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (metadata(name="other"), f"{START} returned invalid object: must have the same name: w != other"),
        (
            metadata(namespace="other"),
            f"{START} returned invalid object: must have the same namespace: default != other",
        ),
        (
            metadata(labels=["a"]),
            f"{START} returned invalid metadata: invalid metadata.labels of type []interface {{}} ",
        ),
        (
            metadata(labels={"ok": 1}),
            f"{START} returned invalid metadata: metadata.labels[ok] must be a string, but is int64",
        ),
        (metadata(labels={"no!": ""}), f'{START} returned invalid metadata: metadata.labels: Invalid value: "no!"'),
        (
            metadata(annotations={"no!": ""}),
            f'{START} returned invalid metadata: metadata.annotation: Invalid value: "no!"',
        ),
        (
            of_object(lambda one: one.update(apiVersion="example.com/v9")),
            f"{START} returned invalid object at index 0: invalid groupVersion (expected example.com/v2, received ",
        ),
        (
            of_object(lambda one: one.update(kind="Other")),
            f"{START} returned invalid object at index 0: invalid kind (expected Widget, received Other)",
        ),
        (of_object(lambda one: one.pop("kind") and None), "Object 'Kind' is missing in '{"),
        (
            response(convertedObjects=["x"]),
            "json: cannot unmarshal string into Go value of type map[string]interface {}",
        ),
        (response(convertedObjects=[None]), "unexpected end of JSON input"),
        (response(convertedObjects=[]), f"{START} returned 0 objects, expected 1"),
        (
            response(convertedObjects={"a": 1}),
            f"{START} failed: json: cannot unmarshal object into Go struct field ConversionResponse.response.converted",
        ),
        (response(uid="x"), f"{START} failed: expected response.uid="),
        (response(result={"status": "Failure", "message": "cannot"}), f"{START} failed: cannot"),
        (response(result={}), f"{START} failed: response.result.status was '', not 'Success'"),
        (lambda answer: answer.pop("response") and None, f"{START} failed: no response provided"),
        (lambda answer: answer.update(kind="Foo"), f'{START} failed: no kind "Foo" is registered for version '),
        (
            lambda answer: answer.update(apiVersion="apiextensions.k8s.io/v1beta1"),
            f"{START} failed: converting (v1beta1.ConversionReview) to (v1.ConversionReview): unknown conversion",
        ),
    ],
)
async def test_a_mistake_of_the_webhook_is_told(change: Callable[[Document], Any], message: str) -> None:
    async with hook_server(answering(change)) as hooks, serving() as talk:
        await define(talk, hooks)
        assert (await talk.post(V1, widget("v1", hostPort="h:1"))).status == 201
        for path in (f"{V2}/w", V2):
            refused = await talk.get(path)
            assert refused.status == 500
            assert refused.message.startswith(message), refused.message


async def test_a_webhook_changes_labels_and_annotations_but_nothing_else_of_the_metadata() -> None:
    change = metadata(labels={"new": "one"}, annotations=None, generation=77, finalizers=["a.example.com/b"], uid=None)

    def changing(answer: Document) -> None:
        made = answer["response"]["convertedObjects"][0]
        uid = made["metadata"].get("uid")
        change(answer)
        made["metadata"]["uid"] = uid

    async with hook_server(answering(changing)) as hooks, serving() as talk:
        await define(talk, hooks)
        made = await talk.post(V1, widget("v1", hostPort="h:1", metadata={"annotations": {"x": "y"}}))
        found = (await talk.get(f"{V2}/w")).body
        assert (found["host"], found["port"]) == ("h", "1")
        expected = {**made.body["metadata"], "labels": {"new": "one"}}
        del expected["annotations"]
        assert found["metadata"] == expected


async def use(talk: Talk, change: Callable[[Document], Any]) -> None:
    """Changes the definition, and waits until the server serves the change."""
    path = f"{DEFINITIONS}/widgets.example.com"
    found = (await talk.get(path)).body
    change(found["spec"])
    changed = await talk.put(path, found)
    assert changed.status == 200, changed.message
    await talk.server.watch_cache.at_least(int(changed.version))


def stores(name: str) -> Callable[[Document], Any]:
    def change(spec: Document) -> None:
        for one in spec["versions"]:
            one["storage"] = one["name"] == name

    return change


async def test_a_write_that_changes_nothing_moves_an_object_to_the_version_stored_now() -> None:
    async with hook_server(answering()) as hooks, serving() as talk:
        await define(talk, hooks)
        made = await talk.post(V1, widget("v1", hostPort="h:1"))
        assert (await talk.patch(f"{V1}/w", {})).version == made.version
        assert (await talk.patch(f"{V2}/w", {})).version == made.version
        await use(talk, stores("v2"))
        moved = await talk.patch(f"{V1}/w", {})
        assert moved.version != made.version
        entry = await talk.server.store.get("/registry/example.com/widgets/default/w")
        assert entry is not None
        assert b'"example.com/v2"' in entry.value
        assert (await talk.patch(f"{V2}/w", {})).version == moved.version
        assert (await talk.patch(f"{V1}/w", {})).version == moved.version


async def test_a_field_is_its_managers_whatever_version_others_change_it_in() -> None:
    async with hook_server(answering()) as hooks, serving() as talk:
        await define(talk, hooks)
        applied = await apply(talk, V1, widget("v1", hostPort="h:1"), "one")
        assert applied.status == 201
        refused = await apply(talk, V2, widget("v2", port="2"), "two")
        assert refused.status == 409
        assert refused.message == 'Apply failed with 1 conflict: conflict with "one": .hostPort'
        forced = await apply(talk, V2, widget("v2", port="2"), "two", force="true")
        assert (forced.body["host"], forced.body["port"]) == ("h", "2")
        assert fields_by_manager(forced.body) == {
            "one": ("example.com/v1", {"f:metadata"}),
            "two": ("example.com/v2", {"f:metadata", "f:port"}),
        }


async def test_what_was_applied_in_one_version_is_given_up_in_another() -> None:
    async with hook_server(answering()) as hooks, serving() as talk:
        await define(talk, hooks)
        await apply(talk, V1, widget("v1", hostPort="h:1", note="n"), "one")
        again = await apply(talk, V2, widget("v2", host="h"), "one")
        assert again.status == 200, again.message
        assert (again.body["host"], again.body["port"]) == ("h", "1")
        assert "note" not in again.body
        assert fields_by_manager(again.body) == {"one": ("example.com/v2", {"f:metadata", "f:host"})}


async def test_managers_go_where_a_version_does_not_know_what_the_object_has() -> None:
    """Without a webhook fields stay as they are, whatever the version."""
    async with serving() as talk:
        versions = [version("v1", schema("shared", "one")), version("v2", schema("shared", "two"))]
        assert (await talk.post(DEFINITIONS, definition(versions=versions))).status == 201
        await becomes(talk, "widgets.example.com", "Established", "True")
        await talk.post(V1, widget("v1", shared="s"))
        changed = await talk.patch(f"{V2}/w", {"shared": "t"})
        assert {one["apiVersion"] for one in changed.body["metadata"]["managedFields"]} == {
            "example.com/v1",
            "example.com/v2",
        }
        lost = await talk.patch(f"{V2}/w", {"two": "2"})
        assert "managedFields" not in lost.body["metadata"]


async def test_nothing_is_applied_beside_a_manager_of_a_version_that_is_gone() -> None:
    async with serving() as talk:
        versions = [version("v1", schema("shared")), version("v0", schema("shared"))]
        assert (await talk.post(DEFINITIONS, definition(versions=versions))).status == 201
        await becomes(talk, "widgets.example.com", "Established", "True")
        await talk.post(V1.replace("v1", "v0"), widget("v0", shared="s"))
        await use(talk, lambda spec: spec["versions"].pop())
        refused = await apply(talk, V1, widget("v1", shared="t"), "one", force="true")
        assert refused.status == 500
        assert refused.message == "request to convert CR to an invalid group/version: example.com/v0"
        changed = await talk.patch(f"{V1}/w", {"shared": "t"})
        assert "managedFields" not in changed.body["metadata"]


async def test_a_watch_shows_each_object_in_its_version_and_ends_with_a_webhooks_failure() -> None:
    failing: list[str] = []

    def change(answer: Document) -> None:
        if failing:
            answer["response"]["result"] = {"status": "Failure", "message": failing[0]}

    async with hook_server(answering(change)) as hooks, serving() as talk:
        await define(talk, hooks)
        made = await talk.post(V1, widget("v1", hostPort="h:1"))
        watch, tables = [
            Watching((await talk.get(V2, accept, watch="1", resourceVersion=made.version)).response.body)
            for accept in ("application/json", TABLE)
        ]
        await talk.patch(f"{V1}/w", {"hostPort": "i:1"})
        type_, found = await watch.next()
        assert (type_, found["apiVersion"], found["host"]) == ("MODIFIED", "example.com/v2", "i")
        _, first = await tables.next()
        assert [column["name"] for column in first["columnDefinitions"]] == ["Name", "Age"]
        await talk.patch(f"{V1}/w", {"hostPort": "j:1"})
        assert (await watch.next())[1]["host"] == "j"
        assert (await tables.next())[1]["columnDefinitions"] is None
        failing.append("cannot")
        await talk.patch(f"{V1}/w", {"hostPort": "k:1"})
        type_, status = await watch.next()
        assert (type_, status["message"]) == ("ERROR", f"{START} failed: cannot")
        with pytest.raises(StopAsyncIteration):
            await watch.next()
        await tables.stream.aclose()


async def apply(talk: Talk, path: str, document: Document, manager: str, **query: str) -> Answer:
    name = document["metadata"]["name"]
    query["fieldManager"] = manager
    return await talk.patch(f"{path}/{name}", document, "application/apply-patch+yaml", **query)


def fields_by_manager(document: Document) -> dict[str, tuple[str, set[str]]]:
    managed = document["metadata"]["managedFields"]
    return {one["manager"]: (one["apiVersion"], {*one["fieldsV1"]}) for one in managed}
