"""What plugins work out for all nodes at once is what plain arithmetic gives for each node by itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pybernetes.api.models import core_v1
from pybernetes.scheduler.framework import ScorePlugin
from pybernetes.scheduler.pod_info import DEFAULT_MEMORY, DEFAULT_MILLI_CPU, PodInfo
from scheduler.configured import ConfiguredWorld, configuration
from scheduler.objects import node, pod

RESOURCES = ("cpu", "memory", "example.com/gpu")
SHAPE = ((0, 3), (40, 10), (90, 1))
Amounts = Mapping[str, int]
amounts = st.fixed_dictionaries({name: st.integers(0, 12) for name in RESOURCES})
capacities = st.fixed_dictionaries({name: st.integers(0, 20) for name in RESOURCES})
weights = st.fixed_dictionaries({name: st.integers(1, 5) for name in RESOURCES})


def requests(asked: Amounts) -> dict[str, str]:
    return {name: str(amount) for name, amount in asked.items() if amount}


def scaled(asked: Amounts, *, padded: bool) -> dict[str, int]:
    """In thousandths of a CPU and bytes; nothing asked for counts for a little where scoring pads."""
    exact = {**asked, "cpu": asked["cpu"] * 1000}
    if padded:
        exact["cpu"] = exact["cpu"] or DEFAULT_MILLI_CPU
        exact["memory"] = exact["memory"] or DEFAULT_MEMORY
    return exact


def least(requested: int, capacity: int) -> int:
    return 0 if requested > capacity else (capacity - requested) * 100 // capacity


def most(requested: int, capacity: int) -> int:
    return min(requested, capacity) * 100 // capacity


def ratio(requested: int, capacity: int) -> int:
    used = 100 if requested > capacity else requested * 100 // capacity
    points = [(utilization, score * 10) for utilization, score in SHAPE]
    for index, (utilization, score) in enumerate(points):
        if used <= utilization:
            if index == 0:
                return score
            low, base = points[index - 1]
            return base + math.trunc((score - base) * (used - low) / (utilization - low))
    return points[-1][1]


STRATEGIES: Mapping[str, Callable[[int, int], int]] = {
    "LeastAllocated": least,
    "MostAllocated": most,
    "RequestedToCapacityRatio": ratio,
}


def by_strategy(strategy: str, weights: Amounts, capacity: Amounts, held: Amounts, asked: Amounts) -> int:
    total = weight_sum = 0
    for name in RESOURCES:
        if capacity[name] == 0 or (name == "example.com/gpu" and asked[name] == 0):
            continue
        score = STRATEGIES[strategy](held[name] + asked[name], capacity[name])
        if strategy == "RequestedToCapacityRatio" and score <= 0:
            continue
        total += score * weights[name]
        weight_sum += weights[name]
    if weight_sum == 0:
        return 0
    return math.floor(total / weight_sum + 0.5) if strategy == "RequestedToCapacityRatio" else total // weight_sum


def evenness(filled: list[float]) -> int:
    if len(filled) == 2:
        deviation = abs((filled[0] - filled[1]) / 2)
    elif len(filled) > 2:
        mean = sum(filled) / len(filled)
        deviation = math.sqrt(sum((one - mean) * (one - mean) for one in filled) / len(filled))
    else:
        deviation = 0.0
    return int((1 - deviation) * 100)


def balanced(capacity: Amounts, held: Amounts, asked: Amounts) -> int:
    counted = [name for name in RESOURCES if capacity[name] and (name != "example.com/gpu" or asked[name])]
    after = evenness([min((held[name] + asked[name]) / capacity[name], 1) for name in counted])
    before = evenness([min(held[name] / capacity[name], 1) for name in counted])
    return 50 + (50 + after - before) // 2


def made(document: Mapping[str, Any], nodes: list[tuple[Amounts, Amounts]]) -> ConfiguredWorld:
    world = ConfiguredWorld(document)
    for index, (capacity, held) in enumerate(nodes):
        one: core_v1.Node = node(f"n{index}", cpu=str(capacity["cpu"]), memory=str(capacity["memory"]))
        one.status.allocatable["example.com/gpu"] = str(capacity["example.com/gpu"])
        world.state.set_node(one)
        world.place(pod(f"held-{index}", requests=requests(held)), f"n{index}")
    return world


def scored(world: ConfiguredWorld, name: str, one: PodInfo) -> list[int]:
    profile = world.profiles["default-scheduler"]
    plugin: ScorePlugin = next(each.plugin for each in profile.scores if each.plugin.name == name)
    nodes = world.state.nodes
    return [int(score) for score in plugin.score(one, nodes, slice(None), nodes.present)[: nodes.size]]


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(STRATEGIES)),
    weights,
    st.lists(st.tuples(capacities, amounts), min_size=1, max_size=6),
    amounts,
)
def test_scoring_strategies(
    strategy: str, weights: Amounts, nodes: list[tuple[Amounts, Amounts]], asked: Amounts
) -> None:
    arguments: dict[str, Any] = {
        "type": strategy,
        "resources": [{"name": name, "weight": weight} for name, weight in weights.items()],
    }
    if strategy == "RequestedToCapacityRatio":
        shape = [{"utilization": utilization, "score": score} for utilization, score in SHAPE]
        arguments["requestedToCapacityRatio"] = {"shape": shape}
    given = {"name": "NodeResourcesFit", "args": {"scoringStrategy": arguments}}
    world = made(configuration({"pluginConfig": [given]}), nodes)
    wanted = scaled(asked, padded=True)
    expected = [
        by_strategy(strategy, weights, scaled(capacity, padded=False), scaled(held, padded=True), wanted)
        for capacity, held in nodes
    ]
    assert scored(world, "NodeResourcesFit", pod("p", requests=requests(asked))) == expected


@settings(max_examples=60)
@given(st.lists(st.tuples(capacities, amounts), min_size=1, max_size=6), amounts)
def test_balanced_allocation(nodes: list[tuple[Amounts, Amounts]], asked: Amounts) -> None:
    given = {"name": "NodeResourcesBalancedAllocation", "args": {"resources": [{"name": name} for name in RESOURCES]}}
    world = made(configuration({"pluginConfig": [given]}), nodes)
    wanted = scaled(asked, padded=False)
    expected = [
        balanced(scaled(capacity, padded=False), scaled(held, padded=False), wanted) for capacity, held in nodes
    ]
    assert scored(world, "NodeResourcesBalancedAllocation", pod("p", requests=requests(asked))) == expected
