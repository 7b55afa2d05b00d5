"""Pod garbage collection: pods that nobody else will clear away.

Guarantees, every 20 seconds
  Of finished pods at most 12,500 stay; the oldest go first.
  Pods on a node that has not existed for 40 seconds are marked failed and deleted.
  Pods that are being deleted and were never given a node are marked failed and deleted for good.
Follows pkg/controller/podgc.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key, format_time
from pybernetes.api.models import core_v1
from pybernetes.client import PatchType
from pybernetes.controllers.controller import DONE, Context, Controller, Every, Reads, Result

PERIOD = 20.0
QUARANTINE = 40.0
MOST_FINISHED = 12_500
_FINISHED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Plan:
    finished: tuple[core_v1.Pod, ...]
    orphaned: tuple[core_v1.Pod, ...]
    unscheduled: tuple[core_v1.Pod, ...]


def plan(pods: Sequence[core_v1.Pod], missing: frozenset[str], most_finished: int = MOST_FINISHED) -> Plan:
    """`missing` are the nodes that pods name and that have been gone for long enough."""
    finished = sorted((pod for pod in pods if pod.status.phase in _FINISHED), key=_age)
    return Plan(
        finished=tuple(finished[: max(0, len(finished) - most_finished)]),
        orphaned=tuple(pod for pod in pods if pod.spec.node_name in missing),
        unscheduled=tuple(
            pod for pod in pods if pod.metadata.deletion_timestamp is not None and not pod.spec.node_name
        ),
    )


def _age(pod: core_v1.Pod) -> tuple[datetime, str]:
    return pod.metadata.creation_timestamp or datetime.min.replace(tzinfo=UTC), pod.metadata.name


class PodGarbageCollector(Controller):
    name = "pod-garbage-collector-controller"
    watches = (Every(PERIOD), Reads(core_v1.Pod), Reads(core_v1.Node))
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.pods = self.informer(core_v1.Pod)
        self.nodes = self.informer(core_v1.Node)
        self._missing_since: dict[str, float] = {}

    async def reconcile(self, key: Key) -> Result:
        pods = self.pods.list()
        planned = plan(pods, await self._missing(pods))
        for pod in planned.orphaned:
            await self._mark_failed(pod, self._node_is_gone(pod))
        for pod in planned.unscheduled:
            await self._mark_failed(pod)
        for pod in {pod.metadata.uid: pod for pod in _all(planned)}.values():
            await self._delete(pod)
        return DONE

    async def _missing(self, pods: Iterable[core_v1.Pod]) -> frozenset[str]:
        """Asks the server about each node before its pods are given up: the informer may lag."""
        named = {pod.spec.node_name for pod in pods if pod.spec.node_name}
        absent = {name for name in named if self.nodes.get(Key("", name)) is None}
        now = self.clock.monotonic()
        self._missing_since = {name: self._missing_since.get(name, now) for name in absent}
        due = [name for name, since in self._missing_since.items() if now - since >= QUARANTINE]
        return frozenset([name for name in due if not await self._exists(name)])

    async def _exists(self, name: str) -> bool:
        try:
            await self.client.get(core_v1.Node, name)
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        return True

    def _node_is_gone(self, pod: core_v1.Pod) -> dict[str, Any]:
        return {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByPodGC",
            "message": "PodGC: node no longer exists",
            "lastTransitionTime": format_time(self.now()),
            "observedGeneration": pod.metadata.generation,
        }

    async def _mark_failed(self, pod: core_v1.Pod, *conditions: dict[str, Any]) -> None:
        """No kubelet will ever say how the pod ended, and owners (jobs) wait for that."""
        if pod.status.phase in _FINISHED:
            return
        patch = {"status": {"phase": "Failed", "conditions": list(conditions)}}
        try:
            await self.client.patch(
                core_v1.Pod, pod.metadata.name, pod.metadata.namespace, patch, PatchType.STRATEGIC, subresource="status"
            )
        except ApiError as error:
            if error.code != 404:
                raise

    async def _delete(self, pod: core_v1.Pod) -> None:
        metadata = pod.metadata
        try:
            await self.client.delete(core_v1.Pod, metadata.name, metadata.namespace, grace_period=0, uid=metadata.uid)
        except ApiError as error:
            if error.code not in (404, 409):
                raise


def _all(planned: Plan) -> Iterable[core_v1.Pod]:
    return (*planned.finished, *planned.orphaned, *planned.unscheduled)
