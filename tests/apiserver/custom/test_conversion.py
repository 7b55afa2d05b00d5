"""Objects that a webhook converts: what it may change, and how its mistakes are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apiserver.custom.definitions import DEFINITIONS, becomes, definition, version
from apiserver.hook_server import HookServer, hook_server
from apiserver.serving import Talk, serving

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
    versions = [version("v1", schema("hostPort")), version("v2", schema("host", "port"))]
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
