"""simulate: where pods would go in a cluster that is only a list of objects. The real plugins decide.

Guarantees  The same objects, pods and seed give the same answer; nothing but memory is touched.
            Pods are tried one after another, the highest priority first, as the queue would; each placement counts
            for the next. What is evicted for a pod goes at once, and the pod is placed in the same turn.
Assumes     Pods are complete: defaults are filled in and ``spec.priority`` is set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec

from pybernetes.api.clock import Clock
from pybernetes.api.models import core_v1
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.device_feed import DeviceFeed
from pybernetes.scheduler.evaluation import Diagnosis, Evaluator, Placement
from pybernetes.scheduler.explaining.explain import explain
from pybernetes.scheduler.explaining.explanation import Explanation, Source
from pybernetes.scheduler.explaining.listed_objects import ListedObjects
from pybernetes.scheduler.feed import Feed
from pybernetes.scheduler.framework import Profile
from pybernetes.scheduler.pod_info import PodInfo, pod_info
from pybernetes.scheduler.preemption import Preemption, plan_preemption
from pybernetes.scheduler.profiles import default_profile
from pybernetes.scheduler.queue import SchedulingQueue
from pybernetes.scheduler.storage_space import follow_spaces
from pybernetes.scheduler.workloads import Workloads

FINISHED = ("Succeeded", "Failed")


class Use(msgspec.Struct, frozen=True, rename="camel"):
    """One resource of a node, or of all: what there is, and what pods took before and after."""

    resource: str
    allocatable: int
    before: int
    after: int


class NodeUse(msgspec.Struct, frozen=True, rename="camel"):
    node: str
    uses: tuple[Use, ...]


class Placed(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    namespace: str
    pod: str
    node: str
    feasible: int
    evicted: tuple[str, ...] = ()


class Result(msgspec.Struct, frozen=True, rename="camel"):
    """``left_out`` says of pods that were not tried why."""

    placed: tuple[Placed, ...]
    pending: tuple[Explanation, ...]
    left_out: dict[str, str]
    total: tuple[Use, ...]
    nodes: tuple[NodeUse, ...]


@dataclass(frozen=True, slots=True)
class _World:
    state: ClusterState
    profile: Profile
    evaluator: Evaluator
    clock: Clock


def simulate(objects: Iterable[Any], pods: Sequence[core_v1.Pod], clock: Clock, seed: int = 0) -> Result:
    """``objects`` are models of a cluster; pods without a node among them are tried beside ``pods``."""
    objects = list(objects)
    world = _read(objects, clock, Random(seed))
    left_out: dict[str, str] = {}
    waiting = []
    for pod in (*(one for one in objects if isinstance(one, core_v1.Pod) and not one.spec.node_name), *pods):
        if why := _left_out(pod, world.profile.scheduler_name):
            left_out[f"{pod.metadata.namespace}/{pod.metadata.name}"] = why
        elif pod.status.phase not in FINISHED:
            waiting.append(pod_info(pod))
    before = world.state.nodes.requested.copy()
    placed: dict[str, Placed] = {}
    pending: dict[str, Explanation] = {}
    for one in sorted(waiting, key=lambda one: -one.priority):
        _try(world, one, placed, pending)
    total, nodes = _uses(world.state, before)
    return Result(tuple(placed.values()), tuple(pending.values()), left_out, total, nodes)


def _read(objects: Sequence[Any], clock: Clock, random: Random) -> _World:
    state, workloads, listed = ClusterState(), Workloads(), ListedObjects()
    profile = default_profile(state, workloads)
    queue = SchedulingQueue(clock, profile.filters)
    Feed(listed.informers, state, workloads, queue, frozenset((profile.scheduler_name,)))
    follow_spaces(listed.informers, state.storage.spaces, queue.move)
    DeviceFeed(listed.informers, state, queue)
    listed.tell(one for one in objects if not (isinstance(one, core_v1.Pod) and one.status.phase in FINISHED))
    evaluator = Evaluator(state, profile, random)
    return _World(state, profile, evaluator, clock)


def _left_out(pod: core_v1.Pod, scheduler_name: str) -> str:
    if pod.spec.node_name:
        return f"it names its node ({pod.spec.node_name}): no scheduler decides about it"
    if pod.spec.scheduling_gates:
        return f"its scheduling gates hold it back: {', '.join(gate.name for gate in pod.spec.scheduling_gates)}"
    if (pod.spec.scheduler_name or scheduler_name) != scheduler_name:
        return f"it asks for another scheduler ({pod.spec.scheduler_name})"
    return ""


def _try(world: _World, pod: PodInfo, placed: dict[str, Placed], pending: dict[str, Explanation]) -> None:
    name = str(pod.key)
    state, evaluator = world.state, world.evaluator
    evicted: tuple[PodInfo, ...] = ()
    plan = None
    decision = evaluator.decide(pod)
    if isinstance(decision, Diagnosis) and pod.spec.preemption_policy != "Never":
        plan = plan_preemption(state, evaluator, pod, decision)
        if isinstance(plan, Preemption):
            evicted = plan.victims
            for victim in evicted:
                state.remove_pod(victim.key)
                placed.pop(str(victim.key), None)
            decision = evaluator.decide(pod)
    if isinstance(decision, Placement):
        state.assume(pod, decision.node)
        for plugin in world.profile.reserves:
            reservation = plugin.reserve(pod, decision.node)
            if reservation is not None:
                reservation.settle()
        gone = tuple(str(victim.key) for victim in evicted)
        placed[name] = Placed(pod.key.namespace, pod.key.name, decision.node, decision.feasible, gone)
    elif evaluator.trace is not None:
        trace = evaluator.trace
        pending[name] = explain(trace, state, source=Source.DRY_RUN, at=world.clock.now(), preemption=plan)


def _uses(state: ClusterState, before: Any) -> tuple[tuple[Use, ...], tuple[NodeUse, ...]]:
    """Resources that some node has, and what is taken of them in all and on each node."""
    columns = state.nodes
    rows = [(name, row) for name in sorted(filter(None, columns.names)) if (row := columns.row(name)) is not None]
    shown = [
        (resource, line)
        for resource, line in columns.resources.items()
        if any(columns.allocatable[line, row] for _, row in rows)
    ]

    def taken(line: int, row: int) -> int:
        return int(before[line, row]) if line < len(before) and row < before.shape[1] else 0

    nodes = tuple(
        NodeUse(
            name,
            tuple(
                Use(
                    resource,
                    int(columns.allocatable[line, row]),
                    taken(line, row),
                    int(columns.requested[line, row]),
                )
                for resource, line in shown
            ),
        )
        for name, row in rows
    )
    total = tuple(
        Use(
            resource,
            sum(one.uses[index].allocatable for one in nodes),
            sum(one.uses[index].before for one in nodes),
            sum(one.uses[index].after for one in nodes),
        )
        for index, (resource, _) in enumerate(shown)
    )
    return total, nodes
