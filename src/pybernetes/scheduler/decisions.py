"""Decisions: where a pod goes and whom it may evict, by its profile's plugins and by extenders; each is remembered."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from time import perf_counter

from pybernetes.api.clock import Clock
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.evaluation import Decision, Diagnosis, Evaluator, Placement
from pybernetes.scheduler.explaining.memory import DecisionMemory
from pybernetes.scheduler.extended_decisions import ExtendedDecisions
from pybernetes.scheduler.figures import POST_FILTER, SUCCESS, UNSCHEDULABLE, SchedulerFigures
from pybernetes.scheduler.framework import Profile
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.preemption import NoPreemption, Preemption, plan_preemption
from pybernetes.scheduler.queue import Waiting


class Decisions:
    """``extended`` is None where there are no extenders."""

    def __init__(
        self,
        state: ClusterState,
        evaluators: Mapping[str, Evaluator],
        profiles: Mapping[str, Profile],
        memory: DecisionMemory,
        clock: Clock,
        random: Random,
        extended: ExtendedDecisions | None,
        figures: SchedulerFigures,
    ) -> None:
        self._figures = figures
        self._state = state
        self._evaluators = evaluators
        self._profiles = profiles
        self._memory = memory
        self._clock = clock
        self._random = random
        self._extended = extended

    async def decide(self, waiting: Waiting) -> Decision | None:
        """None when the cluster has changed too much while extenders were asked.

        Raises PluginFailed and ExtenderFailed.
        """
        pod = waiting.pod
        if self._extended is None or not self._extended.concern(pod):
            return self.decide_alone(waiting)
        evaluator = self._evaluators[pod.scheduler_name]
        began = perf_counter()
        decision, trace = await self._extended.decide(evaluator, pod)
        self._figures.algorithm.observe(perf_counter() - began)
        self._memory.remember(trace, self._clock.now(), waiting.attempts)
        if isinstance(decision, Placement):
            row = self._state.nodes.row(decision.node)
            return decision if row is not None and evaluator.fits(pod, row) else None
        return decision

    def decide_alone(self, waiting: Waiting) -> Decision:
        """Without extenders. Raises PluginFailed."""
        evaluator = self._evaluators[waiting.pod.scheduler_name]
        began = perf_counter()
        decision = evaluator.decide(waiting.pod)
        self._figures.algorithm.observe(perf_counter() - began)
        self._memory.remember(evaluator.trace, self._clock.now(), waiting.attempts)
        return decision

    async def plan(self, pod: PodInfo, diagnosis: Diagnosis) -> Preemption | NoPreemption | None:
        """None where the profile preempts nobody. Raises PluginFailed and ExtenderFailed."""
        plan = self.plan_alone(pod, diagnosis)
        if not isinstance(plan, Preemption) or self._extended is None:
            return plan
        agreed = await self._extended.agree_on(pod, plan)
        self._memory.note(pod.key, preemption=agreed)
        return agreed

    def plan_alone(self, pod: PodInfo, diagnosis: Diagnosis) -> Preemption | NoPreemption | None:
        """Without extenders. Raises PluginFailed."""
        arguments = self._profiles[pod.scheduler_name].preemption
        if arguments is None:
            return None
        began = perf_counter()
        evaluator = self._evaluators[pod.scheduler_name]
        offset = self._random.randrange(max(diagnosis.nodes, 1))
        plan = plan_preemption(self._state, evaluator, pod, diagnosis, arguments, offset)
        self._figures.planned(len(plan.victims) if isinstance(plan, Preemption) else None)
        status = SUCCESS if isinstance(plan, Preemption) else UNSCHEDULABLE
        self._figures.profile(pod.scheduler_name).reached(POST_FILTER, status, began)
        self._memory.note(pod.key, preemption=plan)
        return plan
