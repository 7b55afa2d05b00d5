"""NodeDeclaredFeatures: a pod that needs what not every kubelet can do goes where the node says that it can.

Follows pkg/scheduler/framework/plugins/nodedeclaredfeatures and k8s.io/component-helpers/nodedeclaredfeatures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pybernetes.api.models import core_v1
from pybernetes.scheduler.arrays import Mask, Rows
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.framework import ClusterEvent, Code, Refusal, Scope
from pybernetes.scheduler.pod_info import PodInfo

REASON = "node(s) didn't match Pod's required features"


class NodeDeclaredFeatures:
    name = "NodeDeclaredFeatures"
    scope = Scope.CLUSTER
    wakes_on = frozenset((ClusterEvent.NODE_ADDED, ClusterEvent.NODE_FEATURES_CHANGED))

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        spec = pod.spec
        if spec.host_network:
            return bool(set(_needed(spec)))
        # Asked of every pod: two plain loops over what is nearly always empty.
        for container in spec.containers:
            if container.restart_policy_rules:
                return bool(set(_needed(spec)))
        for container in spec.init_containers:
            if container.restart_policy_rules:
                return bool(set(_needed(spec)))
        return False

    def minds_pods(self, pod: PodInfo) -> bool:
        return False

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        needed = set(_needed(pod.spec))
        asked = np.arange(nodes.capacity)[rows]
        refused: Mask = np.zeros(len(asked), np.bool_)
        for place, row in enumerate(asked):
            node = nodes.nodes[row] if row < nodes.size else None
            refused[place] = node is not None and not needed.issubset(node.status.declared_features)
        return (Refusal(refused, REASON, Code.UNRESOLVABLE),)


def _needed(spec: core_v1.PodSpec) -> Iterator[str]:
    if spec.host_network and spec.host_users is False:
        yield "UserNamespacesHostNetworkSupport"
    for container in (*spec.containers, *spec.init_containers):
        if any(rule.action == "RestartAllContainers" for rule in container.restart_policy_rules):
            yield "RestartAllContainersOnContainerExits"
            return
