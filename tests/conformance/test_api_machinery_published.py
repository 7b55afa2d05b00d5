"""What is published of CustomResourceDefinitions in OpenAPI, and what kubectl makes of it."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conformance.live_server import DEFINITIONS, JSON_PATCH, OPEN, Document, Live, definition, live, version

FOO: Document = {
    "description": "Foo CRD for Testing",
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "description": "Specification of Foo",
            "properties": {
                "bars": {
                    "description": "List of Bars and their specs.",
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"description": "Name of Bar.", "type": "string"},
                            "age": {"description": "Age of Bar.", "type": "string"},
                            "feeling": {
                                "description": "Whether Bar is feeling great.",
                                "type": "string",
                                "enum": ["Great"],
                            },
                            "bazs": {"description": "List of Bazs.", "type": "array", "items": {"type": "string"}},
                        },
                    },
                }
            },
        },
        "status": {
            "description": "Status of Foo",
            "type": "object",
            "properties": {
                "bars": {
                    "description": "List of Bars and their statuses.",
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": {"description": "Name of Bar.", "type": "string"},
                            "available": {"description": "Whether the Bar is installed.", "type": "boolean"},
                            "quxType": {
                                "description": "Indicates to external qux type.",
                                "pattern": "in-tree|out-of-tree",
                                "type": "string",
                            },
                        },
                    },
                }
            },
        },
    },
}
WALDO: Document = {
    "description": "Waldo CRD for Testing",
    "type": "object",
    "properties": {"spec": {"type": "object", "properties": {"dummy": {"type": "string"}}}},
}
NESTED: Document = {
    "description": "preserve-unknown-properties in nested field for Testing",
    "type": "object",
    "properties": {
        "spec": {"description": "Specification of Waldo", **OPEN},
        "status": {
            "description": "Status of Waldo",
            "type": "object",
            "properties": {"bars": {"type": "array", "items": OPEN}},
        },
    },
}
GROUP_VERSION_KIND = "x-kubernetes-group-version-kind"


@pytest.fixture
async def api(server: Path) -> AsyncIterator[Live]:
    async with live(server) as made:
        yield made


@pytest.fixture
def group(api: Live) -> str:
    return f"{api.namespace}.example.com"


@dataclass(frozen=True)
class Kubectl:
    kubeconfig: Path
    namespace: str

    async def __call__(self, *words: str, given: Document | None = None) -> tuple[int | None, str]:
        """How it ended, and all that it said."""
        program = Path(sys.executable).with_name("kubectl")
        where = (f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}")
        process = await asyncio.create_subprocess_exec(
            program,
            *where,
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate(json.dumps(given).encode() if given else b"")
        return process.returncode, said.decode()

    async def writes(self, document: Document, *, deleting: bool = True) -> None:
        """It is created, deleted, applied, applied once more, and deleted."""
        given = {"given": document}
        name = document["metadata"]["name"]
        for words in (
            ("create", "--validate=true"),
            ("delete",),
            ("apply", "--validate=true"),
            ("apply",),
            ("delete",),
        ):
            code, said = await self(*words, "-f", "-", **given)
            assert code == 0, said
            assert name in said

    async def refuses(self, document: Document, *patterns: str) -> None:
        for verb in ("create", "apply"):
            code, said = await self(verb, "--validate=true", "-f", "-", given=document)
            assert code == 1
            assert any(re.search(pattern, said) for pattern in patterns), said

    async def explains(self, path: str, pattern: str) -> None:
        code, said = await self("explain", path)
        assert code == 0, said
        assert re.search(pattern, said, re.DOTALL), said


@pytest.fixture
def kubectl(api: Live, server: Path) -> Kubectl:
    return Kubectl(server, api.namespace)


def definition_name(group: str, version: str, kind: str) -> str:
    return f"{'.'.join(reversed(group.split('.')))}.{version}.{kind}"


async def published(api: Live, name: str, holds: Callable[[Any], bool] = lambda one: one is not None) -> Any:
    """The definition in version 2 once it is as it is waited for: publishing may take a moment."""
    while True:
        definitions = (await api.get("/openapi/v2"))["definitions"]
        if holds(definitions.get(name)):
            return definitions.get(name)


def told(found: Document) -> Document:
    """What a definition says of its own, without what every object has."""
    made = deepcopy(found)
    gvk = made.pop(GROUP_VERSION_KIND, None)
    assert gvk is not None
    for name in ("apiVersion", "kind", "metadata"):
        made.get("properties", {}).pop(name, None)
    return made


def custom(group: str, kind: str, **content: Any) -> Document:
    return {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": "test-cr"}, **content}


@pytest.mark.conformance("Custom Resource OpenAPI Publish, with validation schema")
async def test_kubectl_knows_a_kind_by_its_schema(api: Live, group: str, kubectl: Kubectl) -> None:
    made = await api.define(definition(group, "Foo", version("v1", FOO)))
    found = await published(api, definition_name(group, "v1", "Foo"))
    assert told(found) == FOO
    assert found[GROUP_VERSION_KIND] == [{"group": group, "kind": "Foo", "version": "v1"}]

    bar = {"name": "test-bar"}
    await kubectl.writes(custom(group, "Foo", spec={"bars": [bar]}))
    unknown = custom(group, "Foo", spec={"bars": [bar], "unknown": 1})
    await kubectl.refuses(unknown, r'unknown field "spec\.unknown"')
    nested = custom(group, "Foo", spec={"bars": [{**bar, "unknown": "bar"}]})
    await kubectl.refuses(nested, r'unknown field "spec\.bars\[0\]\.unknown"')
    await kubectl.refuses(
        custom(group, "Foo", spec={"bars": [{"age": "10"}]}), r"spec\.bars\[0\]\.name: Required value"
    )
    wrong = custom(group, "Foo", spec={"bars": [{**bar, "feeling": "Confused"}]})
    await kubectl.refuses(wrong, r'Unsupported value: "Confused": supported values: "Great"')

    of_api = "apiVersion.*<string>.*APIVersion defines"
    await kubectl.explains(
        "foos", f"DESCRIPTION:.*Foo CRD for Testing.*FIELDS:.*{of_api}.*spec.*<Object>.*Specification"
    )
    stamp = "creationTimestamp.*<string>.*CreationTimestamp is a timestamp"
    await kubectl.explains("foos.metadata", f"DESCRIPTION:.*Standard object's metadata.*FIELDS:.*{stamp}")
    bars = r"FIELDS:.*bars.*<\[\]Object>.*List of Bars and their specs"
    await kubectl.explains("foos.spec", f"DESCRIPTION:.*Specification of Foo.*{bars}")
    fields = r"FIELDS:.*bazs.*<\[\]string>.*List of Bazs.*name.*<string>.*Name of Bar"
    await kubectl.explains("foos.spec.bars", f"DESCRIPTION:.*List of Bars and their specs.*{fields}")
    code, said = await kubectl("explain", "foos.spec.bars2")
    assert (code, said.splitlines()[-1]) == (1, 'error: field "bars2" does not exist')
    await api.delete(f"{DEFINITIONS}/{made['metadata']['name']}")


@pytest.mark.conformance("Custom Resource OpenAPI Publish, with x-kubernetes-preserve-unknown-fields in object")
async def test_a_kind_without_a_schema_of_its_own_takes_everything(api: Live, group: str, kubectl: Kubectl) -> None:
    made = await api.define(definition(group, "Empty"))
    found = await published(api, definition_name(group, "v1", "Empty"))
    assert told(found) == {"type": "object"}
    await kubectl.writes(custom(group, "Empty", a={"b": 1}))
    await kubectl.explains("emptys", r"DESCRIPTION:\s+<empty>")
    await api.delete(f"{DEFINITIONS}/{made['metadata']['name']}")


@pytest.mark.conformance("Custom Resource OpenAPI Publish, with x-kubernetes-preserve-unknown-fields at root")
async def test_a_kind_may_take_whatever_it_does_not_know(api: Live, group: str, kubectl: Kubectl) -> None:
    schema = {**WALDO, **OPEN}
    made = await api.define(definition(group, "Rooted", version("v1", schema)))
    found = await published(api, definition_name(group, "v1", "Rooted"))
    assert told(found) == {"type": "object"}
    await kubectl.writes(custom(group, "Rooted", a={"b": [{"c": "d"}]}, spec={"dummy": "x"}))
    await kubectl.explains("rooteds", "KIND:.*Rooted")
    await api.delete(f"{DEFINITIONS}/{made['metadata']['name']}")


@pytest.mark.conformance(
    "Custom Resource OpenAPI Publish, with x-kubernetes-preserve-unknown-fields in embedded object"
)
async def test_a_field_may_take_whatever_it_does_not_know(api: Live, group: str, kubectl: Kubectl) -> None:
    made = await api.define(definition(group, "Nested", version("v1", NESTED)))
    found = await published(api, definition_name(group, "v1", "Nested"))
    anything = {"x-kubernetes-preserve-unknown-fields": True}
    assert told(found)["properties"] == {
        "spec": {"description": "Specification of Waldo", **anything},
        "status": {**NESTED["properties"]["status"], "properties": {"bars": {"type": "array", "items": anything}}},
    }
    await kubectl.writes(custom(group, "Nested", spec={"b": [{"c": "d"}]}, status={"bars": [{"e": 1}]}))
    await kubectl.explains("nesteds", "DESCRIPTION:.*preserve-unknown-properties in nested field for Testing")
    await api.delete(f"{DEFINITIONS}/{made['metadata']['name']}")


@pytest.mark.conformance(
    "Custom Resource OpenAPI Publish, varying groups",
    "Custom Resource OpenAPI Publish, varying kinds",
    "Custom Resource OpenAPI Publish, varying versions",
)
async def test_definitions_are_published_whatever_they_share(api: Live, group: str) -> None:
    other = f"other-{group}"
    both = (version("v2", FOO), version("v3", WALDO, storage=False))
    made = [
        await api.define(one)
        for one in (
            definition(group, "Foo", version("v1", FOO)),
            definition(other, "Waldo", version("v1", WALDO)),
            definition(group, "Waldo", version("v1", WALDO)),
            definition(group, "Many", *both),
        )
    ]
    for of, name, kind, schema in (
        (group, "v1", "Foo", FOO),
        (other, "v1", "Waldo", WALDO),
        (group, "v1", "Waldo", WALDO),
        (group, "v2", "Many", FOO),
        (group, "v3", "Many", WALDO),
    ):
        assert told(await published(api, definition_name(of, name, kind))) == schema
        assert kind in await kinds_in_version_3(api, of, name)
    for one in made:
        await api.delete(f"{DEFINITIONS}/{one['metadata']['name']}")
    for one in ("Foo", "Waldo"):
        await published(api, definition_name(group, "v1", one), lambda found: found is None)


@pytest.mark.conformance("Custom Resource OpenAPI Publish, version rename")
async def test_a_renamed_version_is_published_under_its_new_name(api: Live, group: str) -> None:
    made = await api.define(definition(group, "Foo", version("v2", FOO), version("v3", FOO, storage=False)))
    for name in ("v2", "v3"):
        assert told(await published(api, definition_name(group, name, "Foo"))) == FOO
    rename = [
        {"op": "test", "path": "/spec/versions/1/name", "value": "v3"},
        {"op": "replace", "path": "/spec/versions/1/name", "value": "v4"},
    ]
    await api.patch(f"{DEFINITIONS}/{made['metadata']['name']}", rename, JSON_PATCH)
    assert told(await published(api, definition_name(group, "v4", "Foo"))) == FOO
    await published(api, definition_name(group, "v3", "Foo"), lambda found: found is None)
    assert told(await published(api, definition_name(group, "v2", "Foo"))) == FOO
    await api.delete(f"{DEFINITIONS}/{made['metadata']['name']}")


@pytest.mark.conformance("Custom Resource OpenAPI Publish, stop serving version")
async def test_a_version_that_is_not_served_any_more_is_not_published(api: Live, group: str) -> None:
    made = await api.define(definition(group, "Foo", version("v5", FOO), version("v6alpha1", FOO, storage=False)))
    await published(api, definition_name(group, "v5", "Foo"))
    await published(api, definition_name(group, "v6alpha1", "Foo"))
    stop = [{"op": "replace", "path": "/spec/versions/1/served", "value": False}]
    await api.patch(f"{DEFINITIONS}/{made['metadata']['name']}", stop, JSON_PATCH)
    await published(api, definition_name(group, "v6alpha1", "Foo"), lambda found: found is None)
    assert told(await published(api, definition_name(group, "v5", "Foo"))) == FOO
    await api.delete(f"{DEFINITIONS}/{made['metadata']['name']}")


async def kinds_in_version_3(api: Live, group: str, version: str) -> set[str]:
    """As kubectl finds them: by the index, whose addresses carry a hash."""
    while True:
        index = (await api.get("/openapi/v3"))["paths"]
        if (place := index.get(f"apis/{group}/{version}")) is not None:
            document = await api.get(place["serverRelativeURL"])
            schemas = document["components"]["schemas"].values()
            return {one["kind"] for schema in schemas for one in schema.get(GROUP_VERSION_KIND, ())}
