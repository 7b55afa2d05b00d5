"""Binder: tells the API server where pods go, and records failures, without holding up the decisions.

Guarantees
  Every ``bind`` ends in exactly one call of ``on_bound`` or ``on_refused``.
  At most ``CONCURRENCY`` requests are under way; decisions are made meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from pybernetes.api.clock import Clock
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import format_time
from pybernetes.api.models import core_v1
from pybernetes.client import Client, PatchType, Unreachable
from pybernetes.scheduler.conditions import with_condition
from pybernetes.scheduler.framework import NotPrepared, Profile, Reservation
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.queue import Waiting
from pybernetes.scheduler.waiting_pods import NotPermitted, WaitingPod

CONCURRENCY = 64
BUSY = 8
"""So many requests under way are more than a few pods that came by themselves."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Steps:
    """What comes before and about a binding; ``profile`` is given where its plugins have something to do."""

    reservations: Sequence[Reservation] = ()
    permission: WaitingPod | None = None
    profile: Profile | None = None

    @property
    def is_plain(self) -> bool:
        return not self.reservations and self.permission is None and self.profile is None

    @property
    def take_time(self) -> bool:
        """Whether something comes before the binding."""
        prepares = self.profile is not None and bool(self.profile.pre_binds)
        return self.permission is not None or prepares or any(one.takes_time for one in self.reservations)


