"""Taint eviction: pods that do not tolerate a NoExecute taint of their node are deleted, at once or when they said.

Guarantees
  A pod without a toleration for one of the taints goes at once; one that tolerates for a time goes when the shortest
  of these times is over, counted from when that was first seen of it; one that tolerates for ever stays.
Follows pkg/controller/tainteviction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.api.placement import tolerates
from pybernetes.client import key_of
from pybernetes.client.events import NORMAL
from pybernetes.controllers.controller import DONE, Context, Controller, For, Maps, Requeue, Result
from pybernetes.controllers.eviction import evict
from pybernetes.controllers.nodelifecycle import ON_NODE, node_name


def tolerated_for(taints: Sequence[core_v1.Taint], tolerations: Sequence[core_v1.Toleration]) -> float | None:
    """How many seconds a pod may stay: 0 is not at all, None is for ever."""
    limits: list[float] = []
    for taint in taints:
        matching = [one for one in tolerations if tolerates((one,), taint)]
        if not matching:
            return 0.0
        limits += [max(0, one.toleration_seconds) for one in matching if one.toleration_seconds is not None]
    return min(limits, default=None)


def pods_of_node(controller: Controller, node: core_v1.Node) -> Iterable[Key]:
    return [key_of(pod) for pod in controller.informer(core_v1.Pod).by_index(ON_NODE, node.metadata.name)]


class TaintEvictionController(Controller):
    name = "taint-eviction-controller"
    watches = (For(core_v1.Pod), Maps(core_v1.Node, pods_of_node))

    def __init__(self, context: Context) -> None:
        self.pods = context.informers.get(core_v1.Pod)
        self.pods.add_index(ON_NODE, node_name)
        super().__init__(context)
        self.nodes = self.informer(core_v1.Node)
        self._since: dict[Key, tuple[str, float]] = {}
        """Of pods that may stay for a while: the uid, and when that was first seen."""
        self._evicted: dict[Key, str] = {}
        """Uids of pods that were deleted here, until the informer knows of it."""

    async def reconcile(self, key: Key) -> Result:
        pod = self.pods.get(key)
        limit = self._limit(pod)
        if pod is None or limit is None:
            self._since.pop(key, None)
            self._evicted.pop(key, None)
            return DONE
        if self._evicted.get(key) == pod.metadata.uid:
            return DONE
        left = limit - self._waited(key, pod.metadata.uid)
        if left > 0:
            return Requeue(left)
        await self._evict(pod)
        self._since.pop(key, None)
        self._evicted[key] = pod.metadata.uid
        return DONE

    def _limit(self, pod: core_v1.Pod | None) -> float | None:
        """How long the pod may stay on its node as the node is now."""
        if pod is None or not pod.spec.node_name or pod.metadata.deletion_timestamp is not None:
            return None
        node = self.nodes.get(Key("", pod.spec.node_name))
        taints = [one for one in node.spec.taints if one.effect == "NoExecute"] if node else []
        return tolerated_for(taints, pod.spec.tolerations)

    def _waited(self, key: Key, uid: str) -> float:
        now = self.clock.monotonic()
        known, since = self._since.get(key, ("", now))
        if known != uid:
            self._since[key], since = (uid, now), now
        return now - since

    async def _evict(self, pod: core_v1.Pod) -> None:
        name, namespace = pod.metadata.name, pod.metadata.namespace
        self.recorder.event(pod, NORMAL, "TaintManagerEviction", f"Marking for deletion Pod {namespace}/{name}")
        await evict(self, pod, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
