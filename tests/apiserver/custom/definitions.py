"""Definitions to try, and the way to a kind that is served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apiserver.serving import Talk

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
Document = dict[str, Any]

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "default": 3, "maximum": 10},
                "name": {"type": "string", "minLength": 2},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            },
        },
        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
    },
}


def version(name: str = "v1", schema: Mapping[str, Any] = SCHEMA, **more: Any) -> Document:
    return {"name": name, "served": True, "storage": name == "v1", "schema": {"openAPIV3Schema": schema}, **more}


def definition(
    plural: str = "widgets", kind: str = "Widget", versions: Sequence[Document] = (), **spec: Any
) -> Document:
    group = spec.pop("group", "example.com")
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": list(versions) or [version()],
            **spec,
        },
    }


def widget(name: str, spec: Any = None, api_version: str = "example.com/v1", **more: Any) -> Document:
    made = {"apiVersion": api_version, "kind": "Widget", "metadata": {"name": name}, **more}
    return made if spec is None else {**made, "spec": spec}


def conditions(document: Document) -> dict[str, tuple[str, str]]:
    found = document["status"]["conditions"] or ()
    return {one["type"]: (one["status"], one["reason"]) for one in found}


async def define(talk: Talk, document: Document) -> Document:
    """Creates a definition and waits until its names are judged."""
    made = await talk.post(DEFINITIONS, document)
    assert made.status == 201, made.message
    return await becomes(talk, document["metadata"]["name"], "NamesAccepted", "True", "False")


async def becomes(talk: Talk, name: str, condition: str, *statuses: str) -> Document:
    watching = await talk.watch(DEFINITIONS, fieldSelector=f"metadata.name={name}")
    while True:
        _, document = await watching.next()
        if conditions(document).get(condition, ("",))[0] in statuses:
            watching.stream.end()
            return document


async def gone(talk: Talk, name: str) -> None:
    watching = await talk.watch(DEFINITIONS, fieldSelector=f"metadata.name={name}")
    if (await talk.get(f"{DEFINITIONS}/{name}")).status != 404:
        while (await watching.next())[0] != "DELETED":
            pass
    watching.stream.end()
