"""SelectorSpread: pods of one Service or workload are spread over nodes, and more so over zones.

Classic names: SelectorSpreadPriority, and ServiceSpreadingPriority, which looks at Services alone. PodTopologySpread
does the same by default; this plugin is for configurations and Policies that name it.
"""

from __future__ import annotations

import numpy as np

from pybernetes.api.selectors import LabelSelector
from pybernetes.scheduler.arrays import ABSENT, Ints, Mask, Rows
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.domains import totals_of
from pybernetes.scheduler.framework import MAX_SCORE, ClusterEvent, Scope
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.workloads import Workloads

ZONE = "topology.kubernetes.io/zone"
_ZONE_WEIGHT = 2 / 3


class SelectorSpread:
    scope = Scope.CLUSTER
    wakes_on: frozenset[ClusterEvent] = frozenset()

    def __init__(self, name: str, state: ClusterState, workloads: Workloads, *, services_only: bool) -> None:
        self.name = name
        self._state = state
        self._workloads = workloads
        self._services_only = services_only

    def prefers(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        """Pods that say themselves how to be spread are left to PodTopologySpread."""
        return not pod.spec.topology_spread_constraints and self._selector(pod) is not None

    def score(self, pod: PodInfo, nodes: NodeColumns, rows: Rows, feasible: Mask) -> Ints:
        """How many of the selected pods are there."""
        selector, namespace = self._selector(pod), pod.namespace

        def weigh(placed: PodInfo) -> int:
            return int(
                selector is not None
                and placed.namespace == namespace
                and not placed.is_terminating
                and selector.matches(placed.labels)
            )

        return self._state.counts.of(f"spread|{namespace}|{selector}", weigh, nodes.capacity).counts[rows].copy()

    def normalise(self, pod: PodInfo, nodes: NodeColumns, raw: Ints, feasible: Mask) -> Ints:
        most = int(raw[feasible].max(initial=0))
        score = _fewness(raw, most)
        zones = nodes.label_ids(ZONE)
        has_zone = zones != ABSENT
        if (has_zone & feasible).any():
            by_zone = totals_of(zones, raw, feasible)[zones]
            zone_score = _fewness(by_zone, int(by_zone[feasible & has_zone].max(initial=0)))
            score = np.where(has_zone, score * (1 - _ZONE_WEIGHT) + zone_score * _ZONE_WEIGHT, score)
        return score.astype(np.int64)

    def _selector(self, pod: PodInfo) -> LabelSelector | None:
        if self._services_only:
            return self._workloads.selected_by_services(pod.pod)
        return self._workloads.selector_of(pod.pod)


def _fewness(counts: Ints, most: int) -> np.typing.NDArray[np.float64]:
    if most == 0:
        return np.full(len(counts), float(MAX_SCORE))
    score: np.typing.NDArray[np.float64] = MAX_SCORE * ((most - counts) / most)
    return score
