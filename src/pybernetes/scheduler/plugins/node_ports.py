"""NodePorts: two pods cannot have the same host port of a node (classic name: PodFitsHostPorts)."""

from __future__ import annotations

from collections.abc import Sequence

from pybernetes.scheduler.arrays import Rows
from pybernetes.scheduler.columns import ANY_ADDRESS, NodeColumns
from pybernetes.scheduler.framework import ClusterEvent, Refusal, Scope
from pybernetes.scheduler.hints import Change
from pybernetes.scheduler.pod_info import HostPort, PodInfo

REASON = "node(s) didn't have free ports for the requested pod ports"


class NodePorts:
    name = "NodePorts"
    scope = Scope.NODE
    wakes_on = frozenset((ClusterEvent.NODE_ADDED, ClusterEvent.POD_REMOVED))

    def could_help(self, pod: PodInfo, change: Change) -> bool:
        """A new node, or a pod that went and had one of the ports."""
        if change.event is not ClusterEvent.POD_REMOVED:
            return True
        return any(_clash(wanted, held) for wanted in pod.host_ports for held in change.old.host_ports)

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return bool(pod.host_ports)

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        taken = {row for port in pod.host_ports for row in nodes.rows_holding(port)}
        return (Refusal(nodes.mask_of(taken)[rows], REASON),) if taken else ()


def _clash(one: HostPort, other: HostPort) -> bool:
    return (one.protocol, one.port) == (other.protocol, other.port) and (
        one.address == other.address or ANY_ADDRESS in (one.address, other.address)
    )
