"""NodeResourcesFit: a node must have free what a pod requests, and emptier nodes are better.

Classic names: PodFitsResources, LeastRequestedPriority. Scoring is upstream's LeastAllocated over CPU and memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pybernetes.scheduler.arrays import Ints, Mask, Rows
from pybernetes.scheduler.columns import POD_SLOTS, NodeColumns
from pybernetes.scheduler.framework import MAX_SCORE, ClusterEvent, Code, Refusal, Scope
from pybernetes.scheduler.pod_info import PodInfo


class NodeResourcesFit:
    name = "NodeResourcesFit"
    scope = Scope.NODE
    wakes_on = frozenset(
        (
            ClusterEvent.NODE_ADDED,
            ClusterEvent.NODE_ALLOCATABLE_CHANGED,
            ClusterEvent.POD_REMOVED,
            ClusterEvent.POD_SPEC_CHANGED,
        )
    )

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return True

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        slots = nodes.resources[POD_SLOTS]
        refusals = [Refusal(nodes.requested[slots, rows] >= nodes.allocatable[slots, rows], "Too many pods")]
        for resource, amount in pod.requests.items():
            index = nodes.resource_index(resource)
            total = nodes.allocatable[index, rows]
            refused = nodes.requested[index, rows] > total - amount
            reason = f"Insufficient {resource}"
            hopeless = refused & (total < amount)
            if hopeless.any():
                refusals.append(Refusal(hopeless, reason, Code.UNRESOLVABLE))
                refused &= ~hopeless
            refusals.append(Refusal(refused, reason))
        return refusals

    def prefers(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return True

    def score(self, pod: PodInfo, nodes: NodeColumns, rows: Rows, feasible: Mask) -> Ints:
        cpu, memory = nodes.resources["cpu"], nodes.resources["memory"]
        free_cpu = _least_allocated(nodes.allocatable[cpu, rows], nodes.scored_cpu[rows] + pod.scored_cpu)
        free_memory = _least_allocated(nodes.allocatable[memory, rows], nodes.scored_memory[rows] + pod.scored_memory)
        return (free_cpu + free_memory) // 2

    def normalise(self, pod: PodInfo, nodes: NodeColumns, raw: Ints, feasible: Mask) -> Ints:
        return raw


def _least_allocated(total: Ints, wanted: Ints) -> Ints:
    """The share that stays free, 0 to 100; 0 where more is wanted than there is."""
    free = (total - wanted) * MAX_SCORE
    return np.where((free < 0) | (total == 0), 0, free // np.maximum(total, 1))
