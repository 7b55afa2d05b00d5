from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest
import pytest_asyncio

from client.fake_server import FakeServer, status
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.client import Client, DirectTransport, Informer, Informers, Request, Unreachable
from pybernetes.client.mutation import MutationDetection, SharedObjectChanged

pytestmark = pytest.mark.virtual_time

PODS = "/api/v1/namespaces/default/pods"


class World:
    def __init__(self) -> None:
        self.server = FakeServer()
        self.detection = MutationDetection()
        client = Client(DirectTransport(self.server.handle), detection=self.detection)
        self.informers = Informers(client, Random(1))
        self.pods: Informer[core_v1.Pod] = self.informers.get(core_v1.Pod)
        self.heard: list[tuple[str, str, str]] = []
        self.pods.on_change(self._hear)

    def _hear(self, old: core_v1.Pod | None, new: core_v1.Pod | None) -> None:
        known = new or old
        assert known is not None
        change = "added" if old is None else "gone" if new is None else "changed"
        self.heard.append((change, known.metadata.name, known.metadata.uid))

    def requests(self, *, watch: bool) -> list[Request]:
        return [request for request in self.server.requests if bool(request.query.get("watch")) == watch]


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    world.server.put(f"{PODS}/a", {"metadata": {"labels": {"app": "web"}}})
    running = asyncio.create_task(world.informers.run())
    await world.informers.synced()
    await asyncio.sleep(0.01)
    yield world
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_the_first_list_and_every_later_change_are_heard_once(world: World) -> None:
    world.server.put(f"{PODS}/b", {})
    world.server.put(f"{PODS}/a", {"spec": {"nodeName": "n"}})
    world.server.remove(f"{PODS}/b")
    await asyncio.sleep(1)
    assert [(change, name) for change, name, _ in world.heard] == [
        ("added", "a"),
        ("added", "b"),
        ("changed", "a"),
        ("gone", "b"),
    ]
    known = world.pods.get(Key("default", "a"))
    assert known is not None
    assert known.spec.node_name == "n"
    assert world.pods.get(Key("default", "b")) is None


async def test_a_broken_watch_is_taken_up_where_it_ended_without_a_list(world: World) -> None:
    world.server.bookmark()
    await asyncio.sleep(0.1)
    bookmarked = str(world.server.version)
    world.server.break_watches()
    world.server.put(f"{PODS}/b", {})
    await asyncio.sleep(5)
    assert world.requests(watch=True)[-1].query["resourceVersion"] == bookmarked
    assert len(world.requests(watch=False)) == 1
    assert world.pods.get(Key("default", "b")) is not None


async def test_a_version_too_old_leads_to_a_fresh_list_and_the_difference(world: World) -> None:
    world.server.break_watches()
    world.server.put(f"{PODS}/b", {})
    world.server.remove(f"{PODS}/a")
    world.server.forget_history()
    await asyncio.sleep(5)
    assert [(change, name) for change, name, _ in world.heard] == [("added", "a"), ("gone", "a"), ("added", "b")]
    lists = world.requests(watch=False)
    assert len(lists) == 2
    assert "resourceVersion" not in lists[1].query


async def test_an_object_replaced_under_its_name_is_heard_as_gone_and_added(world: World) -> None:
    world.server.break_watches()
    world.server.remove(f"{PODS}/a")
    world.server.put(f"{PODS}/a", {})
    world.server.forget_history()
    await asyncio.sleep(5)
    assert [change for change, _, _ in world.heard] == ["added", "gone", "added"]
    assert world.heard[1][2] != world.heard[2][2]


async def test_an_absent_server_is_waited_for(world: World) -> None:
    request = Request("GET", "/api/v1/pods")
    world.server.faults.extend([Unreachable(request, "gone"), status(500, "InternalError"), Unreachable(request, "")])
    world.server.break_watches()
    await asyncio.sleep(60)
    world.server.put(f"{PODS}/b", {})
    await asyncio.sleep(1)
    assert world.pods.get(Key("default", "b")) is not None


async def test_indexes_follow_every_change(world: World) -> None:
    world.pods.add_index("app", lambda pod: [pod.metadata.labels["app"]] if "app" in pod.metadata.labels else [])
    assert [pod.metadata.name for pod in world.pods.by_index("app", "web")] == ["a"]
    world.server.put(f"{PODS}/a", {"metadata": {"labels": {"app": "db"}}})
    world.server.put("/api/v1/namespaces/other/pods/c", {"metadata": {"labels": {"app": "db"}}})
    await asyncio.sleep(1)
    assert world.pods.by_index("app", "web") == []
    assert [pod.metadata.name for pod in world.pods.by_index("app", "db")] == ["a", "c"]
    assert [pod.metadata.name for pod in world.pods.list("other")] == ["c"]


async def test_a_late_handler_hears_of_what_is_there(world: World) -> None:
    heard: list[str] = []
    world.pods.on_change(lambda old, new: heard.append(new.metadata.name if new else ""))
    assert heard == ["a"]


async def test_an_informer_asked_for_later_starts_at_once(world: World) -> None:
    world.server.put("/api/v1/nodes/n", {})
    nodes = world.informers.get(core_v1.Node)
    await nodes.synced()
    assert nodes.get(Key("", "n")) is not None


async def test_a_shared_object_that_is_written_to_is_found_out(world: World) -> None:
    world.detection.check()
    known = world.pods.get(Key("default", "a"))
    assert known is not None
    known.metadata.labels["app"] = "mine"
    with pytest.raises(SharedObjectChanged):
        world.detection.check()
    known.metadata.labels["app"] = "web"


async def test_an_object_that_cannot_be_read_does_not_hide_the_others() -> None:
    server = FakeServer()
    server.put(f"{PODS}/broken", {"spec": {"containers": "none"}})
    server.put(f"{PODS}/whole", {})
    informers = Informers(Client(DirectTransport(server.handle)), Random(1))
    pods = informers.get(core_v1.Pod)
    running = asyncio.create_task(informers.run())
    await pods.synced()
    server.put(f"{PODS}/broken-too", {"spec": {"containers": "none"}})
    server.put(f"{PODS}/later", {})
    await asyncio.sleep(1)
    assert sorted(pod.metadata.name for pod in pods.list()) == ["later", "whole"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
