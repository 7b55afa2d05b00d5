"""NodePorts: two pods cannot have the same host port of a node (classic name: PodFitsHostPorts)."""

from __future__ import annotations

from collections.abc import Sequence

from pybernetes.scheduler.arrays import Rows
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.framework import ClusterEvent, Refusal, Scope
from pybernetes.scheduler.pod_info import PodInfo

REASON = "node(s) didn't have free ports for the requested pod ports"


class NodePorts:
    name = "NodePorts"
    scope = Scope.NODE
    wakes_on = frozenset((ClusterEvent.NODE_ADDED, ClusterEvent.POD_REMOVED))

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return bool(pod.host_ports)

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        taken = {row for port in pod.host_ports for row in nodes.rows_holding(port)}
        return (Refusal(nodes.mask_of(taken)[rows], REASON),) if taken else ()
