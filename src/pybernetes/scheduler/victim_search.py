"""VictimSearch: the nodes that a pod would fit on without some of their pods of lower priority.

What arithmetic over columns can tell rules nodes out, or finds the victims where only room matters. Nodes where other
filters mind who is there are then looked at one by one: their pods are taken away for a look and put back.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from pybernetes.scheduler.arrays import Ints, Mask
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.evaluation import Evaluator
from pybernetes.scheduler.framework import FilterPlugin
from pybernetes.scheduler.importance import Ranked
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.victims import COUNT, LowerPods, costs_of, lower_pods, victims_by_room
from pybernetes.scheduler.wording import NO_VICTIMS


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Nodes on which the end of victims makes the pod fit, in the order in which they were looked at.

    ``victims`` marks pods; those in question on a node are marked from ``begins`` up to ``ends``, and stand after as
    many others as are ``spared`` there. ``costs`` has a column for each node.
    """

    nodes: Sequence[Ranked]
    spared: Ints
    begins: Ints
    ends: Ints
    victims: Mask
    costs: Ints

    def victims_at(self, place: int) -> tuple[PodInfo, ...]:
        marks = self.victims[self.begins[place] : self.ends[place]]
        pods = self.nodes[place].pods[self.spared[place] :]
        return tuple(one for one, goes in zip(pods, marks.tolist(), strict=True) if goes)

    def first(self, count: int) -> Found:
        return Found(
            self.nodes[:count],
            self.spared[:count],
            self.begins[:count],
            self.ends[:count],
            self.victims,
            self.costs[:, :count],
        )


def found_in(lower: LowerPods, victims: Mask, costs: Ints) -> Found:
    places = np.flatnonzero(costs[COUNT])
    nodes = [lower.nodes[place] for place in places.tolist()]
    spared, begins, ends = (one[places] for one in (lower.spared, lower.begins, lower.ends))
    return Found(nodes, spared, begins, ends, victims, costs[:, places])


def joined(parts: Sequence[Found]) -> Found:
    if len(parts) == 1:
        return parts[0]
    shifts = np.cumsum([0, *(len(one.victims) for one in parts[:-1])])
    shifted = list(zip(parts, shifts.tolist(), strict=True))
    return Found(
        [node for one in parts for node in one.nodes],
        np.concatenate([one.spared for one in parts]),
        np.concatenate([one.begins + shift for one, shift in shifted]),
        np.concatenate([one.ends + shift for one, shift in shifted]),
        np.concatenate([one.victims for one in parts]),
        np.concatenate([one.costs for one in parts], axis=1),
    )


