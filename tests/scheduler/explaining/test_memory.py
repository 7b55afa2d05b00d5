"""Remembered decisions stay as they were, whatever happens afterwards, and are bounded."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pybernetes.api.meta import Key
from pybernetes.scheduler.evaluation import Evaluator, Placement
from pybernetes.scheduler.explaining import trace as traces
from pybernetes.scheduler.explaining.explain import explain
from pybernetes.scheduler.explaining.explanation import Explanation, Source
from pybernetes.scheduler.explaining.memory import DecisionMemory
from pybernetes.scheduler.explaining.trace import Trace
from scheduler.objects import World, node, pod

AT = datetime(2026, 1, 2, tzinfo=UTC)


def told(world: World, trace: Trace | None) -> Explanation:
    assert trace is not None
    return explain(trace, world.state, source=Source.DECISION, at=AT)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["100m", "1", "3"]), st.booleans()), max_size=30), st.randoms())
def test_an_explanation_reads_the_same_for_ever(order: list[tuple[str, bool]], chance: Random) -> None:
    world = World(*(node(f"n{number}", cpu="4", labels={"zone": str(number % 3)}) for number in range(12)))
    world.workloads.set_service("default", "web", {"app": "web"})
    seen: list[tuple[Trace, Explanation]] = []
    placed = []
    for step, (cpu, in_service) in enumerate(order):
        one = pod(f"pod-{step}", cpu=cpu, labels={"app": "web" if in_service else "other"})
        decision = world.evaluator.decide(one)
        assert world.evaluator.trace is not None
        seen.append((world.evaluator.trace, told(world, world.evaluator.trace)))
        if isinstance(decision, Placement):
            assert seen[-1][1].node == decision.node
            world.state.assume(one, decision.node)
            placed.append(one.key)
        if placed and chance.random() < 0.3:
            world.state.remove_pod(placed.pop(chance.randrange(len(placed))))
    assert [told(world, trace) for trace, _ in seen] == [explanation for _, explanation in seen]


def test_a_long_history_is_cut_without_changing_what_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "LONGEST_CHAIN", 3)
    world = World(*(node(f"n{number}") for number in range(8)))
    seen: list[tuple[Trace, Explanation]] = []
    for number in range(10):
        one = pod(f"pod-{number}", cpu="100m", labels={"app": "web"})
        decision = world.evaluator.decide(one)
        assert isinstance(decision, Placement)
        assert world.evaluator.trace is not None
        seen.append((world.evaluator.trace, told(world, world.evaluator.trace)))
        world.state.assume(one, decision.node)
    assert len({trace.template for trace, _ in seen}) == 3
    assert [told(world, trace) for trace, _ in seen] == [explanation for _, explanation in seen]


def test_the_oldest_decisions_are_forgotten_first() -> None:
    world, memory = World(node("a")), DecisionMemory(most=2)
    for name in ("one", "two", "one", "three"):
        world.evaluator.decide(pod(name))
        memory.remember(world.evaluator.trace, AT)
    assert [memory.get(Key("default", name)) is not None for name in ("one", "two", "three")] == [True, False, True]


def test_decisions_are_forgotten_when_they_weigh_too_much() -> None:
    world, memory = World(node("a"), node("b")), DecisionMemory(most_bytes=20_000)
    for number in range(50):
        world.evaluator.decide(pod(f"pod-{number}", labels={"number": str(number)}))
        memory.remember(world.evaluator.trace, AT)
    assert 1 < len(memory) < 50
    assert 0 < memory.nbytes <= 20_000
    for number in range(50):
        memory.forget(Key("default", f"pod-{number}"))
    assert memory.nbytes == 0


def test_looking_uses_up_no_chance() -> None:
    world, looked_at = World(node("a"), node("b"), node("c")), World(node("a"), node("b"), node("c"))
    for evaluator, looks in ((world.evaluator, 0), (looked_at.evaluator, 3)):
        assert isinstance(evaluator, Evaluator)
        for _ in range(looks):
            assert evaluator.examine(pod("web")).row is None
    assert [world.evaluator.decide(pod(f"p{n}")) for n in range(9)] == [
        looked_at.evaluator.decide(pod(f"p{n}")) for n in range(9)
    ]
