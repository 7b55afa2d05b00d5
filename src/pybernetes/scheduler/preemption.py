"""Preemption: which pods of lower priority would have to go so that a pod finds a node.

Guarantees
  The victims of a node are the fewest: whoever can stay is reprieved, first those that a PodDisruptionBudget protects,
  and among them the most important first.
  Among nodes: the fewest violated budgets, then the lowest highest-priority victim, then the lowest sum of priorities,
  then the fewest victims, then the one whose most important victim started last; then the first that was looked at.
  Planning changes nothing: pods that it takes away to look are put back.

Follows kube-scheduler's framework/preemption and plugins/defaultpreemption.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from pybernetes.api.meta import Key
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.configuration.arguments import DefaultPreemptionArgs
from pybernetes.scheduler.disruption_budgets import split_by_budgets
from pybernetes.scheduler.evaluation import Diagnosis, Evaluator
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.wording import NEVER_PREEMPTS, NO_VICTIMS, NOT_HELPFUL, VICTIMS_TERMINATING

BY_SCHEDULER = "PreemptionByScheduler"
DISRUPTION_TARGET = "DisruptionTarget"
_LOWEST_PRIORITY_OFFSET = 1 << 31


@dataclass(frozen=True, slots=True)
class Preemption:
    """Deleting ``victims`` from ``node`` lets the pod fit there. ``candidates`` are all that were compared."""

    node: str
    victims: tuple[PodInfo, ...]
    candidates: tuple[Preemption, ...] = ()
    violations: int = 0
    """How many victims a budget protects."""


@dataclass(frozen=True, slots=True)
class NoPreemption:
    """``reasons`` counts the nodes by why nothing can be preempted there."""

    reasons: dict[str, int]
    not_eligible: str = ""
    """Why nothing was looked for at all."""


@dataclass(slots=True)
class _Search:
    wanted: int
    safe: list[Preemption] = field(default_factory=list)
    violating: list[Preemption] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return bool(self.safe) and len(self.safe) + len(self.violating) >= self.wanted


def plan_preemption(
    state: ClusterState,
    evaluator: Evaluator,
    pod: PodInfo,
    diagnosis: Diagnosis,
    arguments: DefaultPreemptionArgs = DefaultPreemptionArgs(),  # noqa: B008
    offset: int = 0,
) -> Preemption | NoPreemption:
    """``offset`` says at which of the nodes in question to begin: not always with the same."""
    if refused := _not_eligible(state, pod, diagnosis):
        return NoPreemption({}, refused)
    rows = np.flatnonzero(diagnosis.resolvable)
    search = _Search(arguments.candidates(len(rows)))
    for row in np.roll(rows, -offset % len(rows)) if len(rows) else ():
        _look_at(state, evaluator, pod, int(row), search)
        if search.is_over:
            break
    candidates = [*search.safe, *search.violating]
    if candidates:
        return replace(min(candidates, key=cost), candidates=tuple(candidates))
    reasons = search.reasons
    if hopeless := diagnosis.nodes - len(rows):
        reasons[NOT_HELPFUL] = reasons.get(NOT_HELPFUL, 0) + hopeless
    return NoPreemption(reasons)


def _not_eligible(state: ClusterState, pod: PodInfo, diagnosis: Diagnosis) -> str:
    if pod.spec.preemption_policy == "Never":
        return NEVER_PREEMPTS
    node = state.nominations.node_of(pod.key)
    row = state.nodes.row(node)
    if row is None or not diagnosis.resolvable[row]:
        return ""
    waited_for = any(one.priority < pod.priority and _is_preempted(one) for one in state.pods_on(node).values())
    return VICTIMS_TERMINATING if waited_for else ""


def _is_preempted(pod: PodInfo) -> bool:
    """Whether it is on its way out because a scheduler asked for it."""
    return pod.is_terminating and any(
        one.type == DISRUPTION_TARGET and one.status == "True" and one.reason == BY_SCHEDULER
        for one in pod.pod.status.conditions
    )


def _look_at(state: ClusterState, evaluator: Evaluator, pod: PodInfo, row: int, search: _Search) -> None:
    node = state.nodes.names[row]
    lower = [one for one in state.pods_on(node).values() if one.priority < pod.priority]
    if not lower:
        search.reasons[NO_VICTIMS] = search.reasons.get(NO_VICTIMS, 0) + 1
        return
    lower.sort(key=_importance)
    protected, others = split_by_budgets(lower, state.budgets.values())
    with _without(state, lower, node) as absent:
        why_not = evaluator.reasons_at(pod, row)
        if why_not:
            for reason in why_not:
                search.reasons[reason] = search.reasons.get(reason, 0) + 1
            return
        for one in (*protected, *others):
            state.assume(one, node)
            if evaluator.fits(pod, row):
                absent.pop(one.key)
            else:
                state.forget(one.key)
    victims = tuple(one for one in lower if one.key in absent)
    violations = sum(one.key in absent for one in protected)
    if victims:
        (search.violating if violations else search.safe).append(Preemption(node, victims, violations=violations))


@contextmanager
def _without(state: ClusterState, pods: list[PodInfo], node: str) -> Iterator[dict[Key, PodInfo]]:
    """Takes pods away for a look and puts them back; who is still absent at the end is in the answer."""
    absent = {one.key: one for one in pods}
    assumed = {one.key for one in pods if state.is_assumed(one.key)}
    with state.trial():
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


def cost(candidate: Preemption) -> tuple[int, int, int, int, float]:
    """The lowest of candidates is the best."""
    victims = candidate.victims
    highest = victims[0].priority
    total = sum(victim.priority + _LOWEST_PRIORITY_OFFSET for victim in victims)
    earliest = min(_started(victim) for victim in victims if victim.priority == highest)
    return candidate.violations, highest, total, len(victims), -earliest.timestamp()
