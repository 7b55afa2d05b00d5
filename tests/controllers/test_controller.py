from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from random import Random

import pytest
import pytest_asyncio

from client.fake_server import FakeServer
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import apps_v1, core_v1
from pybernetes.client import Client, DirectTransport
from pybernetes.client.leader import LeaderElector
from pybernetes.controllers import CONTROLLERS, REGISTRY, ControllerManager, UnknownController, select
from pybernetes.controllers.controller import (
    DONE,
    Controller,
    Every,
    For,
    Maps,
    Owns,
    Requeue,
    Result,
    Retry,
    Terminal,
)
from pybernetes.testing.loop import LoopClock

pytestmark = pytest.mark.virtual_time

SETS = "/apis/apps/v1/namespaces/default/replicasets"
PODS = "/api/v1/namespaces/default/pods"
REVISIONS = "/apis/apps/v1/namespaces/default/controllerrevisions"
WEB = Key("default", "web")


class Recorder(Controller):
    """Does what the test says, and remembers when it was asked."""

    name = "recorder-controller"
    watches = (
        For(apps_v1.ReplicaSet),
        Owns(core_v1.Pod),
        Owns(apps_v1.ControllerRevision, expected=False),
        Maps(core_v1.Node, lambda controller, node: [Key("nodes", node.metadata.name)]),
    )
    answer: Callable[[Key], Result] = staticmethod(lambda key: DONE)
    calls: list[tuple[float, Key]]
    busy: set[Key]

    async def reconcile(self, key: Key) -> Result:
        assert key not in self.busy, "a key was reconciled twice at once"
        self.busy.add(key)
        self.calls.append((asyncio.get_running_loop().time(), key))
        await asyncio.sleep(0)
        self.busy.discard(key)
        return self.answer(key)


class World:
    def __init__(self) -> None:
        self.server = FakeServer()
        self.client = Client(DirectTransport(self.server.handle))
        self.defects: list[Exception] = []
        self.calls: list[tuple[float, Key]] = []
        calls = self.calls
        self.kind = type("Recording", (Recorder,), {"calls": calls, "busy": set()})
        self.manager = ControllerManager(
            self.client,
            LoopClock(),
            Random(1),
            [self.kind],
            report_defect=lambda controller, key, error: self.defects.append(error),
        )

    def answers(self, answer: Callable[[Key], Result]) -> None:
        self.kind.answer = staticmethod(answer)  # type: ignore[attr-defined]

    def times(self, key: Key) -> list[float]:
        return [time for time, called in self.calls if called == key]


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    world.server.put(f"{SETS}/web", {"metadata": {"uid": "uid-web"}})
    running = asyncio.create_task(world.manager.run())
    yield world
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def failing(error: Exception) -> Callable[[Key], Result]:
    def answer(key: Key) -> Result:
        raise error

    return answer


async def test_what_is_there_at_the_start_is_reconciled_once(world: World) -> None:
    await asyncio.sleep(10)
    assert [key for _, key in world.calls] == [WEB]


async def test_a_requeue_comes_back_when_it_said(world: World) -> None:
    world.answers(lambda key: Requeue(30))
    await asyncio.sleep(100)
    first, second, third, *_ = world.times(WEB)
    assert (second - first, third - second) == pytest.approx((30, 30))


@pytest.mark.parametrize("error", [Retry("not now"), ApiError(409, "Conflict", "conflict")])
async def test_a_failure_comes_back_after_waits_that_double(world: World, error: Exception) -> None:
    world.answers(failing(error))
    await asyncio.sleep(1)
    times = world.times(WEB)
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert waits[:4] == pytest.approx([0.005, 0.01, 0.02, 0.04])
    assert world.defects == []


async def test_what_is_hopeless_comes_back_only_with_a_change(world: World) -> None:
    world.answers(failing(Terminal("never")))
    await asyncio.sleep(1000)
    assert len(world.times(WEB)) == 1
    world.server.put(f"{SETS}/web", {"metadata": {"uid": "uid-web"}, "spec": {"replicas": 2}})
    await asyncio.sleep(1)
    assert len(world.times(WEB)) == 2


async def test_a_defect_is_reported_and_stops_nobody(world: World) -> None:
    world.answers(lambda key: failing(KeyError("oops"))(key) if key == WEB else DONE)
    world.server.put(f"{SETS}/other", {})
    await asyncio.sleep(1)
    assert isinstance(world.defects[0], KeyError)
    assert len(world.times(WEB)) > 3
    assert len(world.times(Key("default", "other"))) == 1


