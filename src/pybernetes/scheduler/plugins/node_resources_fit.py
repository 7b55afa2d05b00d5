"""NodeResourcesFit: a node must have free what a pod requests; how full nodes should be is the scoring strategy's.

Classic names: PodFitsResources, LeastRequestedPriority, MostRequestedPriority, RequestedToCapacityRatioPriority.
Follows pkg/scheduler/framework/plugins/noderesources.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pybernetes.api.models import core_v1
from pybernetes.api.resource_names import is_extended
from pybernetes.scheduler.arrays import Ints, Mask, Rows
from pybernetes.scheduler.columns import POD_SLOTS, NodeColumns
from pybernetes.scheduler.configuration.arguments import NodeResourcesFitArgs
from pybernetes.scheduler.extended_devices import ClassOf
from pybernetes.scheduler.framework import ClusterEvent, Code, Refusal, Scope
from pybernetes.scheduler.hints import Change
from pybernetes.scheduler.pod_info import PodInfo, amount_of
from pybernetes.scheduler.resource_allocation import padded_uses
from pybernetes.scheduler.scoring_strategies import strategy_of


class NodeResourcesFit:
    name = "NodeResourcesFit"
    scope = Scope.NODE
    scores_as_is = True
    wakes_on = frozenset(
        (
            ClusterEvent.NODE_ADDED,
            ClusterEvent.NODE_ALLOCATABLE_CHANGED,
            ClusterEvent.POD_REMOVED,
            ClusterEvent.POD_SPEC_CHANGED,
            ClusterEvent.DEVICE_CLASS_CHANGED,
        )
    )

    def __init__(self, arguments: NodeResourcesFitArgs, class_for: ClassOf = lambda resource: None) -> None:
        """``class_for`` knows the extended resources that are devices on nodes which have none of them otherwise."""
        self._class_for = class_for
        self._ignored = frozenset(arguments.ignored_resources)
        self._ignored_groups = frozenset(arguments.ignored_resource_groups)
        self._strategy = strategy_of(arguments.strategy)
        self._resources = arguments.strategy.weights()

    def could_help(self, pod: PodInfo, change: Change) -> bool:
        """A pod went from a node or asks for less now, or a node has room for the pod and more of it than before."""
        match change.event:
            case ClusterEvent.POD_SPEC_CHANGED:
                return any(change.old.requests.get(name, 0) > change.new.requests.get(name, 0) for name in pod.requests)
            case ClusterEvent.NODE_ADDED | ClusterEvent.NODE_ALLOCATABLE_CHANGED:
                room = _room(change.new)
                fits = room.get(POD_SLOTS, 0) > 0 and all(
                    self._ignores(name) or amount <= room.get(name, 0) or self._may_be_devices(name, room.get(name, 0))
                    for name, amount in pod.requests.items()
                )
                before = _room(change.old) if change.old is not None else {}
                return fits and any(room.get(name, 0) > before.get(name, 0) for name in (POD_SLOTS, *pod.requests))
            case ClusterEvent.DEVICE_CLASS_CHANGED:
                return self.minds_pods(pod)
        return True

    def minds_pods(self, pod: PodInfo) -> bool:
        """Amounts do not tell all of a pod whose extended resources may be devices."""
        return any(self._class_for(name) is not None for name in pod.requests)

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return True

    def needs(self, pod: PodInfo, nodes: NodeColumns) -> Sequence[tuple[int, int]]:
        """Lines of ``allocatable``, and how much of each must be free."""
        wanted = [(nodes.resources[POD_SLOTS], 1)]
        wanted += [
            (nodes.resource_index(name), amount) for name, amount in pod.requests.items() if not self._ignores(name)
        ]
        return wanted

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        slots = nodes.resources[POD_SLOTS]
        refusals = [Refusal(nodes.requested[slots, rows] >= nodes.allocatable[slots, rows], "Too many pods")]
        for resource, amount in pod.requests.items():
            if self._ignores(resource):
                continue
            index = nodes.resource_index(resource)
            total = nodes.allocatable[index, rows]
            refused = nodes.requested[index, rows] > total - amount
            reason = f"Insufficient {resource}"
            if not np.count_nonzero(refused):
                continue
            if self._class_for(resource) is not None:
                refused &= total > 0
            hopeless = refused & (total < amount)
            if np.count_nonzero(hopeless):
                refusals.append(Refusal(hopeless, reason, Code.UNRESOLVABLE))
                refused &= ~hopeless
            refusals.append(Refusal(refused, reason))
        return refusals

    def prefers(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return True

    def score(self, pod: PodInfo, nodes: NodeColumns, rows: Rows, feasible: Mask) -> Ints:
        return self._strategy.score(padded_uses(self._resources, pod, nodes, rows), nodes.present[rows])

    def normalise(self, pod: PodInfo, nodes: NodeColumns, raw: Ints, feasible: Mask) -> Ints:
        return raw

    def _may_be_devices(self, resource: str, total: int) -> bool:
        return total == 0 and self._class_for(resource) is not None

    def _ignores(self, resource: str) -> bool:
        """Only extended resources can be ignored."""
        if not (self._ignored or self._ignored_groups) or not is_extended(resource):
            return False
        return resource in self._ignored or resource.partition("/")[0] in self._ignored_groups


def _room(node: core_v1.Node) -> dict[str, int]:
    return {name: amount_of(name, text) for name, text in node.status.allocatable.items()}