class Binder:
    def __init__(
        self,
        client: Client,
        clock: Clock,
        tasks: asyncio.TaskGroup,
        on_bound: Callable[[Waiting, str], None],
        on_refused: Callable[[Waiting, str, Exception], None],
    ) -> None:
        self._client = client
        self._pods = client.of(core_v1.Pod)
        self._clock = clock
        self._tasks = tasks
        self._on_bound = on_bound
        self._on_refused = on_refused
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._under_way = 0

    async def bind(self, waiting: Waiting, node: str, steps: Steps = Steps()) -> None:
        """Returns once the request is under way, or what must precede it is."""
        if not steps.is_plain:
            self._tasks.create_task(self._prepare_and_bind(waiting, node, steps))
            return
        await self._slots.acquire()
        self._start(self._bind(waiting, node))

    async def report_failure(self, pod: PodInfo, reason: str, message: str, nominated: str | None = None) -> None:
        """Writes the PodScheduled condition and the node that the pod is nominated to, unless they say so already.

        ``nominated``: empty to take back what was said, None to leave it.
        """
        status: dict[str, Any] = {}
        known = pod_scheduled_condition(pod.pod)
        if known is None or _says(known) != ("False", reason, message, pod.pod.metadata.generation):
            status |= with_condition(pod, self._failure(pod, reason, message))
        if nominated is not None and nominated != pod.pod.status.nominated_node_name:
            status["nominatedNodeName"] = nominated or None
        if status:
            await self._slots.acquire()
            self._start(self._patch_status(pod, status))

    def report_soon(self, pod: PodInfo, reason: str, message: str) -> None:
        self._tasks.create_task(self.report_failure(pod, reason, message))

    async def clear_nomination(self, pod: PodInfo) -> None:
        await self._slots.acquire()
        self._start(self._patch_status(pod, {"nominatedNodeName": None}))

    @property
    def is_busy(self) -> bool:
        return self._under_way >= BUSY

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._under_way += 1
        self._tasks.create_task(work).add_done_callback(self._ended)

    def _ended(self, _: asyncio.Task[None]) -> None:
        self._under_way -= 1
        self._slots.release()

    async def _prepare_and_bind(self, waiting: Waiting, node: str, steps: Steps) -> None:
        """Preparing may take minutes and holds no slot: meanwhile the pod says where it is going."""
        if steps.take_time:
            await self._patch_status(waiting.pod, {"nominatedNodeName": node})
        try:
            if steps.permission is not None:
                await steps.permission.verdict()
            for one in steps.reservations:
                await one.prepare(self._client)
            for plugin in steps.profile.pre_binds if steps.profile is not None else ():
                await plugin.pre_bind(self._client, waiting.pod, node)
            async with self._slots:
                await self._send(waiting, node, steps)
        except (NotPermitted, NotPrepared, ApiError, Unreachable) as error:
            await self._undo(waiting, steps.reservations)
            if steps.take_time:
                await self._patch_status(waiting.pod, {"nominatedNodeName": None})
            self._on_refused(waiting, node, error)
        else:
            self._on_bound(waiting, node)
        finally:
            for one in reversed(steps.reservations):
                one.release()

    def give_back(self, waiting: Waiting, reservations: Sequence[Reservation]) -> None:
        """Of a pod that is not to be bound after all."""
        for one in reversed(reservations):
            one.release()
        if reservations:
            self._tasks.create_task(self._undo(waiting, reservations))

    async def _undo(self, waiting: Waiting, reservations: Sequence[Reservation]) -> None:
        for one in reversed(reservations):
            try:
                await one.undo(self._client)
            except (ApiError, Unreachable) as error:
                log.warning("what was reserved was not given back", pod=str(waiting.pod.key), error=str(error))

    async def _send(self, waiting: Waiting, node: str, steps: Steps) -> None:
        """Raises NotPrepared, ApiError and Unreachable."""
        if steps.profile is not None:
            for plugin in steps.profile.binds:
                if await plugin.bind(self._client, waiting.pod, node):
                    return
            if not steps.profile.binds_itself:
                raise NotPrepared(f"binding {waiting.pod.key} to {node}: no bind plugin did it")
        await self._post(waiting.pod, node)

    async def _bind(self, waiting: Waiting, node: str) -> None:
        try:
            await self._post(waiting.pod, node)
        except (ApiError, Unreachable) as error:
            self._on_refused(waiting, node, error)
        else:
            self._on_bound(waiting, node)

    async def _post(self, pod: PodInfo, node: str) -> None:
        namespace, name = pod.key
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace, "uid": pod.pod.metadata.uid},
            "target": {"kind": "Node", "name": node},
        }
        await self._pods.act(name, namespace, subresource="binding", body=binding)

    async def act(self, pod: PodInfo, work: Callable[[Client], Awaitable[None]]) -> None:
        """What a plugin does about a pod that has no node."""
        await self._slots.acquire()
        self._start(self._act(pod, work))

    async def _act(self, pod: PodInfo, work: Callable[[Client], Awaitable[None]]) -> None:
        try:
            await work(self._client)
        except (ApiError, Unreachable) as error:
            log.warning("nothing was done for a pod without a node", pod=str(pod.key), error=str(error))

    def _failure(self, pod: PodInfo, reason: str, message: str) -> dict[str, Any]:
        known = pod_scheduled_condition(pod.pod)
        changed = known.last_transition_time if known is not None and known.status == "False" else None
        return {
            "type": "PodScheduled",
            "observedGeneration": pod.pod.metadata.generation,
            "status": "False",
            "reason": reason,
            "message": message,
            "lastTransitionTime": format_time(changed or self._clock.now()),
        }

    async def _patch_status(self, pod: PodInfo, status: dict[str, Any]) -> None:
        try:
            await self._client.patch(
                core_v1.Pod,
                pod.key.name,
                pod.key.namespace,
                msgspec.json.encode({"status": status}),
                PatchType.STRATEGIC,
                subresource="status",
            )
        except (ApiError, Unreachable) as error:
            # The pod is tried again anyway, and the condition is written then.
            log.debug("pod status was not written", pod=str(pod.key), error=str(error))


def pod_scheduled_condition(pod: core_v1.Pod) -> core_v1.PodCondition | None:
    return next((one for one in pod.status.conditions if one.type == "PodScheduled"), None)


def _says(condition: core_v1.PodCondition) -> tuple[str, str, str, int | None]:
    return condition.status, condition.reason, condition.message, condition.observed_generation
