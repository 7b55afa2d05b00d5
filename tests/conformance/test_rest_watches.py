"""Watches and pages: what is told, in which order, and from which version on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from conformance.rest_server import names_of, rest_server
from conformance.typed_client import Document, TypedClient, Verbs
from pybernetes.apiserver.protobuf import decode_body
from pybernetes.testing.cluster import Cluster

LABEL = "watch-this-configmap"


def config_map(name: str, watched: str, **data: str) -> Document:
    return {"metadata": {"name": name, "labels": {LABEL: watched}}, "data": data}


async def written(maps: Verbs, name: str, mutation: int, watched: str) -> Document:
    return await maps.update(config_map(name, watched, mutation=str(mutation)))


async def told(watching: Any, count: int) -> list[tuple[str, str, str]]:
    """The next events: their types, names and mutations."""
    events = [await watching.next() for _ in range(count)]
    return [(type, one["metadata"]["name"], one.get("data", {}).get("mutation", "")) for type, one in events]


@pytest.mark.conformance("watch-configmaps-with-multiple-watchers")
async def test_each_watcher_is_told_of_what_it_selects_and_of_nothing_else() -> None:
    async with rest_server() as client:
        maps = client.of("", "v1", "configmaps")
        a, b = await maps.watch(f"{LABEL}=a"), await maps.watch(f"{LABEL}=b")
        both = await maps.watch(f"{LABEL} in (a,b)")
        async with a, b, both:
            await maps.create(config_map("a", "a"))
            await written(maps, "a", 1, "a")
            await written(maps, "a", 2, "a")
            await maps.delete("a")
            await maps.create(config_map("b", "b"))
            await maps.delete("b")
            life = [("ADDED", "a", ""), ("MODIFIED", "a", "1"), ("MODIFIED", "a", "2"), ("DELETED", "a", "2")]
            other = [("ADDED", "b", ""), ("DELETED", "b", "")]
            assert await told(a, 4) == life
            assert await told(b, 2) == other
            assert await told(both, 6) == life + other


@pytest.mark.conformance("watch-configmaps-from-resource-version", "watch-configmaps-closed-and-restarted")
async def test_a_watch_goes_on_where_another_ended() -> None:
    async with rest_server() as client:
        maps = client.of("", "v1", "configmaps")
        await maps.create(config_map("own", "from"))
        first = await written(maps, "own", 1, "from")
        await written(maps, "own", 2, "from")
        await maps.delete("own")
        async with await maps.watch(f"{LABEL}=from", first["metadata"]["resourceVersion"]) as watching:
            assert await told(watching, 2) == [("MODIFIED", "own", "2"), ("DELETED", "own", "2")]

        async with await maps.watch(f"{LABEL}=again") as watching:
            await maps.create(config_map("again", "again"))
            await written(maps, "again", 1, "again")
            assert await told(watching, 1) == [("ADDED", "again", "")]
            _, last = await watching.next()
        await written(maps, "again", 2, "again")
        async with await maps.watch(f"{LABEL}=again", last["metadata"]["resourceVersion"]) as watching:
            await maps.delete("again")
            assert await told(watching, 2) == [("MODIFIED", "again", "2"), ("DELETED", "again", "2")]


@pytest.mark.conformance("watch-configmaps-label-changed")
async def test_an_object_that_is_no_longer_selected_is_told_as_deleted_until_it_is_again() -> None:
    async with rest_server() as client:
        maps = client.of("", "v1", "configmaps")
        async with await maps.watch(f"{LABEL}=here") as watching:
            await maps.create(config_map("own", "here"))
            await written(maps, "own", 1, "here")
            await written(maps, "own", 1, "elsewhere")
            await written(maps, "own", 2, "elsewhere")
            await written(maps, "own", 2, "here")
            await written(maps, "own", 3, "here")
            await maps.delete("own")
            assert await told(watching, 6) == [
                ("ADDED", "own", ""),
                ("MODIFIED", "own", "1"),
                ("DELETED", "own", "1"),
                ("ADDED", "own", "2"),
                ("MODIFIED", "own", "3"),
                ("DELETED", "own", "3"),
            ]


@pytest.mark.conformance("watch-consistency")
async def test_watches_from_every_event_of_a_first_one_tell_the_same_versions_in_the_same_order() -> None:
    async with rest_server() as client:
        maps = client.of("", "v1", "configmaps")
        start = (await maps.page())["metadata"]["resourceVersion"]
        async with await maps.watch(version=start) as first, asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(write_at_random(maps, 60))
            watches, versions = [], []
            while len(versions) < 30:
                _, document = await first.next()
                versions.append(document["metadata"]["resourceVersion"])
                watches.append(await maps.watch(version=versions[-1]))
            versions += [(await first.next())[1]["metadata"]["resourceVersion"] for _ in range(30)]
            await writing
        assert versions == sorted(versions, key=int)
        for number, watching in enumerate(watches):
            async with watching:
                later = versions[number + 1 :]
                assert [(await watching.next())[1]["metadata"]["resourceVersion"] for _ in later] == later


async def write_at_random(maps: Verbs, count: int) -> None:
    """Each write is one event."""
    there: list[str] = []
    for number in range(count):
        match number % 5:
            case 0 | 1:
                there.append(f"cm-{number}")
                await maps.create(config_map(there[-1], "x"))
            case 2 | 3:
                await written(maps, there[number % len(there)], number, "x")
            case _:
                await maps.delete(there.pop(0))
        await asyncio.sleep(0)


PAGE = {"limit": "40"}


async def with_templates(client: TypedClient, count: int) -> Verbs:
    templates = client.of("", "v1", "podtemplates")
    template = {"metadata": {"labels": {"name": "t"}}, "spec": {"containers": [{"name": "test", "image": "test2"}]}}
    for number in range(count):
        await templates.create({"metadata": {"name": f"template-{number:04}"}, "template": template})
    return templates


@pytest.mark.conformance("API Chunking, server should return chunks of results for list calls")
async def test_a_list_comes_in_pages_of_one_version_that_say_what_remains() -> None:
    async with rest_server() as client:
        templates = await with_templates(client, 400)
        seen: list[str] = []
        version, query = "", dict(PAGE)
        while True:
            page = await templates.page(**query)
            assert 0 < len(page["items"]) <= 40
            assert version in ("", page["metadata"]["resourceVersion"])
            version = page["metadata"]["resourceVersion"]
            seen += names_of(page["items"])
            if not page["metadata"].get("continue"):
                break
            assert page["metadata"]["remainingItemCount"] == 400 - len(seen)
            query["continue"] = page["metadata"]["continue"]
        assert "remainingItemCount" not in page["metadata"]
        assert seen == [f"template-{number:04}" for number in range(400)]
        assert names_of((await templates.page())["items"]) == seen


@pytest.mark.cluster(nodes=0, controllers=(), scheduler=False)
@pytest.mark.conformance(
    "API Chunking, server should support continue listing from the last key even if the original version has been "
    "compacted away"
)
async def test_a_token_of_a_forgotten_version_is_refused_with_one_that_goes_on(cluster: Cluster) -> None:
    """The version is forgotten by itself, within the ten minutes that clients allow for."""
    client = TypedClient(cluster.server)
    templates = await with_templates(client, 400)
    first = await templates.page(**PAGE)
    assert (len(first["items"]), first["metadata"]["remainingItemCount"]) == (40, 360)
    token = first["metadata"]["continue"]
    assert len((await templates.page(**PAGE, **{"continue": token}))["items"]) == 40
    await templates.create({"metadata": {"name": "unrelated"}, "template": first["items"][0]["template"]})
    await cluster.clock.advance(600)
    expired = await client.send("GET", templates.path(), query={**PAGE, "continue": token})
    status = decode_body(expired.content)
    assert (expired.status, status["reason"]) == (410, "Expired")
    inconsistent = status["metadata"]["continue"]
    assert inconsistent
    page = await templates.page(**PAGE, **{"continue": inconsistent})
    version = page["metadata"]["resourceVersion"]
    assert int(version) > int(first["metadata"]["resourceVersion"])
    seen = names_of(first["items"]) + names_of(page["items"])
    assert page["metadata"]["remainingItemCount"] == 321
    while page["metadata"].get("continue"):
        page = await templates.page(**PAGE, **{"continue": page["metadata"]["continue"]})
        assert page["metadata"]["resourceVersion"] == version
        seen += names_of(page["items"])
    assert seen == [*(f"template-{number:04}" for number in range(400)), "unrelated"]
