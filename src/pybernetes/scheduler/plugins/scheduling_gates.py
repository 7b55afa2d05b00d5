"""SchedulingGates: a pod is not tried before every gate in its specification is lifted.

Follows pkg/scheduler/framework/plugins/schedulinggates.
"""

from __future__ import annotations

from pybernetes.scheduler.framework import ClusterEvent, Scope
from pybernetes.scheduler.pod_info import PodInfo


class SchedulingGates:
    name = "SchedulingGates"
    scope = Scope.NODE
    wakes_on: frozenset[ClusterEvent] = frozenset()
    """Nothing that happens to others lifts a gate."""

    def holds_back(self, pod: PodInfo) -> str:
        gates = pod.spec.scheduling_gates
        return f"waiting for scheduling gates: [{' '.join(gate.name for gate in gates)}]" if gates else ""