class VictimSearch:
    def __init__(self, state: ClusterState, evaluator: Evaluator, pod: PodInfo) -> None:
        self._state = state
        self._nodes = state.nodes
        self._evaluator = evaluator
        self._pod = pod
        self._filters = evaluator.concerned(pod)
        needs = self._filters.needs(pod, state.nodes)
        self._lines = np.array([line for line, _ in needs], np.intp)
        self._wanted: Ints = np.array([amount for _, amount in needs], np.int64).reshape(-1, 1)
        self._promised = state.nominations.room.before(pod, state.placed_keys, [line for line, _ in needs])
        self._refusals: Counter[str] = Counter()
        self._ruled_out: list[Ints] = []

    def look_at(self, rows: Ints) -> Found:
        lower = lower_pods(self._state.ranked(rows.tolist()), self._pod.priority)
        self._refusals[NO_VICTIMS] += int(np.count_nonzero(lower.counts == 0))
        free = self._free_without(lower, rows)
        possible = (lower.counts > 0) & (free >= 0).all(axis=0) & self._not_refused(rows)
        out = (lower.counts > 0) & ~possible
        if out.any():
            self._ruled_out.append(rows[out])
        protected = self._state.budgets.exceeded(lower.templates, lower.group, lower.pod)
        order = lower.returning(protected)
        amounts = lower.amounts(self._lines)
        singly, every_filter = self._one_by_one(rows, possible)
        victims = victims_by_room(lower, order, amounts, free, possible & ~singly)
        for node in np.flatnonzero(singly).tolist():
            filters = self._evaluator.profile.filters if every_filter[node] else self._filters.minding
            places = order[lower.begins[node] : lower.ends[node]].tolist()
            victims[places] = self._look_closely(int(rows[node]), lower, places, amounts, free[:, node], filters)
        return found_in(lower, victims, costs_of(lower, victims, protected))

    def why_not(self) -> Counter[str]:
        """Why the nodes that were looked at will not do, where none was found."""
        for rows in self._ruled_out:
            self._refusals.update(self._reasons_at(rows))
        self._ruled_out.clear()
        return +self._refusals

    def _free_without(self, lower: LowerPods, rows: Ints) -> Ints:
        """What is left of each resource beside the pod once all less important pods are gone; negative: too little."""
        at = np.ix_(self._lines, rows)
        free = self._nodes.allocatable[at] - self._nodes.requested[at] - self._wanted
        if self._promised is not None:
            free -= self._promised.amounts[:, rows]
        return np.asarray(free + lower.sums(lower.amounts(self._lines)))

    def _not_refused(self, rows: Ints) -> Mask:
        """By filters that do not mind who is there."""
        kept: Mask = np.ones(len(rows), np.bool_)
        for plugin in self._filters.indifferent:
            for refusal in plugin.filter(self._pod, self._nodes, rows):
                kept &= ~refusal.mask
        return kept

    def _one_by_one(self, rows: Ints, possible: Mask) -> tuple[Mask, Mask]:
        """The nodes that need a closer look, and those of them where all filters have to be asked."""
        particular: Mask = np.zeros(len(rows), np.bool_)
        if self._promised is not None and len(self._promised.particular):
            particular = np.isin(rows, self._promised.particular)
        singly = possible if self._filters.minding else possible & particular
        return singly, particular

    def _look_closely(
        self,
        row: int,
        lower: LowerPods,
        places: Sequence[int],
        amounts: Ints,
        free: Ints,
        filters: Sequence[FilterPlugin],
    ) -> list[bool]:
        """Which of the pods at ``places``, in the order in which they may come back, have to go; none where all may."""
        pods = [lower.pod(place) for place in places]
        with _without(self._state, pods, self._nodes.names[row]):
            if why_not := self._evaluator.reasons_at(self._pod, row, filters):
                self._refusals.update(why_not)
                return [False] * len(pods)
            return [
                not self._may_return(row, one, amounts[:, place], free, filters)
                for one, place in zip(pods, places, strict=True)
            ]

    def _may_return(self, row: int, pod: PodInfo, amount: Ints, free: Ints, filters: Sequence[FilterPlugin]) -> bool:
        """Puts it back, and ``free`` is less by it, if it may."""
        if (free < amount).any():
            return False
        self._state.assume(pod, self._nodes.names[row])
        if not self._evaluator.fits(self._pod, row, filters):
            self._state.forget(pod.key)
            return False
        free -= amount
        return True

    def _reasons_at(self, rows: Ints) -> Counter[str]:
        """What the first filter that refuses has to say with all less important pods gone, at each of some nodes."""
        lower = lower_pods(self._state.ranked(rows.tolist()), self._pod.priority)
        left = copy.copy(self._nodes if self._promised is None else self._promised.on(self._nodes))
        left.requested = left.requested.copy()
        left.requested[np.ix_(self._lines, rows)] -= lower.sums(lower.amounts(self._lines))
        reasons: Counter[str] = Counter()
        undecided: Mask = np.ones(len(rows), np.bool_)
        for plugin in self._filters.in_order:
            if plugin in self._filters.minding:
                for node in np.flatnonzero(undecided).tolist():
                    pods = [lower.pod(place) for place in lower.places(node)]
                    with _without(self._state, pods, self._nodes.names[int(rows[node])]):
                        reasons.update(self._evaluator.reasons_at(self._pod, int(rows[node])))
                break
            asked = left if any(plugin is one for one in self._filters.counting) else self._nodes
            refused: Mask = np.zeros(len(rows), np.bool_)
            for refusal in plugin.filter(self._pod, asked, rows):
                if count := int(np.count_nonzero(refusal.mask & undecided)):
                    reasons[refusal.reason] += count
                    refused |= refusal.mask
            undecided &= ~refused
        return reasons


@contextmanager
def _without(state: ClusterState, pods: Sequence[PodInfo], node: str) -> Iterator[None]:
    """Takes pods away for a look and puts them back."""
    assumed = {one.key for one in pods if state.is_assumed(one.key)}
    with state.trial():
        for one in pods:
            state.remove_pod(one.key)
        try:
            yield
        finally:
            for one in pods:
                state.remove_pod(one.key)
                if one.key in assumed:
                    state.assume(one, node)
                else:
                    state.set_pod(one, node)
