"""Watches: what is told first, in which order, to whom, and how they end."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from apiserver.serving import CONFIG_MAPS, PODS, TABLE, config_map, pod, serving
from pybernetes.store.contract import Put
from pybernetes.store.memory import MemoryStore


async def test_without_a_version_the_present_comes_first_as_added() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("a"))
        watch = await talk.watch(CONFIG_MAPS)
        await talk.post(CONFIG_MAPS, config_map("b"))
        await talk.patch(f"{CONFIG_MAPS}/a", {"data": {"x": "y"}})
        await talk.delete(f"{CONFIG_MAPS}/b")
        assert await watch.names(4) == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


async def test_from_a_version_every_later_event_is_told_once() -> None:
    async with serving() as talk:
        made = await talk.post(CONFIG_MAPS, config_map("a"))
        await talk.post(CONFIG_MAPS, config_map("b"))
        watch = await talk.watch(CONFIG_MAPS, resourceVersion=made.version)
        await talk.post(CONFIG_MAPS, config_map("c"))
        assert await watch.names(2) == [("ADDED", "b"), ("ADDED", "c")]


async def test_events_carry_the_version_at_which_they_happened() -> None:
    async with serving() as talk:
        watch = await talk.watch(CONFIG_MAPS)
        made = await talk.post(CONFIG_MAPS, config_map("a"))
        assert (await watch.next())[1]["metadata"]["resourceVersion"] == made.version
        await talk.delete(f"{CONFIG_MAPS}/a")
        gone = (await watch.next())[1]
        assert gone["metadata"]["resourceVersion"] == str(talk.server.store.revision)
        assert gone["kind"] == "ConfigMap"


async def test_a_version_that_is_too_old_ends_in_an_error_event() -> None:
    store = MemoryStore()
    await store.transact(write=[Put("/elsewhere", b"{}")])
    async with serving(store) as talk:
        watch = await talk.watch(CONFIG_MAPS, resourceVersion="1")
        type_, status = await watch.next()
        assert (type_, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
        assert status["message"].startswith("too old resource version: 1")
        with pytest.raises(StopAsyncIteration):
            await watch.next()


async def test_an_object_is_added_when_it_enters_a_selection_and_deleted_when_it_leaves() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("a"))
        watch = await talk.watch(CONFIG_MAPS, labelSelector="app=web")
        await talk.patch(f"{CONFIG_MAPS}/a", {"metadata": {"labels": {"app": "web"}}})
        await talk.patch(f"{CONFIG_MAPS}/a", {"data": {"x": "y"}})
        left = await talk.patch(f"{CONFIG_MAPS}/a", {"metadata": {"labels": {"app": "api"}}})
        await talk.delete(f"{CONFIG_MAPS}/a")
        await talk.post(CONFIG_MAPS, config_map("b", {"app": "web"}))
        assert await watch.names(2) == [("ADDED", "a"), ("MODIFIED", "a")]
        type_, last = await watch.next()
        assert (type_, last["metadata"]["labels"]) == ("DELETED", {"app": "web"})
        assert last["metadata"]["resourceVersion"] == left.version
        assert await watch.names(1) == [("ADDED", "b")]


async def test_a_watch_of_one_node_sees_its_pods_and_no_others() -> None:
    async with serving() as talk:
        watch = await talk.watch("/api/v1/pods", fieldSelector="spec.nodeName=node-1")
        await talk.post(PODS, pod("elsewhere", nodeName="node-2"))
        await talk.post(PODS, pod("one"))
        binding = {"metadata": {"name": "one"}, "target": {"kind": "Node", "name": "node-1"}}
        bound = await talk.post(f"{PODS}/one/binding", binding)
        assert bound.status == 201
        assert await watch.names(1) == [("ADDED", "one")]
        assert talk.server.endpoints["", "v1", "pods"].registry.cache.subscribers


async def test_a_watch_of_one_name_sees_that_object_only() -> None:
    async with serving() as talk:
        watch = await talk.watch(CONFIG_MAPS, fieldSelector="metadata.name=b")
        by_field = await talk.watch(CONFIG_MAPS, fieldSelector="metadata.name=b")
        for name in ("a", "b"):
            await talk.post(CONFIG_MAPS, config_map(name))
        assert await watch.names(1) == [("ADDED", "b")]
        assert await by_field.names(1) == [("ADDED", "b")]


async def test_a_streamed_list_ends_with_a_marked_bookmark() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("a"))
        watch = await talk.watch(
            CONFIG_MAPS,
            sendInitialEvents="true",
            resourceVersionMatch="NotOlderThan",
            allowWatchBookmarks="true",
        )
        assert await watch.names(1) == [("ADDED", "a")]
        type_, bookmark = await watch.next()
        assert type_ == "BOOKMARK"
        assert bookmark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert bookmark["metadata"]["resourceVersion"] == str(talk.server.store.revision)


async def test_a_streamed_list_needs_its_match() -> None:
    async with serving() as talk:
        answer = await talk.get(CONFIG_MAPS, watch="1", sendInitialEvents="true")
        assert answer.status == 422
        assert "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan" in answer.message


async def test_versions_are_told_meanwhile_to_those_who_allow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pybernetes.apiserver.watching.BOOKMARK_SECONDS", 0.0)
    async with serving() as talk:
        watch = await talk.watch("/api/v1/namespaces/default/secrets", allowWatchBookmarks="true")
        await talk.post(CONFIG_MAPS, config_map("a"))
        type_, bookmark = await watch.next()
        assert (type_, bookmark["kind"]) == ("BOOKMARK", "Secret")
        assert int(bookmark["metadata"]["resourceVersion"]) <= talk.server.store.revision


async def test_a_watch_ends_when_its_client_says_so_and_when_the_server_stops() -> None:
    async with serving() as talk:
        watch = await talk.watch(CONFIG_MAPS)
        subscribers = talk.server.endpoints["", "v1", "configmaps"].registry.cache.subscribers
        assert len(subscribers) == 1
        await watch.stream.aclose()
        assert len(subscribers) == 0
        last = await talk.watch(CONFIG_MAPS)
        waiting = asyncio.ensure_future(anext(last.stream))
        await asyncio.sleep(0)
        await talk.server.stop()
        with pytest.raises(StopAsyncIteration):
            await waiting


async def test_a_client_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pybernetes.apiserver.watching.MOST_PENDING", 100)
    async with serving() as talk:
        watch = await talk.watch(CONFIG_MAPS)
        await talk.post(CONFIG_MAPS, config_map("a", x="y" * 200))
        await talk.server.watch_cache.at_least(talk.server.store.revision)
        assert watch.stream.ended
        with pytest.raises(StopAsyncIteration):
            await watch.next()


async def test_a_table_watch_names_its_columns_once() -> None:
    async with serving() as talk:
        watch = await talk.watch(CONFIG_MAPS, TABLE)
        await talk.post(CONFIG_MAPS, config_map("a"))
        await talk.post(CONFIG_MAPS, config_map("b"))
        _, first = await watch.next()
        _, second = await watch.next()
        assert [column["name"] for column in first["columnDefinitions"]] == ["Name", "Data", "Age"]
        assert second["columnDefinitions"] == []
        assert second["rows"][0]["cells"][0] == "b"


async def test_all_watchers_of_an_event_share_its_bytes() -> None:
    async with serving() as talk:
        one, other = [await talk.watch(CONFIG_MAPS) for _ in range(2)]
        await talk.post(CONFIG_MAPS, config_map("a"))
        first, second = await anext(one.stream), await anext(other.stream)
        assert first is second
        assert orjson.loads(first)["type"] == "ADDED"


async def test_a_watch_from_the_beginning_is_told_where_it_ends_and_bookmarks_are_whole_objects() -> None:
    async with serving() as talk:
        watching = await talk.watch(PODS, allowWatchBookmarks="true")
        type_, told = await watching.next()
        metadata = told.pop("metadata")
        assert type_ == "BOOKMARK"
        assert told == {"kind": "Pod", "apiVersion": "v1", "spec": {"containers": None}, "status": {}}
        assert metadata["annotations"] == {"k8s.io/initial-events-end": "true"}
