"""Deciding alone: the scheduler's state and plugins in this process, without an API. Times are of the CPU."""

from __future__ import annotations

import time
from collections.abc import Mapping
from random import Random
from typing import Any

import msgspec

from benchmarks.report import Figure
from benchmarks.scheduler import templates
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.evaluation import Diagnosis, Evaluator, Placement
from pybernetes.scheduler.pod_info import PodInfo, pod_info
from pybernetes.scheduler.preemption import Preemption, plan_preemption
from pybernetes.scheduler.profiles import default_profile
from pybernetes.scheduler.workloads import Workloads

NODES, PODS, WARM_UP, PREEMPTIONS = 5000, 2000, 50, 500
LARGE = 3 * NODES
ZONES = ("zone1", "zone2", "zone3")
KINDS: Mapping[str, tuple[dict[str, Any], float | None]] = {
    "plain": (templates.DEFAULT, 0.3),
    "spreading": (templates.SPREADING, 0.3),
    "preferred spreading": (templates.PREFERRED_SPREADING, 0.3),
    "affinity": (templates.AFFINITY, 0.3),
    "anti-affinity": (templates.ANTI_AFFINITY, 0.3),
    "preferred anti-affinity": (templates.PREFERRED_ANTI_AFFINITY, 0.3),
    "for a named node": (templates.FOR_NAMED_NODE, 0.3),
}


def measure() -> list[Figure]:
    figures = []
    for name, (template, goal) in KINDS.items():
        few, many = (_per_pod(template, nodes) for nodes in (NODES, LARGE))
        figures.append(Figure(f"decide: {name}, {NODES} nodes", few, "ms/pod", goal, at_most=True))
        growth = f"nodes × {LARGE / NODES:g}"
        figures.append(Figure(f"decide: {name}, growth to {LARGE}", many / few, "×", 3.0, at_most=True, note=growth))
    figures.append(Figure(f"preempt: {NODES} nodes, {4 * NODES} pods", _per_preemption(), "ms/pod", 2.0, at_most=True))
    return figures


def _per_pod(template: dict[str, Any], nodes: int) -> float:
    """Milliseconds of CPU to decide about a pod and to count it on its node."""
    state, workloads = ClusterState(), Workloads()
    evaluator = Evaluator(state, default_profile(state, workloads), Random(1))
    for name in ("sched-0", "sched-1"):
        state.set_namespace(name, {})
    for number in range(nodes):
        labels = {templates.ZONE: ZONES[number % len(ZONES)]}
        name = templates.NAMED_NODE if number == 0 else f"n{number}"
        room = {**templates.NODE, "pods": "90000"} if number == 0 else None
        state.set_node(msgspec.convert(templates.node(name, labels, room), core_v1.Node))
    document = {**template, "metadata": {**template["metadata"], "name": "p", "namespace": "sched-1"}}
    info = pod_info(msgspec.convert(document, core_v1.Pod))
    pods = [msgspec.structs.replace(info, key=Key("sched-1", f"p{number}")) for number in range(PODS + WARM_UP)]
    for one in pods[:WARM_UP]:
        _place(state, evaluator, one)
    began = time.process_time()
    for one in pods[WARM_UP:]:
        _place(state, evaluator, one)
    return (time.process_time() - began) / PODS * 1000


def _per_preemption() -> float:
    """Milliseconds of CPU to choose victims; the pod then takes their place, and the next one is like it."""
    state, random = ClusterState(), Random(1)
    evaluator = Evaluator(state, default_profile(state, Workloads()), random)
    state.set_namespace("sched-0", {})
    for number in range(NODES):
        state.set_node(msgspec.convert(templates.node(f"n{number}", {}), core_v1.Node))
    low, high = _info(templates.LOW_PRIORITY, 0), _info(templates.HIGH_PRIORITY_POD, 10)
    for number in range(4 * NODES):
        state.set_pod(msgspec.structs.replace(low, key=Key("sched-0", f"low{number}")), f"n{number % NODES}")
    spent = 0.0
    for number in range(PREEMPTIONS):
        one = msgspec.structs.replace(high, key=Key("sched-0", f"high{number}"))
        decision = evaluator.decide(one)
        if not isinstance(decision, Diagnosis):
            raise SystemExit(f"a pod that was to preempt others was not: {decision}")
        began = time.process_time()
        plan = plan_preemption(state, evaluator, one, decision, offset=random.randrange(NODES))
        spent += time.process_time() - began
        if not isinstance(plan, Preemption):
            raise SystemExit(f"nobody could be preempted: {plan}")
        for victim in plan.victims:
            state.remove_pod(victim.key)
        state.assume(one, plan.node)
    return spent / PREEMPTIONS * 1000


def _info(template: dict[str, Any], priority: int) -> PodInfo:
    metadata = {**template["metadata"], "name": "p", "namespace": "sched-0"}
    return pod_info(
        msgspec.convert(
            {**template, "metadata": metadata, "spec": {**template["spec"], "priority": priority}}, core_v1.Pod
        )
    )


def _place(state: ClusterState, evaluator: Evaluator, pod: PodInfo) -> None:
    decision = evaluator.decide(pod)
    if not isinstance(decision, Placement):
        raise SystemExit(f"a pod that was to be placed was not: {decision}")
    state.assume(pod, decision.node)
