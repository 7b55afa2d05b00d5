"""NodeResourcesBalancedAllocation: nodes whose CPU and memory fill alike are better.

Classic name: BalancedResourceAllocation.
"""

from __future__ import annotations

import numpy as np

from pybernetes.scheduler.arrays import Ints, Mask, Rows
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.framework import MAX_SCORE, ClusterEvent, Scope
from pybernetes.scheduler.pod_info import PodInfo


class NodeResourcesBalancedAllocation:
    name = "NodeResourcesBalancedAllocation"
    scope = Scope.NODE
    wakes_on: frozenset[ClusterEvent] = frozenset()

    def prefers(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        """Pods that request nothing are the same everywhere."""
        return bool(pod.requests)

    def score(self, pod: PodInfo, nodes: NodeColumns, rows: Rows, feasible: Mask) -> Ints:
        cpu = _filled(nodes, "cpu", pod, rows)
        memory = _filled(nodes, "memory", pod, rows)
        # The standard deviation of two values is half their distance.
        return ((1 - np.abs(cpu - memory) / 2) * MAX_SCORE).astype(np.int64)

    def normalise(self, pod: PodInfo, nodes: NodeColumns, raw: Ints, feasible: Mask) -> Ints:
        return raw


def _filled(nodes: NodeColumns, resource: str, pod: PodInfo, rows: Rows) -> np.typing.NDArray[np.float64]:
    """The share of a resource that is requested with the pod on the node, at most 1."""
    index = nodes.resources[resource]
    wanted = nodes.requested[index, rows] + pod.requests.get(resource, 0)
    share: np.typing.NDArray[np.float64] = np.minimum(wanted / np.maximum(nodes.allocatable[index, rows], 1), 1.0)
    return share
