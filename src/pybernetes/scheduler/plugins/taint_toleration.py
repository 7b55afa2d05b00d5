"""TaintToleration: a node may repel pods that do not tolerate its taints.

Follows https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pybernetes.api.models import core_v1
from pybernetes.api.placement import tolerates, untolerated
from pybernetes.scheduler.arrays import Ints, Mask, Rows
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.framework import ClusterEvent, Code, Refusal, Scope, scaled_to_highest
from pybernetes.scheduler.hints import Change
from pybernetes.scheduler.pod_info import PodInfo

REASON = "node(s) had untolerated taint(s)"
_HARD = ("NoSchedule", "NoExecute")
_SOFT = ("PreferNoSchedule",)


def _untolerated(pod: PodInfo, nodes: NodeColumns, effects: tuple[str, ...]) -> list[Mask]:
    return [
        mask
        for taint, mask in nodes.taints.items()
        if taint.effect in effects and not tolerates(pod.spec.tolerations, taint.model)
    ]


def _repels(node: core_v1.Node, pod: PodInfo) -> bool:
    return untolerated(node.spec.taints, pod.spec.tolerations, _HARD) is not None


class TaintToleration:
    name = "TaintToleration"
    scope = Scope.NODE
    wakes_on = frozenset((ClusterEvent.NODE_ADDED, ClusterEvent.NODE_TAINTS_CHANGED, ClusterEvent.POD_SPEC_CHANGED))

    def could_help(self, pod: PodInfo, change: Change) -> bool:
        """Nothing of the node repels the pod any more."""
        was_open = change.old is not None and not _repels(change.old, pod)
        return not was_open and not _repels(change.new, pod)

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return True

    def minds_pods(self, pod: PodInfo) -> bool:
        return False

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        repelling = _untolerated(pod, nodes, _HARD)
        if not repelling:
            return ()
        return (Refusal(np.logical_or.reduce([mask[rows] for mask in repelling]), REASON, Code.UNRESOLVABLE),)

    def prefers(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return any(taint.effect in _SOFT for taint in nodes.taints)

    def score(self, pod: PodInfo, nodes: NodeColumns, rows: Rows, feasible: Mask) -> Ints:
        total = np.zeros(len(nodes.present[rows]), np.int64)
        for mask in _untolerated(pod, nodes, _SOFT):
            total += mask[rows]
        return total

    def normalise(self, pod: PodInfo, nodes: NodeColumns, raw: Ints, feasible: Mask) -> Ints:
        return scaled_to_highest(raw, feasible, reverse=True)
