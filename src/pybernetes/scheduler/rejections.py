"""What becomes of pods that no node can take: who speaks of it, who goes for them, where they wait.

Follows  handleSchedulingFailure and the PostFilter part of pkg/scheduler/schedule_one.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pybernetes.client.event_series import SeriesRecorder
from pybernetes.client.events import WARNING
from pybernetes.scheduler import wording
from pybernetes.scheduler.binding import Binder
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.evaluation import Diagnosis, Evaluator
from pybernetes.scheduler.evictions import Evictions
from pybernetes.scheduler.explaining.explain import refusals_by_node
from pybernetes.scheduler.figures import SchedulerFigures
from pybernetes.scheduler.framework import Profile
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.points import UNSCHEDULABLE, why_nobody_is_asked
from pybernetes.scheduler.preemption import NoPreemption, Preemption
from pybernetes.scheduler.queue import SchedulingQueue, Waiting


class Rejections:
    """``evaluators``, ``profiles`` and ``recorders`` are by schedulerName."""

    def __init__(
        self,
        state: ClusterState,
        queue: SchedulingQueue,
        binder: Binder,
        evictions: Evictions,
        *,
        evaluators: Mapping[str, Evaluator],
        profiles: Mapping[str, Profile],
        recorders: Mapping[str, SeriesRecorder],
        figures: SchedulerFigures,
    ) -> None:
        self._state = state
        self._queue = queue
        self._binder = binder
        self._evictions = evictions
        self._evaluators = evaluators
        self._profiles = profiles
        self._recorders = recorders
        self._figures = figures

    async def reject(self, waiting: Waiting, diagnosis: Diagnosis, plan: Preemption | NoPreemption | None) -> None:
        pod = waiting.pod
        self._figures.failed(waiting, is_rejected=True)
        self._queue.park(waiting, diagnosis.rejected_by)
        nobody_asked = why_nobody_is_asked(self._profiles[pod.scheduler_name], diagnosis)
        before = [nobody_asked] if nobody_asked else await self._ask_post_filters(pod)
        nominated = None
        if before is None or nobody_asked:
            message = wording.unschedulable(diagnosis, nobody_asked)
            if before is None:
                nominated = self._state.nominations.node_of(pod.key)
        else:
            message, nominated = await self._after_preemption(pod, diagnosis, plan, before)
        recorder = self._recorders[pod.scheduler_name]
        recorder.event(pod.pod, WARNING, "FailedScheduling", "Scheduling", message)
        await self._binder.report_failure(pod, UNSCHEDULABLE, message, nominated)

    async def _ask_post_filters(self, pod: PodInfo) -> list[str] | None:
        """What plugins say about a pod without a node; None when one of them has found a node for it."""
        said = []
        trace = self._evaluators[pod.scheduler_name].trace

        def refusals() -> Mapping[str, str]:
            return refusals_by_node(trace, self._state.nodes) if trace is not None else {}

        for plugin in self._profiles[pod.scheduler_name].post_filters:
            aftermath = plugin.no_node_for(pod, refusals)
            if aftermath is None:
                continue
            if aftermath.act is not None:
                await self._binder.act(pod, aftermath.act)
            if aftermath.node:
                await self.preempt(pod, aftermath.node, ())
                return None
            if aftermath.message:
                said.append(aftermath.message)
        return said

    async def _after_preemption(
        self, pod: PodInfo, diagnosis: Diagnosis, plan: Preemption | NoPreemption | None, before: Sequence[str]
    ) -> tuple[str, str | None]:
        """Does what was planned; gives what there is to say, and where the pod is nominated to if that is new."""
        nominated = None
        match plan:
            case None:
                return wording.unschedulable(diagnosis, ", ".join(before)), None
            case NoPreemption(_, not_eligible) if not_eligible:
                after = wording.preemption_not_eligible(not_eligible)
            case NoPreemption(reasons):
                after = wording.preemption_failed(diagnosis.nodes, reasons)
                self._state.nominations.remove(pod.key)
                nominated = ""
            case Preemption(node, victims):
                await self.preempt(pod, node, victims)
                return wording.unschedulable(diagnosis, ""), node
        return wording.unschedulable(diagnosis, ", ".join((*before, after))), nominated

    async def preempt(self, pod: PodInfo, node: str, victims: tuple[PodInfo, ...]) -> None:
        """Holds the node for the pod; whoever was to have it and matters less is not promised it any longer."""
        evict = self._evictions.begin(pod, node, victims)
        # As upstream has it, others keep their promise where all victims are on their way out already.
        others = self._state.nominations.below(pod.priority, node) if evict is not None else ()
        self._state.nominations.nominate(pod, node)
        await self._release(others)
        if evict is not None:
            await self._binder.act(pod, evict)

    async def _release(self, pods: Sequence[PodInfo]) -> None:
        for one in pods:
            self._state.nominations.remove(one.key)
            await self._binder.clear_nomination(one)
