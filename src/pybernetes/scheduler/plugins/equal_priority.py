"""EqualPriority: every node is as good as any other; for Policies that name it."""

from __future__ import annotations

import numpy as np

from pybernetes.scheduler.arrays import Ints, Mask, Rows
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.framework import ClusterEvent, Scope
from pybernetes.scheduler.pod_info import PodInfo


class EqualPriority:
    name = "EqualPriority"
    scope = Scope.NODE
    wakes_on: frozenset[ClusterEvent] = frozenset()

    def prefers(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return False

    def score(self, pod: PodInfo, nodes: NodeColumns, rows: Rows, feasible: Mask) -> Ints:
        return np.ones(len(nodes.present[rows]), np.int64)

    def normalise(self, pod: PodInfo, nodes: NodeColumns, raw: Ints, feasible: Mask) -> Ints:
        return raw
