"""Scheduler: gives every pod that asks for this scheduler a node.

Guarantees
  Decisions are taken one after another on a state that includes all earlier decisions; writes follow behind.
  A pod whose binding is refused is taken off its node again and retried after a back-off.
Assumes
  Only this scheduler binds pods of its ``schedulerName``; others' bindings are learnt from the API server.
"""

from __future__ import annotations

import asyncio
from random import Random

import structlog

from pybernetes.api.clock import Clock
from pybernetes.api.errors import ApiError
from pybernetes.client import Client, Informers, Unreachable
from pybernetes.client.events import NORMAL, WARNING, EventBroadcaster
from pybernetes.scheduler import wording
from pybernetes.scheduler.binding import Binder
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.evaluation import Diagnosis, Evaluator, Placement
from pybernetes.scheduler.feed import Feed
from pybernetes.scheduler.framework import ClusterEvent, NotPrepared, Plugin
from pybernetes.scheduler.plugins import DEFAULT_SCHEDULER, default_profile
from pybernetes.scheduler.preemption import NoPreemption, Preemption, may_preempt, plan_preemption
from pybernetes.scheduler.queue import SchedulingQueue, Waiting
from pybernetes.scheduler.workloads import Workloads

YIELD_AFTER = 0.005
"""Seconds of deciding after which other tasks get a turn."""
log = structlog.get_logger(__name__)


class Scheduler:
    def __init__(self, client: Client, clock: Clock, random: Random) -> None:
        self._client = client
        self._clock = clock
        self._state = ClusterState()
        workloads = Workloads()
        profile = self._profile = default_profile(self._state, workloads)
        self._evaluator = Evaluator(self._state, profile, random)
        plugins: list[Plugin] = [*profile.filters]
        self.queue = SchedulingQueue(clock, plugins)
        self._informers = Informers(client, random)
        self._feed = Feed(self._informers, self._state, workloads, self.queue, profile.scheduler_name)
        self._events = EventBroadcaster(client, clock, random)
        self._recorder = self._events.recorder(DEFAULT_SCHEDULER)

    async def run(self) -> None:
        """Schedules until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._binder = Binder(self._client, self._clock, tasks, self._bound, self._refused)
            tasks.create_task(self._informers.run(), name="scheduler-informers")
            tasks.create_task(self._events.run(), name="scheduler-events")
            await self._informers.synced()
            await self._schedule_forever()

    async def _schedule_forever(self) -> None:
        loop = asyncio.get_running_loop()
        turn_ends = loop.time() + YIELD_AFTER
        while True:
            waiting = self.queue.pop_now() or await self.queue.pop()
            if self._state.is_placed(waiting.pod.key):
                self.queue.remove(waiting.pod.key)
                continue
            await self._attempt(waiting)
            if loop.time() >= turn_ends:
                await asyncio.sleep(0)
                turn_ends = loop.time() + YIELD_AFTER

    async def _attempt(self, waiting: Waiting) -> None:
        match self._evaluator.decide(waiting.pod):
            case Placement(node):
                self._state.assume(waiting.pod, node)
                found = (plugin.reserve(waiting.pod, node) for plugin in self._profile.reserves)
                await self._binder.bind(waiting, node, [one for one in found if one is not None])
            case Diagnosis() as diagnosis:
                await self._reject(waiting, diagnosis)

    async def _reject(self, waiting: Waiting, diagnosis: Diagnosis) -> None:
        pod = waiting.pod
        self.queue.park(waiting, diagnosis.rejected_by)
        if not may_preempt(pod):
            message = wording.unschedulable(diagnosis, wording.preemption_not_allowed())
        else:
            plan = plan_preemption(self._state, self._evaluator, pod, diagnosis)
            match plan:
                case NoPreemption(reasons):
                    preemption = wording.preemption_failed(diagnosis.nodes, reasons)
                    message = wording.unschedulable(diagnosis, preemption)
                case Preemption(node, victims):
                    message = wording.unschedulable(diagnosis, "")
                    for victim in victims:
                        self._recorder.event(victim.pod, NORMAL, "Preempted", wording.preempted(pod, node))
                    await self._binder.preempt(pod, node, victims)
        self._recorder.event(pod.pod, WARNING, "FailedScheduling", message)
        await self._binder.report_unschedulable(pod, message)

    def _bound(self, waiting: Waiting, node: str) -> None:
        key = waiting.pod.key
        self.queue.remove(key)
        self._recorder.event(waiting.pod.pod, NORMAL, "Scheduled", wording.scheduled(key.namespace, key.name, node))

    def _refused(self, waiting: Waiting, node: str, error: Exception) -> None:
        pod = waiting.pod
        if self._state.holds(pod):
            self._state.forget(pod.key)
            self.queue.move(ClusterEvent.POD_REMOVED)
        if isinstance(error, ApiError) and error.code == 404:
            self.queue.remove(pod.key)
            return
        if isinstance(error, Unreachable):
            log.warning("binding got no answer", pod=str(pod.key), node=node, error=str(error))
        message = str(error) if isinstance(error, NotPrepared) else f"binding rejected: {error}"
        self._recorder.event(pod.pod, WARNING, "FailedScheduling", message)
        self.queue.retry(waiting)
