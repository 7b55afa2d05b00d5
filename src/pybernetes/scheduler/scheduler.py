"""Scheduler: gives every pod that asks for this scheduler a node.

Guarantees
  Decisions are taken one after another on a state that includes all earlier decisions; writes follow behind.
  A pod whose binding is refused is taken off its node again and retried after a back-off.
Assumes
  Only this scheduler binds pods of its ``schedulerName``; others' bindings are learnt from the API server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random

import structlog

from pybernetes.api.clock import Clock
from pybernetes.api.errors import ApiError
from pybernetes.api.features import GANG_SCHEDULING, NONE, Features
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.client import Client, Informers, Unreachable
from pybernetes.client.event_series import SeriesBroadcaster
from pybernetes.client.events import NORMAL, WARNING
from pybernetes.scheduler import wording
from pybernetes.scheduler.assumed_volumes import AssumedVolumes
from pybernetes.scheduler.binding import Binder, Steps
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.configuration import documents
from pybernetes.scheduler.configuration.loading import Configuration, default_configuration, without_managed
from pybernetes.scheduler.decisions import Decisions
from pybernetes.scheduler.device_feed import DeviceFeed
from pybernetes.scheduler.evaluation import Diagnosis, Evaluator, Placement
from pybernetes.scheduler.evictions import PLUGIN as EVICTING
from pybernetes.scheduler.evictions import Evictions
from pybernetes.scheduler.explaining.explainer import Explainer
from pybernetes.scheduler.explaining.memory import DecisionMemory
from pybernetes.scheduler.extended_decisions import ExtendedDecisions
from pybernetes.scheduler.extender_http import poster
from pybernetes.scheduler.extenders import Extender, ExtenderFailed, Post, in_order
from pybernetes.scheduler.feed import LIVE_PODS, Feed
from pybernetes.scheduler.figures import SchedulerFigures
from pybernetes.scheduler.framework import (
    ClusterEvent,
    NotPrepared,
    Plugin,
    PluginFailed,
    Profile,
    Reservation,
)
from pybernetes.scheduler.group_cycle import (
    NOT_PERMITTED,
    PREEMPTING,
    Attempt,
    Verdict,
    condition_of,
    tell,
    verdict_on,
)
from pybernetes.scheduler.plugins.gang_scheduling import GangScheduling
from pybernetes.scheduler.pod_groups import PodGroups, follow, group_of
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.points import (
    SCHEDULER_ERROR,
    UNSCHEDULABLE,
    held_back,
    take_place,
    why_not_bound,
)
from pybernetes.scheduler.preemption import Preemption
from pybernetes.scheduler.profiles import build_profiles
from pybernetes.scheduler.queue import Backoff, SchedulingQueue, Waiting, by_priority
from pybernetes.scheduler.registry import ROWS, Parts, Row, with_features
from pybernetes.scheduler.rejections import Rejections
from pybernetes.scheduler.storage_space import follow_spaces
from pybernetes.scheduler.waiting_pods import NotPermitted, WaitingPod, WaitingPods
from pybernetes.scheduler.workloads import Workloads

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
        features: Features = NONE,
        poster: Callable[[documents.Extender], Post] = poster,
        informers: Informers | None = None,
        host: str = "localhost",
    ) -> None:
        """``rows`` are the plugins that can be chosen, ``informers`` a `Share`. Raises ConfigurationError."""
        rows = with_features(rows, features)
        configuration = without_managed(configuration or default_configuration())
        self._client = client
        self._clock = clock
        self._random = random
        self._state = ClusterState()
        workloads = Workloads()
        self._permissions = WaitingPods()
        self._groups = PodGroups(self._state.is_placed)
        self.features = features
        self._gangs = GANG_SCHEDULING in features
        volumes = AssumedVolumes(self._state.storage)
        parts = Parts(self._state, workloads, volumes, clock, self._permissions, self._groups, features)
        profiles = self._profiles = build_profiles(configuration, parts, rows)
        figures = self.figures = SchedulerFigures(clock)
        self._evaluators = {name: Evaluator(self._state, one, random, figures) for name, one in profiles.items()}
        plugins: list[Plugin] = [
            plugin for one in profiles.values() for plugin in (*one.filters, *one.gates, *one.permits)
        ]
        sort = next((one.sort.sort_key for one in profiles.values() if one.sort is not None), by_priority)
        document = configuration.document
        extenders = in_order([Extender(one, poster(one)) for one in document.extenders])
        if binder := next((one for one in extenders if one.binds), None):
            profiles = {name: replace(one, binds=(binder, *one.binds)) for name, one in profiles.items()}
            self._profiles = profiles
        self._evictions = Evictions(self._state, self._permissions, clock, self._evicted, self._not_evicted)
        backoff = Backoff(document.pod_initial_backoff_seconds, document.pod_max_backoff_seconds)
        self.queue = SchedulingQueue(clock, plugins, backoff, self._holder_of, sort)
        self._informers = Informers(client, random) if informers is None else informers
        if self._gangs:
            follow(self._informers, self._groups, LIVE_PODS, self.queue.move)
        self._feed = Feed(self._informers, self._state, workloads, self.queue, frozenset(profiles))
        follow_spaces(self._informers, self._state.storage.spaces, self.queue.move)
        self._device_feed = DeviceFeed(self._informers, self._state, self.queue)
        self._events = SeriesBroadcaster(client, clock, random, host, lambda: self._binder.is_busy)
        self._recorders = {name: self._events.recorder(name) for name in profiles}
        self._memory = DecisionMemory()
        extended = ExtendedDecisions(self._state, extenders, random) if extenders else None
        judges = self._evaluators
        self._decisions = Decisions(self._state, judges, self._profiles, self._memory, clock, random, extended, figures)
        pods = self.pods = self._informers.get(core_v1.Pod, field_selector=LIVE_PODS)
        pods.on_change(self._pod_changed)
        self.explainer = Explainer(self._state, self._evaluators, self._memory, pods.get, clock, self._permissions)

    @property
    def state(self) -> ClusterState:
        return self._state

    @property
    def has_synced(self) -> bool:
        """Whether it knows the cluster; one that does not run yet has nothing to know."""
        return self._informers.has_synced

    async def run(self) -> None:
        """Schedules until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._binder = Binder(self._client, self._clock, tasks, self._bound, self._refused)
            self._rejections = Rejections(
                self._state,
                self.queue,
                self._binder,
                self._evictions,
                evaluators=self._evaluators,
                profiles=self._profiles,
                recorders=self._recorders,
                figures=self.figures,
            )
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
            if (together := self._together_with(waiting)) is not None:
                await self._attempt_group(*together)
            else:
                await self._attempt(waiting)
            if loop.time() >= turn_ends:
                await asyncio.sleep(0)
                turn_ends = loop.time() + YIELD_AFTER

    async def _attempt(self, waiting: Waiting) -> None:
        name = waiting.pod.scheduler_name
        try:
            decision = await self._decisions.decide(waiting)
            plan = await self._decisions.plan(waiting.pod, decision) if isinstance(decision, Diagnosis) else None
        except (PluginFailed, ExtenderFailed) as error:
            await self._fail(waiting, str(error))
            return
        if decision is None:
            self.queue.retry(waiting)
            return
        match decision:
            case Placement(node):
                self._state.nominations.remove(waiting.pod.key)
                self._state.assume(waiting.pod, node)
                await self._bind(waiting, node, self._profiles[name])
            case Diagnosis() as diagnosis:
                await self._rejections.reject(waiting, diagnosis, plan)

    async def _bind(self, waiting: Waiting, node: str, profile: Profile) -> None:
        reservations: list[Reservation] = []
        try:
            waits = take_place(profile, waiting.pod, node, reservations)
        except (NotPrepared, NotPermitted, PluginFailed) as error:
            self._binder.give_back(waiting, reservations)
            self._refused(waiting, node, error)
            return
        await self._send(waiting, node, profile, reservations, waits)

    async def _send(
        self,
        waiting: Waiting,
        node: str,
        profile: Profile,
        reservations: Sequence[Reservation],
        waits: Mapping[str, float],
    ) -> None:
        permission = None
        if waits:
            permission = WaitingPod(waiting.pod, node, waits)
            self._permissions.add(permission)
        busy = profile if profile.pre_binds or profile.binds or not profile.binds_itself else None
        await self._binder.bind(waiting, node, Steps(reservations, permission, busy))

    async def _attempt_group(self, group: Key, members: Sequence[Waiting]) -> None:
        """All or nothing: a group that does not have its place leaves everything as it was."""
        attempts = [self._try(one) for one in members]
        verdict = verdict_on(attempts)
        for one in attempts:
            if one.node and verdict is not Verdict.PLACED:
                self._binder.give_back(one.waiting, one.reservations)
                self._state.forget(one.waiting.pod.key)
        for one in attempts:
            await self._conclude(one, verdict)
        known = self._groups.get(group)
        said = condition_of(known, verdict, self._clock.now()) if known is not None else None
        if known is not None and said is not None:
            await self._binder.act(members[0].pod, lambda client: tell(client, known, said))

    def _try(self, waiting: Waiting) -> Attempt:
        pod = waiting.pod
        attempt = Attempt(waiting)
        try:
            match self._decisions.decide_alone(waiting):
                case Placement(node):
                    attempt.node = node
                case Diagnosis() as diagnosis:
                    attempt.diagnosis, attempt.plan = diagnosis, self._decisions.plan_alone(pod, diagnosis)
                    attempt.node = attempt.plan.node if isinstance(attempt.plan, Preemption) else ""
            if attempt.node:
                self._state.assume(pod, attempt.node)
                profile = self._profiles[pod.scheduler_name]
                attempt.waits = take_place(profile, pod, attempt.node, attempt.reservations)
        except (NotPrepared, NotPermitted, PluginFailed) as error:
            self._binder.give_back(waiting, attempt.reservations)
            self._state.forget(pod.key)
            attempt.node, attempt.error = "", error
        return attempt

    async def _conclude(self, attempt: Attempt, verdict: Verdict) -> None:
        waiting, pod = attempt.waiting, attempt.waiting.pod
        if attempt.error is not None:
            self._refused(waiting, "", attempt.error)
        elif attempt.diagnosis is not None and (not attempt.node or verdict is Verdict.PREEMPTING):
            await self._rejections.reject(waiting, attempt.diagnosis, attempt.plan)
        elif verdict is Verdict.PLACED and not attempt.preempts:
            self._state.nominations.remove(pod.key)
            others = {name: seconds for name, seconds in attempt.waits.items() if name != GangScheduling.name}
            profile = self._profiles[pod.scheduler_name]
            await self._send(waiting, attempt.node, profile, attempt.reservations, others)
        else:
            nominated = None
            if verdict is Verdict.PREEMPTING:
                nominated = attempt.node
                await self._rejections.preempt(pod, nominated, ())
            self.figures.failed(waiting, is_rejected=True)
            self.queue.park(waiting, frozenset())
            message = PREEMPTING if verdict is Verdict.PREEMPTING else NOT_PERMITTED
            self._memory.note(pod.key, failure=message)
            self._recorders[pod.scheduler_name].event(pod.pod, WARNING, "FailedScheduling", "Scheduling", message)
            await self._binder.report_failure(pod, UNSCHEDULABLE, message, nominated)

    def _together_with(self, waiting: Waiting) -> tuple[Key, list[Waiting]] | None:
        """The group of a pod and all of it that waits here; None for a pod that is scheduled by itself."""
        group = group_of(waiting.pod.pod) if self._gangs else None
        if group is None:
            return None
        others = (self.queue.take(one) for one in self._groups.members(group) if not self._is_under_way(one, waiting))
        members = [waiting, *(one for one in others if one is not None)]
        return group, sorted(members, key=lambda one: by_priority(one.pod, one.added))

    def _is_under_way(self, key: Key, waiting: Waiting) -> bool:
        return key == waiting.pod.key or self._state.is_placed(key)

    def _holder_of(self, pod: PodInfo) -> str:
        """The plugin that does not even let a pod be tried."""
        return EVICTING if self._evictions.hold_back(pod) else held_back(self._profiles[pod.scheduler_name], pod)[0]

    def _pod_changed(self, old: core_v1.Pod | None, new: core_v1.Pod | None) -> None:
        """A pod that is gone waits for no permission."""
        if new is None and old is not None and (waiting := self._permissions.get(old.metadata.uid)) is not None:
            waiting.reject("", "pod was deleted")

    def _not_evicted(self, pod: PodInfo) -> None:
        """Nothing will happen that could help it."""
        self.queue.hurry(pod.key)

    def _evicted(self, pod: PodInfo, victim: PodInfo, said: str) -> None:
        recorder = self._recorders[pod.scheduler_name]
        recorder.event(victim.pod, NORMAL, "Preempted", "Preempting", said)

    async def _fail(self, waiting: Waiting, message: str) -> None:
        """No decision could be taken: that pod is tried again after a back-off."""
        pod = waiting.pod
        self.figures.failed(waiting, is_rejected=False)
        self.queue.retry(waiting)
        self._recorders[pod.scheduler_name].event(pod.pod, WARNING, "FailedScheduling", "Scheduling", message)
        await self._binder.report_failure(pod, SCHEDULER_ERROR, message)

    def _bound(self, waiting: Waiting, node: str) -> None:
        pod = waiting.pod
        self.figures.scheduled(waiting)
        self.queue.remove(pod.key)
        recorder = self._recorders[pod.scheduler_name]
        said = wording.scheduled(pod.key.namespace, pod.key.name, node)
        recorder.event(pod.pod, NORMAL, "Scheduled", "Binding", said)
        for plugin in self._profiles[pod.scheduler_name].post_binds:
            plugin.post_bind(pod, node)

    def _refused(self, waiting: Waiting, node: str, error: Exception) -> None:
        """Its place is free again, which is news to all others."""
        pod = waiting.pod
        is_gone = isinstance(error, ApiError) and error.code == 404
        if is_gone:
            self.queue.remove(pod.key)
        elif isinstance(error, NotPermitted):
            self.queue.park(waiting, frozenset((error.plugin,)) if error.plugin else frozenset())
        else:
            self.queue.retry(waiting)
        if self._state.holds(pod):
            self._state.forget(pod.key)
            self.queue.move(ClusterEvent.POD_REMOVED, pod, None, but=pod.key)
        if is_gone:
            return
        if isinstance(error, Unreachable):
            log.warning("binding got no answer", pod=str(pod.key), node=node, error=str(error))
        reason, message = why_not_bound(error)
        self.figures.failed(waiting, is_rejected=reason == UNSCHEDULABLE)
        self._memory.note(pod.key, failure=message)
        self._recorders[pod.scheduler_name].event(pod.pod, WARNING, "FailedScheduling", "Scheduling", message)
        self._binder.report_soon(pod, reason, message)
