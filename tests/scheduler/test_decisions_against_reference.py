"""Whole decisions: the plugins together say what all references together say, in a fresh state and in a changed one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pybernetes.api.models import core_v1
from pybernetes.scheduler.arrays import EVERY_ROW
from pybernetes.scheduler.evaluation import Diagnosis, Placement
from pybernetes.scheduler.pod_info import pod_info
from scheduler.clusters import FEATURES, Document, clusters, made, nodes, placed_pods, pods, world_of
from scheduler.configured import ConfiguredWorld
from scheduler.reference.images import ImageLocality
from scheduler.reference.inter_pod_affinity import InterPodAffinity
from scheduler.reference.node_affinity import NodeAffinity
from scheduler.reference.node_basics import NodeName, NodePorts, NodeUnschedulable
from scheduler.reference.resources import NodeResourcesBalancedAllocation, NodeResourcesFit
from scheduler.reference.taint_toleration import TaintToleration
from scheduler.reference.topology_spread import PodTopologySpread
from scheduler.reference.volumes import NodeVolumeLimits, VolumeBinding, VolumeRestrictions, VolumeZone
from scheduler.reference.world import Cluster, Scores, Verdict
from scheduler.test_against_reference import final

RESOURCES = {"cpu": 1, "memory": 1}
REFERENCES: Mapping[str, Any] = {
    "NodeUnschedulable": NodeUnschedulable(),
    "NodeName": NodeName(),
    "TaintToleration": TaintToleration(),
    "NodeAffinity": NodeAffinity(),
    "NodePorts": NodePorts(),
    "NodeResourcesFit": NodeResourcesFit(RESOURCES),
    "VolumeRestrictions": VolumeRestrictions(),
    "NodeVolumeLimits": NodeVolumeLimits(),
    "VolumeBinding": VolumeBinding(),
    "VolumeZone": VolumeZone(),
    "PodTopologySpread": PodTopologySpread(),
    "InterPodAffinity": InterPodAffinity(),
    "NodeResourcesBalancedAllocation": NodeResourcesBalancedAllocation(RESOURCES),
    "ImageLocality": ImageLocality(),
}
"""In the order in which upstream asks them, as for who is credited with a refusal."""
WEIGHTS = {
    "TaintToleration": 3,
    "NodeAffinity": 2,
    "NodeResourcesFit": 1,
    "PodTopologySpread": 2,
    "InterPodAffinity": 2,
    "NodeResourcesBalancedAllocation": 1,
    "ImageLocality": 1,
}
PROFILE = {"schedulerName": "default-scheduler"}


def named_nodes(pod: core_v1.Pod) -> set[str] | None:
    """Those that its required affinity names, where every term names some."""
    affinity = pod.spec.affinity.node_affinity if pod.spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    names: set[str] = set()
    for term in required.node_selector_terms if required else ():
        values = [set(one.values) for one in term.match_fields if one.operator == "In"]
        if not values:
            return None
        names |= set.intersection(*values)
    return names if required else None


def verdict(pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> Verdict | None:
    """That of the first plugin which refuses."""
    named = named_nodes(pod)
    if named is not None and node.metadata.name not in named:
        return Verdict(("node(s) didn't satisfy plugin(s) [NodeAffinity]",), hopeless=True)
    answers = (one.filter(pod, node, cluster) for one in REFERENCES.values() if hasattr(one, "filter"))
    return next((one for one in answers if one is not None), None)


def totals(pod: core_v1.Pod, chosen: list[core_v1.Node], cluster: Cluster) -> Scores:
    total = dict.fromkeys((one.metadata.name for one in chosen), 0)
    for name, weight in WEIGHTS.items():
        for node, score in final(REFERENCES[name], pod, chosen, cluster)[1].items():
            total[node] += weight * score
    return total


def agree(world: ConfiguredWorld, cluster: Cluster, pod: core_v1.Pod) -> None:
    decision = world.evaluator.decide(pod_info(pod))
    for one in REFERENCES.values():
        if hasattr(one, "reject") and (why := one.reject(pod, cluster)) is not None:
            assert isinstance(decision, Diagnosis)
            assert decision.rejection == why
            return
    verdicts = {node.metadata.name: verdict(pod, node, cluster) for node in cluster.nodes}
    chosen = [node for node in cluster.nodes if verdicts[node.metadata.name] is None]
    if chosen:
        assert isinstance(decision, Placement)
        scores = totals(pod, chosen, cluster)
        assert decision.feasible == len(chosen)
        assert len(chosen) == 1 or scores[decision.node] == max(scores.values())
        return
    assert isinstance(decision, Diagnosis)
    reasons: dict[str, int] = {}
    for one in verdicts.values():
        assert one is not None
        for reason in one.reasons:
            reasons[reason] = reasons.get(reason, 0) + 1
    assert decision.reasons == reasons
    columns = world.state.nodes
    resolvable = {columns.names[row] for row in np.flatnonzero(decision.resolvable)}
    assert resolvable == {name for name, one in verdicts.items() if one is not None and not one.hopeless}


features = st.lists(st.sampled_from(FEATURES), min_size=1, max_size=4, unique=True)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Document, list[core_v1.Pod]]:
    some = draw(features)
    wanted = [draw(pods(some, f"p{number}")) for number in range(2)]
    return draw(clusters(some)), msgspec.convert(wanted, list[core_v1.Pod])


def decide(document: Document, wanted: list[core_v1.Pod]) -> None:
    world, cluster = made(document, PROFILE)
    for one in wanted:
        agree(world, cluster, one)


@settings(max_examples=60)
@given(situations())
def test_a_decision_is_what_the_references_say(situation: tuple[Document, list[core_v1.Pod]]) -> None:
    decide(*situation)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@settings(max_examples=3000)
@given(situations())
def test_many_more_decisions_are_what_the_references_say(situation: tuple[Document, list[core_v1.Pod]]) -> None:
    decide(*situation)


@st.composite
def changes(draw: st.DrawFn, some: list[str]) -> list[tuple[str, Any]]:
    """What happens to a cluster: nodes and pods come, change and go."""
    happened: list[tuple[str, Any]] = []
    for number in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["node", "node gone", "pod", "pod", "pod gone", "namespace"]))
        if kind == "node":
            happened.append((kind, draw(nodes(some, f"n{draw(st.integers(0, 5))}"))))
        elif kind == "pod":
            happened.append((kind, draw(placed_pods(some, number % 3, 5))))
        elif kind == "namespace":
            happened.append((kind, (draw(st.sampled_from(["other", "third"])), draw(st.sampled_from(["x", "y"])))))
        else:
            happened.append((kind, draw(st.integers(0, 5))))
    return happened


def happen(world: ConfiguredWorld, cluster: Cluster, kind: str, what: Any) -> None:
    """One change on both sides."""
    state = world.state
    match kind:
        case "node":
            node = msgspec.convert(what, core_v1.Node)
            cluster.nodes = [one for one in cluster.nodes if one.metadata.name != node.metadata.name] + [node]
            state.set_node(node)
        case "node gone":
            cluster.nodes = [one for one in cluster.nodes if one.metadata.name != f"n{what}"]
            state.remove_node(f"n{what}")
        case "pod":
            pod = msgspec.convert(what, core_v1.Pod)
            key = pod_info(pod).key
            cluster.placed = [one for one in cluster.placed if pod_info(one).key != key] + [pod]
            state.set_pod(pod_info(pod), pod.spec.node_name or "")
        case "pod gone":
            gone = [one for one in cluster.placed if one.metadata.name == f"placed-{what}"]
            cluster.placed = [one for one in cluster.placed if one not in gone]
            for one in gone:
                state.remove_pod(pod_info(one).key)
        case "namespace":
            cluster.namespaces[what[0]] = {"team": what[1]}
            state.set_namespace(what[0], {"team": what[1]})


def answers(world: ConfiguredWorld, one: core_v1.Pod) -> dict[str, Any]:
    """What every plugin says of every node, by the node's name."""
    columns, info = world.state.nodes, pod_info(one)
    rows = np.flatnonzero(columns.present)
    said: dict[str, Any] = {}
    for plugin in world.profiles["default-scheduler"].filters:
        if plugin.concerns(info, columns):
            for refusal in plugin.filter(info, columns, EVERY_ROW):
                said[f"{plugin.name} {refusal.reason} {refusal.code}"] = {
                    columns.names[row] for row in rows if refusal.mask[row]
                }
    for weighted in world.profiles["default-scheduler"].scores:
        if weighted.plugin.prefers(info, columns):
            raw = weighted.plugin.score(info, columns, EVERY_ROW, columns.present)
            said[weighted.plugin.name] = {columns.names[row]: int(raw[row]) for row in rows}
    return {what: answer for what, answer in said.items() if answer}


@st.composite
def histories(draw: st.DrawFn) -> tuple[Document, list[core_v1.Pod], list[tuple[str, Any]]]:
    document, wanted = draw(situations())
    return document, wanted, draw(changes([*FEATURES[:6]]))


def live_through(document: Document, wanted: list[core_v1.Pod], happened: list[tuple[str, Any]]) -> None:
    world, cluster = made(document, PROFILE)
    for kind, what in happened:
        for one in wanted:
            world.evaluator.decide(pod_info(one))
        happen(world, cluster, kind, what)
    fresh = world_of(cluster, PROFILE)
    for one in wanted:
        assert answers(world, one) == answers(fresh, one)
        agree(world, cluster, one)


History = tuple[Document, list[core_v1.Pod], list[tuple[str, Any]]]


@settings(max_examples=40)
@given(histories())
def test_a_state_that_has_changed_is_as_one_that_was_always_so(history: History) -> None:
    live_through(*history)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@settings(max_examples=2000)
@given(histories())
def test_many_more_states_that_have_changed_are_as_ones_that_were_always_so(history: History) -> None:
    live_through(*history)
