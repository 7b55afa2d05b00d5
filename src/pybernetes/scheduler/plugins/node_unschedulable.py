"""NodeUnschedulable: a cordoned node takes only pods that tolerate it."""

from __future__ import annotations

from collections.abc import Sequence

from pybernetes.api.models import core_v1
from pybernetes.api.placement import tolerates
from pybernetes.scheduler.arrays import Rows
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.framework import ClusterEvent, Code, Refusal, Scope
from pybernetes.scheduler.hints import Change
from pybernetes.scheduler.pod_info import PodInfo

REASON = "node(s) were unschedulable"
_CORDON = core_v1.Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")


class NodeUnschedulable:
    name = "NodeUnschedulable"
    scope = Scope.NODE
    wakes_on = frozenset((ClusterEvent.NODE_ADDED, ClusterEvent.NODE_TAINTS_CHANGED))

    def could_help(self, pod: PodInfo, change: Change) -> bool:
        """A node can be used now that could not before."""
        was_open = change.old is not None and not change.old.spec.unschedulable
        return not was_open and not change.new.spec.unschedulable

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return not tolerates(pod.spec.tolerations, _CORDON)

    def minds_pods(self, pod: PodInfo) -> bool:
        return False

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        return (Refusal(nodes.unschedulable[rows], REASON, Code.UNRESOLVABLE),)
