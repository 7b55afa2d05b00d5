"""Scheduler: gives every pod that asks for this scheduler a node.

Guarantees
  Decisions are taken one after another on a state that includes all earlier decisions; writes follow behind.
  A pod whose binding is refused is taken off its node again and retried after a back-off.
Assumes
  Only this scheduler binds pods of its ``schedulerName``; others' bindings are learnt from the API server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random

import structlog

from pybernetes.api.clock import Clock
from pybernetes.api.errors import ApiError
from pybernetes.api.models import core_v1
from pybernetes.client import Client, Informers, Unreachable
from pybernetes.client.events import NORMAL, WARNING, EventBroadcaster
from pybernetes.scheduler import wording
from pybernetes.scheduler.assumed_volumes import AssumedVolumes
from pybernetes.scheduler.binding import Binder
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.configuration.loading import Configuration, default_configuration
from pybernetes.scheduler.evaluation import Diagnosis, Evaluator, Placement
from pybernetes.scheduler.explaining.explainer import Explainer
from pybernetes.scheduler.explaining.memory import DecisionMemory
from pybernetes.scheduler.feed import LIVE_PODS, Feed
from pybernetes.scheduler.framework import ClusterEvent, NotPrepared, Plugin, PluginFailed
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.preemption import NoPreemption, Preemption, plan_preemption
from pybernetes.scheduler.profiles import build_profiles
from pybernetes.scheduler.queue import Backoff, SchedulingQueue, Waiting
from pybernetes.scheduler.registry import ROWS, Parts, Row
from pybernetes.scheduler.workloads import Workloads

UNSCHEDULABLE, SCHEDULER_ERROR = "Unschedulable", "SchedulerError"
"""Why a pod has no node, in its condition."""
YIELD_AFTER = 0.005
"""Seconds of deciding after which other tasks get a turn."""
log = structlog.get_logger(__name__)


class Scheduler:
    def __init__(
        self,
        client: Client,
        clock: Clock,
        random: Random,
        configuration: Configuration | None = None,
        rows: Mapping[str, Row] = ROWS,
    ) -> None:
        """``rows`` are the plugins that can be chosen. Raises ConfigurationError."""
        configuration = configuration or default_configuration()
        self._client = client
        self._clock = clock
        self._random = random
        self._state = ClusterState()
        workloads = Workloads()
        parts = Parts(self._state, workloads, AssumedVolumes(self._state.storage))
        profiles = self._profiles = build_profiles(configuration, parts, rows)
        self._evaluators = {name: Evaluator(self._state, one, random) for name, one in profiles.items()}
        plugins: list[Plugin] = [plugin for one in profiles.values() for plugin in one.filters]
        document = configuration.document
        backoff = Backoff(document.pod_initial_backoff_seconds, document.pod_max_backoff_seconds)
        self.queue = SchedulingQueue(clock, plugins, backoff)
        self._informers = Informers(client, random)
        self._feed = Feed(self._informers, self._state, workloads, self.queue, frozenset(profiles))
        self._events = EventBroadcaster(client, clock, random)
        self._recorders = {name: self._events.recorder(name) for name in profiles}
        self._memory = DecisionMemory()
        pods = self._informers.get(core_v1.Pod, field_selector=LIVE_PODS)
        self.explainer = Explainer(self._state, self._evaluators, self._memory, pods.get, clock)

    async def run(self) -> None:
        """Schedules until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._binder = Binder(self._client, self._clock, tasks, self._bound, self._refused, self._preempted)
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
        name = waiting.pod.scheduler_name
        try:
            decision = self._evaluators[name].decide(waiting.pod)
            self._memory.remember(self._evaluators[name].trace, self._clock.now(), waiting.attempts)
            plan = self._plan(waiting.pod, decision) if isinstance(decision, Diagnosis) else None
        except PluginFailed as error:
            await self._fail(waiting, str(error))
            return
        match decision:
            case Placement(node):
                self._state.nominations.remove(waiting.pod.key)
                self._state.assume(waiting.pod, node)
                found = (plugin.reserve(waiting.pod, node) for plugin in self._profiles[name].reserves)
                await self._binder.bind(waiting, node, [one for one in found if one is not None])
            case Diagnosis() as diagnosis:
                await self._reject(waiting, diagnosis, plan)

    def _plan(self, pod: PodInfo, diagnosis: Diagnosis) -> Preemption | NoPreemption | None:
        """None where the profile preempts nobody."""
        arguments = self._profiles[pod.scheduler_name].preemption
        if arguments is None:
            return None
        evaluator = self._evaluators[pod.scheduler_name]
        offset = self._random.randrange(max(diagnosis.nodes, 1))
        plan = plan_preemption(self._state, evaluator, pod, diagnosis, arguments, offset)
        self._memory.note(pod.key, preemption=plan)
        return plan

    async def _preempt(self, pod: PodInfo, node: str, victims: tuple[PodInfo, ...]) -> None:
        """Holds the node for the pod; whoever was to have it and matters less is not promised it any longer."""
        await self._release(self._state.nominations.below(pod.priority, node))
        self._state.nominations.nominate(pod, node)
        await self._binder.preempt(pod, node, [one for one in victims if not one.is_terminating])

    async def _release(self, pods: Sequence[PodInfo]) -> None:
        for one in pods:
            self._state.nominations.remove(one.key)
            await self._binder.clear_nomination(one)

    def _preempted(self, pod: PodInfo, victim: PodInfo, node: str) -> None:
        recorder = self._recorders[pod.scheduler_name]
        recorder.event(victim.pod, NORMAL, "Preempted", wording.preempted(pod, node))

    async def _fail(self, waiting: Waiting, message: str) -> None:
        """No decision could be taken: that pod is tried again after a back-off."""
        pod = waiting.pod
        self.queue.retry(waiting)
        self._recorders[pod.scheduler_name].event(pod.pod, WARNING, "FailedScheduling", message)
        await self._binder.report_failure(pod, SCHEDULER_ERROR, message)

    async def _reject(self, waiting: Waiting, diagnosis: Diagnosis, plan: Preemption | NoPreemption | None) -> None:
        pod = waiting.pod
        self.queue.park(waiting, diagnosis.rejected_by)
        match plan:
            case None:
                message = wording.unschedulable(diagnosis, wording.NOTHING_TO_DEALLOCATE)
            case NoPreemption(_, not_eligible) if not_eligible:
                message = wording.unschedulable(diagnosis, wording.preemption_not_eligible(not_eligible))
            case NoPreemption(reasons):
                message = wording.unschedulable(diagnosis, wording.preemption_failed(diagnosis.nodes, reasons))
                if pod.pod.status.nominated_node_name:
                    await self._release([pod])
            case Preemption(node, victims):
                message = wording.unschedulable(diagnosis, "")
                await self._preempt(pod, node, victims)
        recorder = self._recorders[pod.scheduler_name]
        recorder.event(pod.pod, WARNING, "FailedScheduling", message)
        await self._binder.report_failure(pod, UNSCHEDULABLE, message)

    def _bound(self, waiting: Waiting, node: str) -> None:
        key = waiting.pod.key
        self.queue.remove(key)
        recorder = self._recorders[waiting.pod.scheduler_name]
        recorder.event(waiting.pod.pod, NORMAL, "Scheduled", wording.scheduled(key.namespace, key.name, node))

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
        self._memory.note(pod.key, failure=message)
        self._recorders[pod.scheduler_name].event(pod.pod, WARNING, "FailedScheduling", message)
        self.queue.retry(waiting)
