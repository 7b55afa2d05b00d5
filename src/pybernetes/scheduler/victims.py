"""Victims: who has to leave each of many nodes so that there is room, for all of the nodes at once.

All pods of lower priority are taken away; those that still leave room come back, one by one: first those that a
PodDisruptionBudget protects, and among them the most important first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pybernetes.scheduler.arrays import Ints, Mask
from pybernetes.scheduler.importance import AMOUNTS, NOT_STARTED, PRIORITY, STARTED, TEMPLATE, Ranked
from pybernetes.scheduler.pod_info import PodInfo

LOWEST_PRIORITY_OFFSET = 1 << 31
_BELOW_ALL = -LOWEST_PRIORITY_OFFSET - 1


@dataclass(frozen=True, slots=True, eq=False)
class LowerPods:
    """The pods of lower priority on some nodes: node by node, the most important first.

    ``columns`` are those of ``Ranked``, ``group`` has the place of each pod's node among ``nodes``; the pods of a node
    are those from ``begins`` up to ``ends``.
    """

    nodes: Sequence[Ranked]
    columns: Ints
    group: Ints
    begins: Ints
    ends: Ints
    spared: Ints
    """How many pods of a node are not in question; they stand before the others there."""

    @property
    def counts(self) -> Ints:
        return self.ends - self.begins

    @property
    def templates(self) -> Ints:
        return np.asarray(self.columns[TEMPLATE])

    def amounts(self, lines: npt.NDArray[np.intp]) -> Ints:
        """What the pods hold of some resources, a line for each."""
        return np.asarray(self.columns[lines + AMOUNTS])

    def pod(self, place: int) -> PodInfo:
        group = int(self.group[place])
        return self.nodes[group].pods[int(self.spared[group]) + place - int(self.begins[group])]

    def places(self, group: int) -> range:
        return range(int(self.begins[group]), int(self.ends[group]))

    def sums(self, values: Ints) -> Ints:
        """Over the pods of each node, for every line of ``values``."""
        up_to = np.zeros((len(values), values.shape[1] + 1), np.int64)
        np.cumsum(values, axis=1, out=up_to[:, 1:])
        return np.asarray(up_to[:, self.ends] - up_to[:, self.begins])

    def returning(self, protected: Mask | None) -> Ints:
        """The places in the order in which pods may come back; every node keeps its part of the order."""
        if protected is None:
            return np.arange(len(self.group))
        return np.argsort(2 * self.group + ~protected, kind="stable")


def lower_pods(nodes: Sequence[Ranked], priority: int) -> LowerPods:
    sizes = np.fromiter((len(one.pods) for one in nodes), np.int64, len(nodes))
    columns = np.concatenate([one.columns for one in nodes], axis=1)
    group = np.repeat(np.arange(len(nodes)), sizes)
    lower = columns[PRIORITY] < priority
    columns, group = columns[:, lower], group[lower]
    counts = np.bincount(group, minlength=len(nodes))
    ends = np.cumsum(counts)
    return LowerPods(nodes, columns, group, ends - counts, ends, sizes - counts)


def victims_by_room(lower: LowerPods, order: Ints, amounts: Ints, free: Ints, nodes: Mask) -> Mask:
    """Who has to go from ``nodes``, where ``free`` is what is left there without any of them, a line a resource."""
    victims: Mask = np.zeros(len(order), np.bool_)
    left = free.copy()
    counts = np.where(nodes, lower.counts, 0)
    for step in range(int(counts.max(initial=0))):
        groups = np.flatnonzero(counts > step)
        places = order[lower.begins[groups] + step]
        after = left[:, groups] - amounts[:, places]
        stays = (after >= 0).all(axis=0)
        left[:, groups[stays]] = after[:, stays]
        victims[places[~stays]] = True
    return victims


VIOLATIONS, HIGHEST, TOTAL, COUNT, LATEST = range(5)
"""What the victims of a node cost, by what counts first.

How many a budget protects, the highest priority, all priorities together, how many they are, and when the first of the
most important started, negated: the later, the better.
"""


def costs_of(lower: LowerPods, victims: Mask, protected: Mask | None) -> Ints:
    """A line for each cost, a column for each node; where there are no victims only their number means something."""
    priority = lower.columns[PRIORITY]
    violating = victims & protected if protected is not None else np.zeros_like(victims)
    totals = lower.sums(np.stack((violating, np.where(victims, priority + LOWEST_PRIORITY_OFFSET, 0), victims)))
    highest = _each(np.maximum, lower, np.where(victims, priority, _BELOW_ALL))
    leading = victims & (priority == highest[lower.group])
    first = _each(np.minimum, lower, np.where(leading, lower.columns[STARTED], NOT_STARTED))
    return np.stack((totals[0], highest, totals[1], totals[2], -first))


def cheapest(costs: Ints) -> int:
    """The first of the best nodes."""
    best = np.arange(costs.shape[1])
    for line in costs:
        mine = line[best]
        best = best[mine == mine.min()]
    return int(best[0])


def _each(reduce: np.ufunc, lower: LowerPods, values: Ints) -> Ints:
    """Reduced over the pods of each node; 0 for nodes without any."""
    result: Ints = np.zeros(len(lower.nodes), np.int64)
    some = np.flatnonzero(lower.counts)
    if len(some):
        result[some] = reduce.reduceat(values, lower.begins[some])
    return result
