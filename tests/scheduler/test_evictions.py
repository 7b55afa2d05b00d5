"""Victims are evicted beside decisions, and whoever they make room for is held back meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from pybernetes.api.clock import SystemClock
from pybernetes.api.errors import ApiError, internal_error, not_found
from pybernetes.client import Client
from pybernetes.scheduler.evictions import Evictions
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.waiting_pods import NotPermitted, WaitingPod, WaitingPods
from scheduler.objects import World, node, pod


class Api:
    """Writes down what is asked; ``refusing`` has what is wrong with some pods."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.refusing: dict[str, ApiError] = {}
        self.before_answer: Any = lambda verb, name: None

    async def patch(self, model: Any, name: str, *rest: Any, **more: Any) -> None:
        self._answer("patch", name)

    async def delete(self, model: Any, name: str, *rest: Any, **more: Any) -> None:
        self._answer("delete", name)

    def _answer(self, verb: str, name: str) -> None:
        self.asked.append((verb, name))
        self.before_answer(verb, name)
        if name in self.refusing:
            raise self.refusing[name]


class Bench:
    def __init__(self) -> None:
        self.world = World(node("a"))
        self.victims = [pod(f"v{number}", cpu="1") for number in range(3)]
        for one in self.victims:
            self.world.place(one, "a")
        self.vip = pod("vip", cpu="3", priority=10)
        self.permissions = WaitingPods()
        self.said: list[tuple[str, str]] = []
        self.failed: list[str] = []
        self.api = Api()
        self.evictions = Evictions(
            self.world.state,
            self.permissions,
            SystemClock(),
            lambda preemptor, victim, said: self.said.append((victim.key.name, said)),
            lambda preemptor: self.failed.append(preemptor.key.name),
        )

    async def evict(self, victims: list[PodInfo] | None = None) -> None:
        work = self.evictions.begin(self.vip, "a", self.victims if victims is None else victims)
        assert work is not None
        await work(cast(Client, self.api))


async def test_each_is_told_why_and_deleted_and_the_last_only_after_all_others() -> None:
    bench = Bench()
    await bench.evict()
    assert sorted(bench.api.asked[:4]) == [(verb, name) for verb in ("delete", "patch") for name in ("v0", "v1")]
    assert bench.api.asked[4:] == [("patch", "v2"), ("delete", "v2")]
    assert [name for name, _ in bench.said] == ["v0", "v1", "v2"]
    assert bench.said[0][1] == "Preempted by pod uid-vip on node a"
    assert not bench.evictions.hold_back(bench.vip)


async def test_the_pod_is_held_back_until_the_last_victim_is_on_its_way_out() -> None:
    bench, held = Bench(), []

    def answer(verb: str, name: str) -> None:
        if (verb, name) == ("delete", "v2"):
            held.append(bench.evictions.hold_back(bench.vip))
            # The news of it comes before the answer.
            bench.world.state.remove_pod(bench.victims[2].key)
        held.append(bench.evictions.hold_back(bench.vip))

    bench.api.before_answer = answer
    await bench.evict()
    assert held == [True] * 6 + [False]
    assert not bench.evictions.hold_back(pod("another"))


@pytest.mark.parametrize("verb", ["patch", "delete"])
async def test_a_victim_that_is_gone_already_stops_nobody(verb: str) -> None:
    bench = Bench()
    bench.api.refusing["v0"] = not_found("pods", "v0")
    await bench.evict()
    assert [name for name, _ in bench.said] == ["v1", "v2"]
    assert not bench.failed


async def test_when_one_cannot_be_evicted_the_last_is_spared_and_the_pod_is_tried_again() -> None:
    bench = Bench()
    bench.api.refusing["v1"] = internal_error("no")
    await bench.evict()
    assert ("delete", "v2") not in bench.api.asked
    assert bench.failed == ["vip"]
    assert not bench.evictions.hold_back(bench.vip)


async def test_a_victim_that_waits_for_permission_is_not_deleted() -> None:
    bench = Bench()
    waiting = WaitingPod(bench.victims[0], "a", {"Permit": 60.0})
    bench.permissions.add(waiting)
    await bench.evict([bench.victims[0]])
    assert not bench.api.asked
    assert bench.said == [("v0", "Preempted by pod uid-vip on node a (in kube-scheduler memory).")]
    with pytest.raises(NotPermitted, match="preempted"):
        await waiting.verdict()


def test_those_on_their_way_out_are_asked_for_nothing() -> None:
    bench = Bench()
    for one in bench.victims:
        one.pod.metadata.deletion_timestamp = datetime(2030, 1, 1, tzinfo=UTC)
    assert bench.evictions.begin(bench.vip, "a", bench.victims) is None
    assert not bench.evictions.hold_back(bench.vip)
