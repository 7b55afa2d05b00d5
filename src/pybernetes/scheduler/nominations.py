"""Nominations: pods that wait for their victims to go, and the nodes that are held for them meanwhile.

A pod of lower or equal priority is decided about as if those nominated to a node were on it already.
Follows kube-scheduler's nominator (backend/queue/nominator.go).
"""

from __future__ import annotations

from pybernetes.api.meta import Key
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.promised_room import PromisedRoom


class Nominations:
    def __init__(self, nodes: NodeColumns) -> None:
        self.room = PromisedRoom(nodes)
        self._pods: dict[Key, tuple[PodInfo, str]] = {}
        self._by_node: dict[str, dict[Key, PodInfo]] = {}

    def __bool__(self) -> bool:
        return bool(self._pods)

    def nominate(self, pod: PodInfo, node: str) -> None:
        self.remove(pod.key)
        self._pods[pod.key] = (pod, node)
        self._by_node.setdefault(node, {})[pod.key] = pod
        self.room.add(pod, node)

    def remove(self, key: Key) -> None:
        known = self._pods.pop(key, None)
        if known is not None:
            self.room.remove(key)
            node = known[1]
            del self._by_node[node][key]
            if not self._by_node[node]:
                del self._by_node[node]

    def node_of(self, key: Key) -> str:
        """Empty for a pod that is not nominated."""
        known = self._pods.get(key)
        return known[1] if known is not None else ""

    def before(self, pod: PodInfo, node: str) -> list[PodInfo]:
        """Those whose place on a node another pod has to respect."""
        held = self._by_node.get(node, {})
        return [one for one in held.values() if one.priority >= pod.priority and one.key != pod.key]

    def below(self, priority: int, node: str) -> list[PodInfo]:
        """Those who lose their place on a node to a pod of this priority."""
        return [one for one in self._by_node.get(node, {}).values() if one.priority < priority]
