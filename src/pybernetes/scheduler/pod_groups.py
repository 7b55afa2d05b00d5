"""PodGroups: which pods belong together, and how many of them have a node.

Follows pkg/scheduler/backend/cache/podgroup_state.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, scheduling_v1alpha2
from pybernetes.client import Informers, key_of
from pybernetes.scheduler.framework import ClusterEvent

PodGroup = scheduling_v1alpha2.PodGroup
Move = Callable[[ClusterEvent, PodGroup | None, PodGroup | None], None]


def group_of(pod: core_v1.Pod) -> Key | None:
    group = pod.spec.scheduling_group
    if group is None or group.pod_group_name is None:
        return None
    return Key(pod.metadata.namespace, group.pod_group_name)


class PodGroups:
    """``is_placed`` says of a pod whether it has a node, or is about to get one."""

    def __init__(self, is_placed: Callable[[Key], bool]) -> None:
        self._is_placed = is_placed
        self._groups: dict[Key, PodGroup] = {}
        self._members: dict[Key, dict[Key, str]] = {}

    def get(self, key: Key) -> PodGroup | None:
        return self._groups.get(key)

    def members(self, key: Key) -> Iterator[Key]:
        return iter(tuple(self._members.get(key, ())))

    def count(self, key: Key) -> int:
        return len(self._members.get(key, ()))

    def placed(self, key: Key) -> int:
        return sum(map(self._is_placed, self._members.get(key, ())))

    def uid_of(self, group: Key, pod: Key) -> str:
        return self._members.get(group, {}).get(pod, "")

    def set_group(self, key: Key, group: PodGroup | None) -> None:
        """None removes it."""
        if group is None:
            self._groups.pop(key, None)
        else:
            self._groups[key] = group

    def add(self, pod: core_v1.Pod) -> None:
        if (group := group_of(pod)) is not None:
            self._members.setdefault(group, {})[key_of(pod)] = pod.metadata.uid

    def remove(self, pod: core_v1.Pod) -> None:
        if (group := group_of(pod)) is None or group not in self._members:
            return
        self._members[group].pop(key_of(pod), None)
        if not self._members[group]:
            del self._members[group]


def follow(informers: Informers, groups: PodGroups, live_pods: str, move: Move) -> None:
    """Pods are counted before the queue hears of them."""

    def pod_changed(old: core_v1.Pod | None, new: core_v1.Pod | None) -> None:
        if new is None and old is not None:
            groups.remove(old)
        elif old is None and new is not None:
            groups.add(new)

    def group_changed(old: PodGroup | None, new: PodGroup | None) -> None:
        one = new or old
        assert one is not None
        groups.set_group(key_of(one), new)
        if new is not None:
            move(ClusterEvent.POD_GROUP_CHANGED, old, new)

    informers.get(core_v1.Pod, field_selector=live_pods).on_change(pod_changed)
    informers.get(PodGroup).on_change(group_changed)
