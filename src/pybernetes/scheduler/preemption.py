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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np

from pybernetes.scheduler.arrays import Ints
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.configuration.arguments import DefaultPreemptionArgs
from pybernetes.scheduler.evaluation import Diagnosis, Evaluator
from pybernetes.scheduler.importance import started
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.victim_search import Found, VictimSearch, joined
from pybernetes.scheduler.victims import LOWEST_PRIORITY_OFFSET, VIOLATIONS, cheapest
from pybernetes.scheduler.wording import NEVER_PREEMPTS, NOT_HELPFUL, VICTIMS_TERMINATING

BY_SCHEDULER = "PreemptionByScheduler"
DISRUPTION_TARGET = "DisruptionTarget"
_FEWEST_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class Preemption:
    """Deleting ``victims`` from ``node`` lets the pod fit there. ``candidates`` are all that were compared."""

    node: str
    victims: tuple[PodInfo, ...]
    candidates: Sequence[Preemption] = ()
    violations: int = 0
    """How many victims a budget protects."""


@dataclass(frozen=True, slots=True)
class NoPreemption:
    """``reasons`` counts the nodes by why nothing can be preempted there."""

    reasons: dict[str, int]
    not_eligible: str = ""
    """Why nothing was looked for at all."""


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
    search = VictimSearch(state, evaluator, pod)
    wanted = arguments.candidates(len(rows))
    parts: list[Found] = []
    for part in _parts(np.roll(rows, -offset), wanted):
        parts.append(search.look_at(part))
        if (enough := _enough(joined(parts), wanted)) is not None:
            return _best(enough)
    if parts and (found := joined(parts)).nodes:
        return _best(found)
    reasons = search.why_not()
    if hopeless := diagnosis.nodes - len(rows):
        reasons[NOT_HELPFUL] += hopeless
    return NoPreemption(dict(reasons))


def _parts(rows: Ints, wanted: int) -> Iterator[Ints]:
    """As many nodes at once as may be enough, though not all of them are of use; then ever more."""
    begin, size = 0, max(wanted * 5 // 4, _FEWEST_AT_ONCE)
    while begin < len(rows):
        yield rows[begin : begin + size]
        begin, size = begin + size, 2 * size


def _enough(found: Found, wanted: int) -> Found | None:
    """The nodes after which the search is over: as many as were wanted, and one of them violates no budget."""
    is_safe = found.costs[VIOLATIONS] == 0
    if not is_safe.any() or len(is_safe) < wanted:
        return None
    return found.first(max(wanted, int(is_safe.argmax()) + 1))


def _best(found: Found) -> Preemption:
    candidates = Candidates(found)
    best = cheapest(found.costs)
    return replace(candidates.at(best), candidates=candidates)


class Candidates(Sequence[Preemption]):
    """The nodes to choose among, those that violate no budget first; each is made when somebody asks for it."""

    def __init__(self, found: Found) -> None:
        self._found = replace(found, costs=found.costs[: VIOLATIONS + 1])
        self._order = np.argsort(found.costs[VIOLATIONS] > 0, kind="stable")

    def at(self, place: int) -> Preemption:
        """By the order in which nodes were looked at."""
        found = self._found
        violations = int(found.costs[VIOLATIONS, place])
        return Preemption(found.nodes[place].node, found.victims_at(place), violations=violations)

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, place: int) -> Preemption: ...
    @overload
    def __getitem__(self, place: slice) -> list[Preemption]: ...
    def __getitem__(self, place: int | slice) -> Preemption | list[Preemption]:
        if isinstance(place, slice):
            return [self.at(one) for one in self._order[place].tolist()]
        return self.at(int(self._order[place]))


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


def cost(candidate: Preemption) -> tuple[int, int, int, int, int]:
    """The lowest of candidates is the best."""
    victims = candidate.victims
    highest = victims[0].priority
    total = sum(victim.priority + LOWEST_PRIORITY_OFFSET for victim in victims)
    earliest = min(started(victim) for victim in victims if victim.priority == highest)
    return candidate.violations, highest, total, len(victims), -earliest
