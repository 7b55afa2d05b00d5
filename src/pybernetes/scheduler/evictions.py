"""Evictions: preemptions that are being carried out, while decisions go on.

Guarantees
  A pod for which others are evicted is not tried before the last of them is on its way out, so that it asks for no
  more than once. All victims go before the last is asked to; when one cannot be asked, the last is spared, and the pod
  is tried again at once.
  A victim that only waits for permission to be bound loses its place and is not deleted.

Follows kube-scheduler's asynchronous preemption (pkg/scheduler/framework/preemption/executor.go).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from pybernetes.api.clock import Clock
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import format_time
from pybernetes.api.models import core_v1
from pybernetes.client import Client, PatchType, Unreachable
from pybernetes.scheduler import wording
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.conditions import with_condition
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.preemption import BY_SCHEDULER, DISRUPTION_TARGET
from pybernetes.scheduler.waiting_pods import WaitingPods

PLUGIN = "DefaultPreemption"
log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _UnderWay:
    last: PodInfo | None = None
    """The victim that is asked last, once all others have been."""


class Evictions:
    def __init__(
        self,
        state: ClusterState,
        permissions: WaitingPods,
        clock: Clock,
        on_evicted: Callable[[PodInfo, PodInfo, str], None],
        on_failed: Callable[[PodInfo], None],
    ) -> None:
        """``on_evicted`` is told of the pod, its victim, and what to say about it."""
        self._state = state
        self._permissions = permissions
        self._clock = clock
        self._on_evicted = on_evicted
        self._on_failed = on_failed
        self._under_way: dict[str, _UnderWay] = {}

    def hold_back(self, pod: PodInfo) -> bool:
        """Whether a pod is still having others evicted."""
        known = self._under_way.get(pod.pod.metadata.uid)
        if known is None:
            return False
        if known.last is None:
            return True
        # The answer to its deletion may come later than the news of it.
        there = self._state.placed(known.last.key)
        return there is not None and not there.is_terminating

    def begin(self, pod: PodInfo, node: str, victims: Sequence[PodInfo]) -> Callable[[Client], Awaitable[None]] | None:
        """Gives what is left to do, which must be done; None where all of them are on their way out already."""
        staying = [one for one in victims if not one.is_terminating]
        if not staying:
            return None
        mine = self._under_way[pod.pod.metadata.uid] = _UnderWay()

        async def evict(client: Client) -> None:
            try:
                await self._evict_all(client, pod, node, staying, mine)
            finally:
                if self._under_way.get(pod.pod.metadata.uid) is mine:
                    del self._under_way[pod.pod.metadata.uid]

        return evict

    async def _evict_all(
        self, client: Client, pod: PodInfo, node: str, victims: Sequence[PodInfo], mine: _UnderWay
    ) -> None:
        try:
            await asyncio.gather(*(self._evict(client, pod, node, one) for one in victims[:-1]))
            mine.last = victims[-1]
            await self._evict(client, pod, node, mine.last)
        except (ApiError, Unreachable) as error:
            log.warning("a victim was not evicted", pod=str(pod.key), node=node, error=str(error))
            del self._under_way[pod.pod.metadata.uid]
            self._on_failed(pod)

    async def _evict(self, client: Client, pod: PodInfo, node: str, victim: PodInfo) -> None:
        """Raises ApiError and Unreachable; a victim that is gone already is none."""
        uid = victim.pod.metadata.uid
        if (waiting := self._permissions.get(uid)) is not None:
            waiting.reject(PLUGIN, "preempted")
            self._on_evicted(pod, victim, wording.preempted(pod, node) + wording.IN_MEMORY)
            return
        name, namespace = victim.key.name, victim.key.namespace
        told = msgspec.json.encode({"status": with_condition(victim, self._disruption(pod, victim))})
        try:
            await client.patch(core_v1.Pod, name, namespace, told, PatchType.STRATEGIC, subresource="status")
            await client.delete(core_v1.Pod, name, namespace, uid=uid)
        except ApiError as error:
            if error.code != 404:
                raise
        else:
            self._on_evicted(pod, victim, wording.preempted(pod, node))

    def _disruption(self, pod: PodInfo, victim: PodInfo) -> dict[str, Any]:
        """Tells a victim, and its owner, why it has to go."""
        return {
            "type": DISRUPTION_TARGET,
            "observedGeneration": victim.pod.metadata.generation,
            "status": "True",
            "reason": BY_SCHEDULER,
            "message": wording.making_room(pod.scheduler_name),
            "lastTransitionTime": format_time(self._clock.now()),
        }
