"""Plugins in plain Python: the example of docs/scheduler.md, and what happens when one fails."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pybernetes.scheduler.configuration.merging import ConfigurationError
from pybernetes.scheduler.evaluation import Diagnosis, Placement
from pybernetes.scheduler.framework import PluginFailed
from pybernetes.scheduler.plain_plugins import rows_with
from scheduler.configured import ConfiguredWorld, configuration
from scheduler.objects import node, pod

DOCS = Path(__file__).parents[2] / "docs" / "scheduler.md"


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that the page tells of."""
    module = ModuleType("quiet")
    example = DOCS.read_text().partition("```python\n")[2].partition("```")[0]
    exec(compile(example, str(DOCS), "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, "quiet", module)
    return module


def noisy(name: str, noise: str) -> Any:
    return node(name, labels={"noise": noise})


def test_the_example_of_the_page_filters_and_scores(quiet: ModuleType) -> None:
    rows = rows_with(["quiet:QuietNodes"])
    world = ConfiguredWorld(
        configuration(), noisy("loud", "loud"), noisy("quiet", "none"), noisy("some", "some"), rows=rows
    )
    assert world.evaluator.decide(pod("p")) == Placement("quiet", 3)
    assert world.evaluator.decide(pod("p", labels={"sleeps": "yes"})) == Placement("quiet", 2)
    world.state.remove_node("quiet")
    world.state.remove_node("some")
    refused = world.evaluator.decide(pod("p", labels={"sleeps": "yes"}))
    assert isinstance(refused, Diagnosis)
    assert (refused.reasons, refused.rejected_by) == ({"node(s) were too loud": 1}, frozenset({"QuietNodes"}))


def test_a_profile_can_turn_it_off_or_weigh_it(quiet: ModuleType) -> None:
    rows = rows_with(["quiet:QuietNodes"])
    off = {"schedulerName": "off", "plugins": {"multiPoint": {"disabled": [{"name": "QuietNodes"}]}}}
    heavy = {"schedulerName": "heavy", "plugins": {"score": {"enabled": [{"name": "QuietNodes", "weight": 5}]}}}
    world = ConfiguredWorld(configuration(off, heavy), rows=rows)
    weights = {name: {one.plugin.name: one.weight for one in made.scores} for name, made in world.profiles.items()}
    assert "QuietNodes" not in weights["off"]
    assert weights["heavy"]["QuietNodes"] == 5


def test_a_function_is_a_filter_and_its_failure_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("broken")

    def fails(pod: Any, node: Any) -> str | None:
        raise RuntimeError("no idea")

    module.fails = fails  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "broken", module)
    world = ConfiguredWorld(configuration(), node("a"), rows=rows_with(["broken:fails"]))
    with pytest.raises(PluginFailed) as failed:
        world.evaluator.decide(pod("p"))
    assert str(failed.value) == 'running "fails" Filter plugin: no idea'


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("nonsense", "scheduler plugin 'nonsense': want MODULE:NAME"),
        ("no_such_module:x", "scheduler plugin no_such_module:x: No module named 'no_such_module'"),
        (
            "json:decoder",
            "scheduler plugin decoder has none of the methods pre_enqueue, less, pre_filter, filter, post_filter, "
            "pre_score, score, normalise, reserve, unreserve, permit, pre_bind, bind, post_bind",
        ),
    ],
)
def test_what_is_no_plugin_is_told(reference: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        rows_with([reference])
    assert str(told.value) == message
