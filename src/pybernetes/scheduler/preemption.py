"""Preemption: which pods of lower priority would have to go so that a pod finds a node.

Guarantees
  The victims of a node are the fewest: whoever can stay is reprieved, highest priority first.
  Among nodes: the lowest highest-priority victim, then the lowest sum of priorities, then the fewest victims, then
  the one whose most important victim started last; then the first by row.
  Planning changes nothing: pods that it takes away to look are put back.
PodDisruptionBudgets are not considered yet.

Follows kube-scheduler's plugins/defaultpreemption.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from pybernetes.api.meta import Key
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.evaluation import Diagnosis, Evaluator
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.wording import NO_VICTIMS, NOT_HELPFUL

MOST_CANDIDATES = 100
"""Nodes with victims to look at: upstream looks at 10 % of all, at least 100."""
_LOWEST_PRIORITY_OFFSET = 1 << 31


@dataclass(frozen=True, slots=True)
class Preemption:
    """Deleting ``victims`` from ``node`` lets the pod fit there. ``candidates`` are all that were compared."""

    node: str
    victims: tuple[PodInfo, ...]
    candidates: tuple[Preemption, ...] = ()


@dataclass(frozen=True, slots=True)
class NoPreemption:
    """``reasons`` counts the nodes by why nothing can be preempted there."""

    reasons: dict[str, int]


def may_preempt(pod: PodInfo) -> bool:
    return pod.spec.preemption_policy != "Never"


def plan_preemption(
    state: ClusterState, evaluator: Evaluator, pod: PodInfo, diagnosis: Diagnosis
) -> Preemption | NoPreemption:
    candidates: list[Preemption] = []
    without_victims = 0
    rows = np.flatnonzero(diagnosis.resolvable)
    for row in rows:
        victims = _victims(state, evaluator, pod, int(row))
        if victims is None:
            without_victims += 1
            continue
        candidates.append(Preemption(state.nodes.names[row], victims))
        if len(candidates) >= max(MOST_CANDIDATES, diagnosis.nodes // 10):
            break
    if candidates:
        return replace(min(candidates, key=_cost), candidates=tuple(candidates))
    reasons = {NO_VICTIMS: without_victims, NOT_HELPFUL: diagnosis.nodes - len(rows)}
    return NoPreemption({reason: count for reason, count in reasons.items() if count})


def _victims(state: ClusterState, evaluator: Evaluator, pod: PodInfo, row: int) -> tuple[PodInfo, ...] | None:
    """The pods to delete from one node, most important first; None when not even all of them would be enough."""
    node = state.nodes.names[row]
    lower = [one for one in state.pods_on(node).values() if one.priority < pod.priority]
    if not lower:
        return None
    lower.sort(key=_importance)
    with taken_away(state, lower, node) as absent:
        if not evaluator.fits(pod, row):
            return None
        for one in lower:
            state.assume(one, node)
            if evaluator.fits(pod, row):
                absent.pop(one.key)
            else:
                state.forget(one.key)
        return tuple(absent.values())


@contextmanager
def taken_away(state: ClusterState, pods: list[PodInfo], node: str) -> Iterator[dict[Key, PodInfo]]:
    """Takes pods away for a look and puts those that are still absent back."""
    absent = {one.key: one for one in pods}
    assumed = {one.key for one in pods if state.is_assumed(one.key)}
    for one in pods:
        state.remove_pod(one.key)
    try:
        yield absent
    finally:
        for one in pods:
            state.remove_pod(one.key)
            if one.key in assumed:
                state.assume(one, node)
            else:
                state.set_pod(one, node)


def _importance(pod: PodInfo) -> tuple[int, datetime]:
    """More important first: higher priority, then older."""
    return -pod.priority, _started(pod)


def _started(pod: PodInfo) -> datetime:
    return pod.pod.status.start_time or datetime.max.replace(tzinfo=UTC)


def _cost(candidate: Preemption) -> tuple[int, int, int, float]:
    victims = candidate.victims
    highest = victims[0].priority
    total = sum(victim.priority + _LOWEST_PRIORITY_OFFSET for victim in victims)
    earliest = min(_started(victim) for victim in victims if victim.priority == highest)
    return highest, total, len(victims), -earliest.timestamp()
