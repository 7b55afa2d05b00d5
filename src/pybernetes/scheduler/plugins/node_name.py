"""NodeName: a pod that names its node goes there or nowhere (classic name: HostName)."""

from __future__ import annotations

from collections.abc import Sequence

from pybernetes.scheduler.arrays import Rows
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.framework import ClusterEvent, Code, Refusal, Scope
from pybernetes.scheduler.pod_info import PodInfo

REASON = "node(s) didn't match the requested node name"


class NodeName:
    name = "NodeName"
    scope = Scope.NODE
    wakes_on = frozenset((ClusterEvent.NODE_ADDED,))

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return bool(pod.spec.node_name)

    def minds_pods(self, pod: PodInfo) -> bool:
        return False

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        row = nodes.row(pod.spec.node_name or "")
        wanted = nodes.mask_of(() if row is None else (row,))
        return (Refusal(~wanted[rows], REASON, Code.UNRESOLVABLE),)