async def test_owned_and_mapped_objects_bring_the_keys_of_others(world: World) -> None:
    await asyncio.sleep(1)
    world.calls.clear()
    owner = {"kind": "ReplicaSet", "apiVersion": "apps/v1", "name": "web", "uid": "uid-web", "controller": True}
    world.server.put(f"{PODS}/p", {"metadata": {"ownerReferences": [owner]}})
    world.server.put("/api/v1/nodes/n", {})
    world.server.put(f"{PODS}/stranger", {})
    await asyncio.sleep(1)
    assert sorted(key for _, key in world.calls) == [WEB, Key("nodes", "n")]


async def test_owned_objects_fulfil_expectations(world: World) -> None:
    await asyncio.sleep(1)
    (controller,) = world.manager.controllers
    controller.expectations.expect_creations(WEB, 1)
    assert not controller.expectations.satisfied(WEB)
    owner = {"kind": "ReplicaSet", "apiVersion": "apps/v1", "name": "web", "uid": "uid-web", "controller": True}
    world.server.put(f"{PODS}/p", {"metadata": {"uid": "uid-p", "ownerReferences": [owner]}})
    await asyncio.sleep(1)
    assert controller.expectations.satisfied(WEB)
    controller.expectations.expect_deletions(WEB, ["uid-p"])
    assert controller.expectations.doomed(WEB) == {"uid-p"}
    world.server.remove(f"{PODS}/p")
    await asyncio.sleep(1)
    assert controller.expectations.satisfied(WEB)


async def test_objects_that_are_not_expected_fulfil_nothing(world: World) -> None:
    await asyncio.sleep(1)
    (controller,) = world.manager.controllers
    controller.expectations.expect_creations(WEB, 1)
    owner = {"kind": "ReplicaSet", "apiVersion": "apps/v1", "name": "web", "uid": "uid-web", "controller": True}
    world.server.put(f"{REVISIONS}/web-1", {"metadata": {"uid": "uid-r", "ownerReferences": [owner]}})
    await asyncio.sleep(1)
    assert WEB in [key for _, key in world.calls]
    assert not controller.expectations.satisfied(WEB)


async def test_expectations_that_are_never_met_are_given_up_after_five_minutes(world: World) -> None:
    await asyncio.sleep(1)
    (controller,) = world.manager.controllers
    controller.expectations.expect(WEB, 3, ["uid-p"])
    await asyncio.sleep(299)
    assert not controller.expectations.satisfied(WEB)
    assert controller.expectations.doomed(WEB) == {"uid-p"}
    await asyncio.sleep(2)
    assert controller.expectations.satisfied(WEB)
    assert not controller.expectations.doomed(WEB)


async def test_a_periodic_key_comes_again_and_again() -> None:
    times: list[float] = []

    class Sweeper(Controller):
        name = "sweeper-controller"
        watches = (Every(20),)

        async def reconcile(self, key: Key) -> Result:
            times.append(asyncio.get_running_loop().time())
            return DONE

    client = Client(DirectTransport(FakeServer().handle))
    running = asyncio.create_task(ControllerManager(client, LoopClock(), Random(1), [Sweeper]).run())
    await asyncio.sleep(65)
    assert times == pytest.approx([0, 20, 40, 60], abs=0.1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_only_the_leader_works() -> None:
    world = World()
    world.server.put(f"{SETS}/web", {})
    lease = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/controllers"
    spec = {"holderIdentity": "other", "leaseDurationSeconds": 15, "renewTime": "2030-01-01T00:00:00.000000Z"}
    world.server.put(lease, {"spec": spec})
    elector = LeaderElector(world.client, LoopClock(), Random(1), name="controllers", identity="me")
    manager = ControllerManager(world.client, LoopClock(), Random(1), [world.kind], elector=elector)
    running = asyncio.create_task(manager.run())
    await asyncio.sleep(10)
    assert world.calls == []
    await asyncio.sleep(20)
    assert len(world.calls) == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert world.server.objects[lease]["spec"].get("holderIdentity", "") == ""


def test_controllers_are_chosen_as_upstream_does() -> None:
    everything = select(CONTROLLERS)
    assert select(CONTROLLERS, ["deployment-controller"]) == [REGISTRY["deployment-controller"]]
    assert REGISTRY["job-controller"] not in select(CONTROLLERS, ["*", "-job-controller"])
    assert len(select(CONTROLLERS, ["*", "-job-controller"])) == len(everything) - 1
    with pytest.raises(UnknownController, match="'jobs' is not in the list of known controllers"):
        select(CONTROLLERS, ["*", "-jobs"])


def test_no_two_controllers_have_one_name() -> None:
    assert len(REGISTRY) == len(CONTROLLERS)
