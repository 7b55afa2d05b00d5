"""An API server alone, with discovery, for what needs nothing but the API; and the life that any kind has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from conformance.typed_client import MERGE, Document, TypedClient, Verbs
from pybernetes.api.clock import SystemClock
from pybernetes.api.errors import ApiError
from pybernetes.store.memory import MemoryStore
from pybernetes.testing.control_plane import start_server


@asynccontextmanager
async def rest_server() -> AsyncIterator[TypedClient]:
    """Its namespace `default` has a service account."""
    store = MemoryStore()
    assembled = await start_server(store, SystemClock(), Random(7))
    client = TypedClient(assembled.server)
    await client.of("", "v1", "serviceaccounts").create({"metadata": {"name": "default"}})
    try:
        yield client
    finally:
        await assembled.stop()
        await store.close()


async def is_discovered(client: TypedClient, group: str, version: str, *resources: str) -> None:
    """The group is in the index, the version in the group, and the resources in the version."""
    groups = {one["name"]: one for one in (await client.discovered("/apis"))["groups"]}
    assert f"{group}/{version}" in {one["groupVersion"] for one in groups[group]["versions"]}
    of_group = await client.discovered(f"/apis/{group}")
    assert f"{group}/{version}" in {one["groupVersion"] for one in of_group["versions"]}
    listed = {one["name"] for one in (await client.discovered(f"/apis/{group}/{version}"))["resources"]}
    assert listed >= set(resources)


def labels_of(document: Document) -> dict[str, str]:
    found: dict[str, str] = document["metadata"].get("labels", {})
    return found


def annotations_of(document: Document) -> dict[str, str]:
    found: dict[str, str] = document["metadata"].get("annotations", {})
    return found


def names_of(documents: list[Document]) -> list[str]:
    return sorted(one["metadata"]["name"] for one in documents)


OWN = "special=own"


@dataclass(frozen=True)
class Kind:
    group: str
    plural: str
    body: Document
    status: Document = field(default_factory=dict)
    """What is written to the subresource of this name, if there is one."""
    more: tuple[str, ...] = ()
    """Further subresources."""
    names: tuple[str, str, str] = ("first", "second", "third")


async def has_a_life(client: TypedClient, verbs: Verbs, kind: Kind) -> None:
    first, second, third = kind.names
    made = await verbs.create(manifest(kind, first))
    with pytest.raises(ApiError) as taken:
        await verbs.create(manifest(kind, first))
    assert taken.value.reason == "AlreadyExists"
    for name in (second, third):
        assert (await verbs.create(manifest(kind, name)))["metadata"]["uid"]

    found = await verbs.get(first)
    assert found["metadata"]["uid"] == made["metadata"]["uid"]
    assert names_of(await verbs.list(OWN)) == sorted(kind.names)
    if verbs.info.namespaced:
        everywhere = client.of(kind.group, "v1", kind.plural, None)
        assert names_of(await everywhere.list(OWN)) == sorted(kind.names)
    async with await verbs.watch(OWN, version=made["metadata"]["resourceVersion"]) as watching:
        assert [(await watching.next())[0] for _ in (second, third)] == ["ADDED", "ADDED"]
        patched = await verbs.patch(first, {"metadata": {"annotations": {"patched": "true"}}}, MERGE)
        assert annotations_of(patched)["patched"] == "true"
        updated = await updated_with(verbs, first, "updated")
        assert updated["metadata"]["uid"] == made["metadata"]["uid"]
        await watching.until("MODIFIED", lambda one: "patched" in annotations_of(one))
        await watching.until("MODIFIED", lambda one: "updated" in annotations_of(one))
        if kind.status:
            await has_a_status(verbs, first, kind.status)
        await verbs.delete(first)
        gone = await watching.until("DELETED")
        assert gone["metadata"]["name"] == first
        assert annotations_of(gone)["updated"] == "true"
    with pytest.raises(ApiError) as missing:
        await verbs.get(first)
    assert (missing.value.code, missing.value.reason) == (404, "NotFound")
    assert names_of(await verbs.list(OWN)) == sorted((second, third))
    await verbs.delete_collection(OWN)
    assert await verbs.list(OWN) == []


def manifest(kind: Kind, name: str) -> Document:
    return {**kind.body, "metadata": {"name": name, "labels": {"special": "own"}}}


async def updated_with(verbs: Verbs, name: str, annotation: str, subresource: str | None = None) -> Document:
    found = await verbs.get(name, subresource)
    found["metadata"].setdefault("annotations", {})[annotation] = "true"
    updated = await verbs.update(found, subresource)
    assert annotations_of(updated)[annotation] == "true"
    return updated


KEEPS_METADATA = {"flowschemas", "prioritylevelconfigurations", "resourceclaims", "servicecidrs"}


async def has_a_status(verbs: Verbs, name: str, status: Document) -> None:
    """Read, patched with an annotation, and updated; the specification stays, and of some kinds all metadata."""
    before = await verbs.get(name, "status")
    patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": status}
    patched = await verbs.patch(name, patch, MERGE, "status")
    assert ("patchedstatus" in annotations_of(patched)) is (verbs.info.plural not in KEEPS_METADATA)
    assert holds(patched["status"], status)
    assert patched["spec"] == before["spec"]
    patched["status"] = {**patched["status"], **status}
    patched["spec"] = {**before["spec"]}
    updated = await verbs.update(patched, "status")
    assert holds((await verbs.get(name))["status"], status)
    assert updated["spec"] == before["spec"]


def holds(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return all(holds(found.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(holds, found, wanted))
    return bool(found == wanted)
