"""GangScheduling: the pods of a group are bound when enough of them have a node, and none of them before.

A pod whose group is missing, or too small as yet, is not tried. The scheduler places the pods of a group together
(``group_cycle.py``), so that a group that does not fit takes no place from others.
Follows pkg/scheduler/framework/plugins/gangscheduling.
"""

from __future__ import annotations

from pybernetes.api.fields import quoted
from pybernetes.api.meta import Key
from pybernetes.client import key_of
from pybernetes.scheduler.framework import ClusterEvent, NotPrepared, Rejection, Scope, Wait
from pybernetes.scheduler.hints import Change
from pybernetes.scheduler.pod_groups import PodGroups, group_of
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.waiting_pods import WaitingPods

TOO_FEW = "waiting for minCount pods from a gang to appear in scheduling queue"
NOT_ENOUGH_PLACED = "waiting for minCount pods from a gang to be scheduled"
LONGEST_WAIT = 5 * 60.0


class GangScheduling:
    name = "GangScheduling"
    scope = Scope.CLUSTER
    wakes_on = frozenset((ClusterEvent.POD_ADDED, ClusterEvent.POD_GROUP_CHANGED))

    def __init__(self, groups: PodGroups, waiting: WaitingPods) -> None:
        self._groups = groups
        self._waiting = waiting

    def could_help(self, pod: PodInfo, change: Change) -> bool:
        """The pod's own group, or another pod of it."""
        mine, new = group_of(pod.pod), change.new
        if mine is None or new is None:
            return False
        return mine == (group_of(new.pod) if isinstance(new, PodInfo) else key_of(new))

    def holds_back(self, pod: PodInfo) -> str:
        key = group_of(pod.pod)
        if key is None:
            return ""
        group = self._groups.get(key)
        if group is None:
            return f"waiting for pods's pod group {quoted(key.name)} to appear in scheduling queue"
        return TOO_FEW if self._groups.count(key) < self._least(key) else ""

    def permit(self, pod: PodInfo, node: str) -> Rejection | Wait | None:
        """Raises NotPrepared."""
        key = group_of(pod.pod)
        if key is None:
            return None
        if self._groups.get(key) is None:
            why = f"failed to get podGroup {key}: podgroup.scheduling.k8s.io {quoted(key.name)} not found"
            raise NotPrepared(f"running Permit plugin {quoted(self.name)}: {why}")
        if self._groups.placed(key) < self._least(key):
            return Wait(LONGEST_WAIT)
        for member in self._groups.members(key):
            if (waiting := self._waiting.get(self._groups.uid_of(key, member))) is not None:
                waiting.allow(self.name)
        return None

    def _least(self, key: Key) -> int:
        """How many pods of a group must have a node before one is bound."""
        group = self._groups.get(key)
        gang = group.spec.scheduling_policy.gang if group is not None else None
        return gang.min_count if gang is not None else 0
