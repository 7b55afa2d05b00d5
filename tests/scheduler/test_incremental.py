"""What is kept between decisions never changes a decision."""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pybernetes.scheduler.evaluation import Evaluator
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.profiles import default_profile
from scheduler.objects import World, node, pod

ZONES = ["a", "b", "c"]


@st.composite
def pods(draw: st.DrawFn) -> PodInfo:
    app = draw(st.sampled_from(["web", "db"]))
    spec: dict[str, object] = {}
    if draw(st.booleans()):
        spec["nodeSelector"] = {"zone": draw(st.sampled_from(ZONES))}
    if draw(st.booleans()):
        when = draw(st.sampled_from(["DoNotSchedule", "ScheduleAnyway"]))
        selector = {"matchLabels": {"app": app}}
        spec["topologySpreadConstraints"] = [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": when, "labelSelector": selector}
        ]
    if draw(st.booleans()):
        term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": app}}}
        spec["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    ports = [{"containerPort": 80, "hostPort": 80}] if draw(st.booleans()) else []
    cpu = draw(st.sampled_from(["", "100m", "1", "3"]))
    return pod(f"pod-{draw(st.integers(0, 10**9))}", cpu=cpu, labels={"app": app}, ports=ports, **spec)


@settings(max_examples=60)
@given(st.lists(pods(), min_size=1, max_size=5), st.lists(st.integers(0, 4), max_size=25), st.randoms())
def test_a_kept_template_decides_as_a_fresh_one(templates: list[PodInfo], order: list[int], chance: Random) -> None:
    world = World(*(node(f"n{number}", cpu="4", labels={"zone": ZONES[number % 3]}) for number in range(20)))
    placed: list[PodInfo] = []
    for step, index in enumerate(order):
        one = templates[index % len(templates)]
        fresh = Evaluator(world.state, default_profile(world.state, world.workloads), Random(step))
        kept = world.evaluator
        kept._random = Random(step)
        decision = kept.decide(one)
        expected = fresh.decide(one)
        assert repr(decision) == repr(expected)
        copy = pod_copy(one, f"copy-{step}")
        if hasattr(decision, "node"):
            world.state.assume(copy, decision.node)
            placed.append(copy)
        if placed and chance.random() < 0.3:
            world.state.remove_pod(placed.pop(chance.randrange(len(placed))).key)
        if chance.random() < 0.2:
            world.state.set_node(node(f"n{chance.randrange(24)}", cpu="2", labels={"zone": chance.choice(ZONES)}))
        if chance.random() < 0.1:
            world.state.remove_node(f"n{chance.randrange(24)}")


def pod_copy(one: PodInfo, name: str) -> PodInfo:
    return msgspec.structs.replace(one, key=one.key._replace(name=name))


def test_the_api_servers_word_for_what_was_assumed_changes_no_node() -> None:
    world = World(node("n0"))
    world.state.assume(pod("p", cpu="1"), "n0")
    before = world.state.nodes.changes.position
    world.state.set_pod(pod("p", cpu="1", nodeName="n0"), "n0")
    assert world.state.nodes.changes.position == before
    assert not world.state.is_assumed(pod("p").key)
    world.state.set_pod(pod("p", cpu="2", nodeName="n0"), "n0")
    assert world.state.nodes.changes.position > before
