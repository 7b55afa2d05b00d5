"""Explainer: answers why a pod is where it is, from what is remembered or by trying again without deciding.

Guarantees  Asking changes no decision: a dry run uses up no chance, and pods that it takes away to look are put back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from msgspec.structs import replace

from pybernetes.api.clock import Clock
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.evaluation import Evaluator
from pybernetes.scheduler.explaining.explain import explain, unfold
from pybernetes.scheduler.explaining.explanation import Explanation, Source
from pybernetes.scheduler.explaining.memory import DecisionMemory, Remembered
from pybernetes.scheduler.pod_info import PodInfo, pod_info
from pybernetes.scheduler.points import held_back
from pybernetes.scheduler.preemption import plan_preemption
from pybernetes.scheduler.waiting_pods import WaitingPods

DEFAULT_SCHEDULER = "default-scheduler"


class Unexplained(Exception):
    """There is nothing to explain; ``str`` says why."""


class Explainer:
    def __init__(
        self,
        state: ClusterState,
        evaluators: Mapping[str, Evaluator],
        memory: DecisionMemory,
        pod_of: Callable[[Key], core_v1.Pod | None],
        clock: Clock,
        waiting: WaitingPods | None = None,
    ) -> None:
        """``waiting`` are the pods that have a node and no permission yet."""
        self._waiting = waiting if waiting is not None else WaitingPods()
        self._state = state
        self._evaluators = evaluators
        self._memory = memory
        self._pod_of = pod_of
        self._clock = clock

    def last(self, key: Key) -> Explanation:
        """The last decision about a pod; if none is remembered, a dry run. Raises Unexplained."""
        remembered = self._memory.get(key)
        pod = self._pod_of(key)
        if remembered is None or (pod is not None and pod.metadata.uid != remembered.trace.pod.pod.metadata.uid):
            return self.now(key)
        return self.told(remembered)

    def told(self, remembered: Remembered) -> Explanation:
        waiting = self._waiting.get(remembered.trace.pod.pod.metadata.uid)
        return explain(
            remembered.trace,
            self._state,
            source=Source.DECISION,
            at=remembered.at,
            attempt=remembered.attempt,
            failure=remembered.failure,
            waits_for=() if waiting is None else waiting.pending,
            preemption=remembered.preemption,
        )

    def now(self, key: Key) -> Explanation:
        """What would be decided from the present state. Raises Unexplained."""
        pod = self._pod_of(key)
        if pod is None:
            raise Unexplained(f"pod {key} is not known: it does not exist or has ended, or another scheduler leads")
        evaluator = self._evaluators.get(pod.spec.scheduler_name or DEFAULT_SCHEDULER)
        if evaluator is None:
            raise Unexplained(f"pod {key} asks for the scheduler {pod.spec.scheduler_name!r}, which is another one")
        if pod.spec.node_name:
            return self._compared(evaluator, pod, key)
        if pod.spec.scheduling_gates:
            gates = ", ".join(gate.name for gate in pod.spec.scheduling_gates)
            raise Unexplained(f"pod {key} is held back by its scheduling gates: {gates}")
        info = pod_info(pod)
        plugin, why = held_back(evaluator.profile, info)
        if plugin:
            raise Unexplained(f"pod {key} is held back by {plugin}: {why}")
        return self.tried(evaluator, info)

    def tried(self, evaluator: Evaluator, pod: PodInfo) -> Explanation:
        """A dry run for a pod without a node, with what could be preempted for it."""
        trace = evaluator.examine(pod)
        plan = None
        fits = trace.rejection is not None or unfold(trace, self._state.nodes).feasible.any()
        if not fits and pod.spec.preemption_policy != "Never":
            plan = plan_preemption(self._state, evaluator, pod, evaluator.diagnose(pod))
        return explain(trace, self._state, source=Source.DRY_RUN, at=self._clock.now(), preemption=plan)

    def _compared(self, evaluator: Evaluator, pod: core_v1.Pod, key: Key) -> Explanation:
        """The pod's node beside all others, as if the pod were on none."""
        node = pod.spec.node_name
        placed = self._state.pods_on(node).get(key)
        if placed is None:
            raise Unexplained(f"pod {key} has just been given the node {node}: ask again")
        unbound = pod_info(_without_node(pod))
        with _without(self._state, placed, node):
            trace = evaluator.examine(unbound)
            return explain(trace, self._state, source=Source.COMPARISON, at=self._clock.now(), placed_on=node)


@contextmanager
def _without(state: ClusterState, pod: PodInfo, node: str) -> Iterator[None]:
    assumed = state.is_assumed(pod.key)
    state.remove_pod(pod.key)
    try:
        yield
    finally:
        if assumed:
            state.assume(pod, node)
        else:
            state.set_pod(pod, node)


def _without_node(pod: core_v1.Pod) -> core_v1.Pod:
    return replace(pod, spec=replace(pod.spec, node_name=""))
