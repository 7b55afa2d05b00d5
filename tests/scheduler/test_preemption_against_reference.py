"""Preemption chooses the node and the victims of the plain reference, which looks at one pod after the other."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, policy_v1
from pybernetes.scheduler.configuration.arguments import DefaultPreemptionArgs
from pybernetes.scheduler.evaluation import Diagnosis
from pybernetes.scheduler.pod_info import pod_info
from pybernetes.scheduler.preemption import NoPreemption, Preemption, plan_preemption
from pybernetes.scheduler.wording import NOT_HELPFUL
from scheduler.clusters import Document, clusters, label_selectors, made, placed_pods, pods
from scheduler.reference import preemption as plain
from scheduler.reference.inter_pod_affinity import InterPodAffinity
from scheduler.reference.node_affinity import NodeAffinity
from scheduler.reference.node_basics import NodeName, NodePorts, NodeUnschedulable
from scheduler.reference.resources import NodeResourcesFit
from scheduler.reference.taint_toleration import TaintToleration
from scheduler.reference.topology_spread import PodTopologySpread

FILTERS = (
    NodeUnschedulable(),
    NodeName(),
    TaintToleration(),
    NodeAffinity(None),
    NodePorts(),
    NodeResourcesFit({}),
    PodTopologySpread(),
    InterPodAffinity(),
)
KINDS = (
    ("resources",),
    ("resources", "taints"),
    ("resources", "ports"),
    ("resources", "company"),
    ("resources", "spread"),
)

started = st.sampled_from([None, "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", "2026-02-01T00:00:00Z"])
budgets = st.lists(
    st.fixed_dictionaries(
        {
            "metadata": st.just({"name": "b", "namespace": "default"}),
            "spec": st.fixed_dictionaries({"selector": label_selectors}),
            "status": st.fixed_dictionaries(
                {
                    "disruptionsAllowed": st.integers(0, 2),
                    "disruptedPods": st.sampled_from([{}, {"placed-1": "2026-01-01T00:00:00Z"}]),
                }
            ),
        }
    ),
    max_size=2,
)


def large(document: Document, cpu: str) -> Document:
    """Most that is random finds a place at once."""
    requests = document["spec"]["containers"][0].setdefault("resources", {}).setdefault("requests", {})
    requests["cpu"] = cpu
    return document


@st.composite
def situations(draw: st.DrawFn, features: tuple[str, ...]) -> tuple[Document, Document, list[tuple[str, Document]]]:
    cluster = draw(clusters(features))
    count = len(cluster["nodes"])
    for node in cluster["nodes"]:
        node["status"]["allocatable"] |= {"cpu": "4", "memory": "64Gi"}
    cluster["pods"] = [draw(placed_pods(features, number, count)) for number in range(draw(st.integers(count, 9)))]
    for one in cluster["pods"]:
        one["spec"]["priority"] = draw(st.integers(0, 4))
        one["status"] = {"startTime": draw(started)}
        large(one, draw(st.sampled_from(["500m", "1", "2"])))
    pod = large(draw(pods(features, "vip")), draw(st.sampled_from(["2", "3", "3500m"])))
    pod["spec"]["priority"] = draw(st.integers(2, 6))
    nominated = []
    for number in range(draw(st.integers(0, 2))):
        one = draw(pods(features, f"nominated-{number}"))
        one["spec"]["priority"] = draw(st.integers(1, 5))
        nominated.append((draw(st.sampled_from(["n0", "n1"])), one))
    cluster["budgets"] = draw(budgets)
    return cluster, pod, nominated


def hold(features: tuple[str, ...], data: st.DataObject) -> None:
    document, pod_document, promised = data.draw(situations(features))
    world, cluster = made(document, {"schedulerName": "default-scheduler"})
    pod = msgspec.convert(pod_document, core_v1.Pod)
    some_budgets = msgspec.convert(document["budgets"], list[policy_v1.PodDisruptionBudget])
    for number, budget in enumerate(some_budgets):
        world.state.budgets.set(Key("default", f"b{number}"), budget)
    nominated: dict[str, list[core_v1.Pod]] = {}
    for node, one in promised:
        nominated.setdefault(node, []).append(msgspec.convert(one, core_v1.Pod))
        world.state.nominations.nominate(pod_info(nominated[node][-1]), node)
    decision = world.evaluator.decide(pod_info(pod))
    reference = plain.Preemption(FILTERS, cluster, some_budgets, nominated)
    verdicts = {one.metadata.name: reference.verdict(pod, one.metadata.name, cluster) for one in cluster.nodes}
    assert isinstance(decision, Diagnosis) == all(verdicts.values())
    assume(isinstance(decision, Diagnosis))
    assert isinstance(decision, Diagnosis)
    columns = world.state.nodes
    possible = [name for row, name in enumerate(columns.names) if decision.resolvable[row]]
    if not promised:
        assert possible == [name for name, verdict in verdicts.items() if verdict is not None and not verdict.hopeless]
    least = data.draw(st.integers(1, 4), "least")
    offset = data.draw(st.integers(0, 4), "offset")
    arguments = DefaultPreemptionArgs(min_candidate_nodes_percentage=0, min_candidate_nodes_absolute=least)
    before = columns.requested.copy()
    plan = plan_preemption(world.state, world.evaluator, pod_info(pod), decision, arguments, offset)
    assert (columns.requested == before).all()
    first = offset % len(possible) if possible else 0
    wanted = reference.plan(pod, [*possible[first:], *possible[:first]], arguments.candidates(len(possible)))
    event(type(plan).__name__)
    if isinstance(plan, Preemption):
        got: Any = plan.node, tuple(one.key.name for one in plan.victims), plan.violations
        assert isinstance(wanted, plain.Candidate)
        assert got == (wanted.node, wanted.victims, wanted.violations)
        assert Preemption(plan.node, plan.victims, violations=plan.violations) in list(plan.candidates)
    else:
        assert isinstance(plan, NoPreemption)
        assert isinstance(wanted, dict)
        hopeless = len(cluster.nodes) - len(possible)
        assert plan.reasons == (wanted | {NOT_HELPFUL: hopeless} if hopeless else wanted)


every_kind = pytest.mark.parametrize("features", KINDS, ids="-".join)


@every_kind
@settings(max_examples=40)
@given(data=st.data())
def test_the_same_node_and_the_same_victims(features: tuple[str, ...], data: st.DataObject) -> None:
    hold(features, data)


@pytest.mark.nightly
@every_kind
@settings(max_examples=2000)
@given(data=st.data())
def test_the_same_node_and_the_same_victims_in_many_more_clusters(
    features: tuple[str, ...], data: st.DataObject
) -> None:
    hold(features, data)
