"""Informers that several components have together: one watch, the same objects, each waiting for its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest
import pytest_asyncio

from client.fake_server import FakeServer
from pybernetes.api.kinds import KindInfo
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.client import Client, DirectTransport, Informers
from pybernetes.client.shared_informers import Share, field_of

pytestmark = pytest.mark.virtual_time

PODS = "/api/v1/namespaces/default/pods"
LIVE = "status.phase!=Succeeded,status.phase!=Failed"


class World:
    def __init__(self) -> None:
        self.server = FakeServer()
        self.whole = Informers(Client(DirectTransport(self.server.handle)), Random(1))
        self.pods = self.whole.get(core_v1.Pod)
        self.share = Share(self.whole)
        self.live = self.share.get(core_v1.Pod, field_selector=LIVE)
        self.heard: list[str] = []
        self.live.on_change(self._hear)

    def _hear(self, old: core_v1.Pod | None, new: core_v1.Pod | None) -> None:
        one = new or old
        assert one is not None
        self.heard.append(f"{'+' if old is None else '-' if new is None else '~'}{one.metadata.name}")

    async def put(self, name: str, phase: str) -> None:
        self.server.put(f"{PODS}/{name}", {"status": {"phase": phase}})
        await asyncio.sleep(0.1)


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    world.server.put(f"{PODS}/done", {"status": {"phase": "Succeeded"}})
    world.server.put(f"{PODS}/web", {"status": {"phase": "Running"}})
    running = asyncio.create_task(world.whole.run())
    await world.share.synced()
    yield world
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_selection_hears_what_a_watch_with_its_selector_would_tell(world: World) -> None:
    assert world.heard == ["+web"]
    await world.put("web", "Pending")
    await world.put("web", "Failed")
    await world.put("web", "Failed")
    await world.put("done", "Running")
    world.server.remove(f"{PODS}/done")
    await asyncio.sleep(0.1)
    assert world.heard == ["+web", "~web", "-web", "+done", "-done"]


async def test_a_selection_shares_the_objects_and_watches_nothing(world: World) -> None:
    key = Key("default", "web")
    assert world.live.get(key) is world.pods.get(key)
    assert world.live.get(Key("default", "done")) is None
    assert len([request for request in world.server.requests if request.query.get("watch")]) == 1


async def test_the_same_question_has_the_same_answer(world: World) -> None:
    assert world.share.get(core_v1.Pod, field_selector=LIVE) is world.live
    assert world.share.get(core_v1.Pod) is world.pods
    assert world.share.get(core_v1.Pod, namespace="a") is world.whole.get(core_v1.Pod, namespace="a")


async def test_a_component_waits_for_its_own_kinds_only(world: World) -> None:
    other = Informers(world.whole.client, Random(2))
    other.get(core_v1.Node)
    share = Share(other)
    assert share.has_synced
    await share.synced()
    assert not other.get(core_v1.Node).has_synced


async def test_whole_objects_that_somebody_has_are_found_even_when_there_are_none_yet(world: World) -> None:
    nodes = world.whole.get(core_v1.Node)
    assert world.whole.known(KindInfo("", "v1", "Node", "nodes", False)) is nodes
    assert world.whole.known(KindInfo("", "v1", "Secret", "secrets", True)) is None
    assert world.whole.known(KindInfo("example.com", "v1", "Thing", "things", True)) is None


def test_fields_are_found_under_their_selectable_names() -> None:
    pod = core_v1.Pod(spec=core_v1.PodSpec(node_name="n1"))
    assert [field_of(pod, name) for name in ("spec.nodeName", "status.phase", "metadata.name")] == ["n1", "", ""]
