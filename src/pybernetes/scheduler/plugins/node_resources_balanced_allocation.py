"""NodeResourcesBalancedAllocation: nodes whose resources fill alike are better.

Classic name: BalancedResourceAllocation. Follows noderesources/balanced_allocation.go: what counts is how much more
even the pod makes a node.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pybernetes.scheduler.arrays import Ints, Mask, Rows
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.configuration.arguments import NodeResourcesBalancedAllocationArgs
from pybernetes.scheduler.framework import MAX_SCORE, ClusterEvent, Scope
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.resource_allocation import Use, exact_uses

Floats = npt.NDArray[np.float64]


class NodeResourcesBalancedAllocation:
    name = "NodeResourcesBalancedAllocation"
    scope = Scope.NODE
    scores_as_is = True
    wakes_on: frozenset[ClusterEvent] = frozenset()

    def __init__(self, arguments: NodeResourcesBalancedAllocationArgs) -> None:
        self._resources = arguments.weights()

    def prefers(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        """Pods that request none of the resources are the same everywhere."""
        return any(pod.requests.get(one.name) for one in self._resources)

    def score(self, pod: PodInfo, nodes: NodeColumns, rows: Rows, feasible: Mask) -> Ints:
        uses = list(exact_uses(self._resources, pod, nodes, rows))
        if len(uses) == 2 and all(use.everywhere for use in uses):
            with_pod = _evenness_of_two([(use.before + use.wanted) / use.total for use in uses])
            without = _evenness_of_two([use.before / use.total for use in uses])
        else:
            with_pod = _evenness(uses, [_share(use.before + use.wanted, use.total) for use in uses])
            without = _evenness(uses, [_share(use.before, use.total) for use in uses])
        return np.asarray(MAX_SCORE // 2 + (MAX_SCORE // 2 + with_pod - without) // 2)

    def normalise(self, pod: PodInfo, nodes: NodeColumns, raw: Ints, feasible: Mask) -> Ints:
        return raw


def _share(amount: Ints, total: Ints) -> Floats:
    share: Floats = np.minimum(amount / np.maximum(total, 1), 1.0)
    return share


def _evenness_of_two(shares: Sequence[Floats]) -> Ints:
    """As ``_evenness``, where every node has both: the standard deviation of two values is half their distance."""
    one, other = np.minimum(shares, 1.0)
    return np.asarray(((1 - np.abs((one - other) / 2)) * MAX_SCORE).astype(np.int64))


def _evenness(uses: Sequence[Use], shares: Sequence[Floats]) -> Ints:
    """100 where all resources are filled alike; those that a node has none of do not count."""
    has = np.array([use.total != 0 for use in uses])
    count = np.maximum(has.sum(axis=0), 1)
    distance = np.where(has, shares, -np.inf).max(axis=0) - np.where(has, shares, np.inf).min(axis=0)
    filled = np.where(has, np.array(shares), 0.0)
    mean = filled.sum(axis=0) / count
    spread = np.sqrt(np.where(has, (filled - mean) ** 2, 0.0).sum(axis=0) / count)
    deviation = np.where(count == 2, distance / 2, spread)
    return np.asarray(((1 - deviation) * MAX_SCORE).astype(np.int64))
