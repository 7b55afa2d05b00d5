"""What is said of a node because another has the same amounts is what would have been said of it."""

from __future__ import annotations

from random import Random

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pybernetes.scheduler.evaluation import Evaluator, Placement
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.profiles import default_profile
from scheduler.objects import World, node, pod

POOL = {"nodeSelector": {"pool": "a"}}
TOLERANT = {"tolerations": [{"key": "dear", "operator": "Exists"}]}
KINDS = (
    pod("plain", cpu="500m"),
    pod("small", cpu="100m", memory="100Mi"),
    pod("picky", cpu="500m", **POOL),
    pod("tolerant", cpu="500m", **TOLERANT),
    pod("port", cpu="500m", ports=[{"containerPort": 80, "hostPort": 80}]),
)
TAINT = [{"key": "dear", "effect": "NoSchedule"}]


def world() -> World:
    sizes = ("2", "4")
    made = World(*(node(f"n{one}", cpu=sizes[one % 2], labels={"pool": "ab"[one % 3 % 2]}) for one in range(12)))
    for one in (3, 7):
        made.state.set_node(node(f"n{one}", cpu="4", taints=TAINT))
    return made


def copy_of(one: PodInfo, number: int) -> PodInfo:
    return msgspec.structs.replace(one, key=one.key._replace(name=f"copy-{number}"))


@settings(max_examples=80)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=60))
def test_decisions_and_what_they_are_made_from_are_as_of_an_evaluator_that_knows_nothing(
    steps: list[tuple[int, int]],
) -> None:
    held = world()
    placed: list[PodInfo] = []
    for number, (kind, chance) in enumerate(steps):
        one = copy_of(KINDS[kind], number)
        fresh = Evaluator(held.state, default_profile(held.state, held.workloads), Random(number))
        held.evaluator._random = Random(number)
        decision = held.evaluator.decide(one)
        assert repr(decision) == repr(fresh.decide(one))
        kept, new = held.evaluator.trace, fresh.trace
        assert kept is not None
        assert new is not None
        assert np.array_equal(kept.template.feasible, new.template.feasible)
        for name, scores in new.template.scores.items():
            rows = new.template.feasible
            assert np.array_equal(kept.template.scores[name][rows], scores[rows])
        if isinstance(decision, Placement):
            held.state.assume(one, decision.node)
            placed.append(one)
        if placed and chance == 0:
            held.state.remove_pod(placed.pop(0).key)
        if chance == 1:
            held.state.set_node(node(f"n{number % 12}", cpu="4", labels={"pool": "a"}))


def test_nodes_with_equal_amounts_are_judged_once() -> None:
    held = world()
    for number in range(4):
        decision = held.evaluator.decide(copy_of(KINDS[0], number))
        assert isinstance(decision, Placement)
        held.state.assume(copy_of(KINDS[0], number), decision.node)
    assert held.evaluator.trace is not None
    # The first time nothing was kept; of three refreshed rows all were of the larger size, with one pod each.
    assert len(held.evaluator.trace.template.alike) == 1
