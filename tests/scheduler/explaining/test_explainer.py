"""Questions to a scheduler at work, and through its door."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pybernetes.api.clock import SystemClock
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.cli.parts.doorstep import served_at
from pybernetes.cli.socket_files import short_path
from pybernetes.scheduler.explaining.door import pages
from pybernetes.scheduler.explaining.explainer import Explainer, Unexplained
from pybernetes.scheduler.explaining.explanation import Source
from pybernetes.scheduler.explaining.memory import DecisionMemory
from pybernetes.scheduler.explaining.text import lines_of
from scheduler.explaining.test_explanations import decided
from scheduler.objects import World, node, pod


class Asked:
    """An explainer over a world whose pods are told one by one."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.memory = DecisionMemory()
        self.pods: dict[Key, core_v1.Pod] = {}
        evaluators = {"default-scheduler": world.evaluator}
        self.explainer = Explainer(world.state, evaluators, self.memory, self.pods.get, SystemClock())

    def known(self, name: str, *, on: str = "", **content: Any) -> None:
        one = pod(name, **content, **({"nodeName": on} if on else {}))
        self.pods[one.key] = one.pod
        if on:
            self.world.place(one, on)

    def of(self, name: str) -> Key:
        return Key("default", name)


def test_the_last_decision_is_told_and_a_dry_run_when_asked_for() -> None:
    asked = Asked(World(node("a")))
    asked.known("web", cpu="1")
    decided(asked.world, asked.memory, pod("web", cpu="1"))
    assert asked.explainer.last(asked.of("web")).source is Source.DECISION
    assert asked.explainer.now(asked.of("web")).source is Source.DRY_RUN


def test_a_pod_made_anew_under_the_same_name_has_no_decision_of_the_old_one() -> None:
    asked = Asked(World(node("a")))
    decided(asked.world, asked.memory, pod("web"))
    asked.known("web")
    asked.pods[asked.of("web")].metadata.uid = "another"
    assert asked.explainer.last(asked.of("web")).source is Source.DRY_RUN


def test_a_placed_pod_is_compared_as_if_it_had_no_node() -> None:
    asked = Asked(World(node("a", cpu="2"), node("b", cpu="2")))
    asked.known("web", on="a", cpu="2")
    before = asked.world.state.nodes.requested.copy()
    explanation = asked.explainer.last(asked.of("web"))
    assert (asked.world.state.nodes.requested == before).all()
    assert explanation.source is Source.COMPARISON
    assert [(one.name, one.total) for one in explanation.nodes] == [("a", 98), ("b", 98)]
    first, second, *_ = lines_of(explanation)
    assert first == "pod default/web: on a; 2 of 2 nodes would do"
    assert second.endswith("as if the pod had no node: this is not the decision that was taken")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"schedulingGates": [{"name": "later"}]}, "pod default/web is held back by its scheduling gates: later"),
        ({"schedulerName": "mine"}, "pod default/web asks for the scheduler 'mine', which is another one"),
        (None, "pod default/web is not known: it does not exist or has ended, or another scheduler leads"),
    ],
)
def test_pods_that_nobody_decides_about_are_said_to_be_so(spec: dict[str, Any] | None, message: str) -> None:
    asked = Asked(World(node("a")))
    if spec is not None:
        asked.known("web", **spec)
    with pytest.raises(Unexplained) as caught:
        asked.explainer.last(asked.of("web"))
    assert str(caught.value) == message


async def test_the_door_answers_over_a_socket_that_is_its_owners_only(tmp_path: Path) -> None:
    asked = Asked(World(node("a", cpu="1")))
    asked.known("web", cpu="2")
    path = tmp_path / ("deep" * 40) / "run" / "scheduler.sock"
    async with served_at(path, lambda: pages(asked.explainer)):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        with short_path(path) as name:
            async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(name)) as session:
                async with session.get("http://p8s/why/default/web") as answer:
                    document = json.loads(await answer.read())
                async with session.get("http://p8s/why/default/none") as refused:
                    message = (await refused.json())["message"]
                async with session.get("http://p8s/healthz") as health:
                    assert await health.text() == "ok"
    assert document["outcome"] == "pending"
    assert document["changes"] == [
        {"node": "a", "plugins": ["NodeResourcesFit"], "changes": ["lacks 1 cpu (2 wanted, 1 of 1 free)"]}
    ]
    assert (refused.status, message.partition(":")[0]) == (404, "pod default/none is not known")
    assert not path.exists()


async def test_a_door_that_nobody_knocks_at_closes_again(tmp_path: Path) -> None:
    path = tmp_path / "scheduler.sock"
    async with served_at(path, lambda: pages(Asked(World()).explainer)):
        await asyncio.sleep(0)
        assert path.is_socket()
    assert not path.exists()
