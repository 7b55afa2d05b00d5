"""What the scheduler says in events and conditions, in upstream's words, which users and tools search for."""

from __future__ import annotations

from collections.abc import Mapping

from pybernetes.scheduler.evaluation import Diagnosis
from pybernetes.scheduler.pod_info import PodInfo

NO_VICTIMS = "No preemption victims found for incoming pod"
NOTHING_TO_DEALLOCATE = "no new claims to deallocate"
NOT_FOUND = "not found"
"""What upstream knows to say where no plugin could be asked what to do for a pod."""
NEVER_PREEMPTS = "not eligible due to preemptionPolicy=Never."
VICTIMS_TERMINATING = "not eligible due to a terminating pod on the nominated node."
NOT_HELPFUL = "Preemption is not helpful for scheduling"
IN_MEMORY = " (in kube-scheduler memory)."
"""Of a victim that was not bound yet and is not deleted."""


def scheduled(namespace: str, name: str, node: str) -> str:
    return f"Successfully assigned {namespace}/{name} to {node}"


def unschedulable(diagnosis: Diagnosis, preemption: str) -> str:
    if diagnosis.nodes == 0:
        return "no nodes available to schedule pods"
    why = diagnosis.rejection or _histogram(diagnosis.reasons)
    return f"0/{diagnosis.nodes} nodes are available: {why}. {preemption}".rstrip()


def preemption_failed(nodes: int, reasons: Mapping[str, int]) -> str:
    return f"preemption: 0/{nodes} nodes are available: {_histogram(reasons)}."


def preemption_not_eligible(why: str) -> str:
    return f"preemption: {why}"


def not_permitted(why: str) -> str:
    """The one node that was chosen counts."""
    return f"0/1 nodes are available: 1 {why}."


def _histogram(reasons: Mapping[str, int]) -> str:
    return ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))


def preempted(preemptor: PodInfo, node: str) -> str:
    return f"Preempted by pod {preemptor.pod.metadata.uid} on node {node}"


def making_room(scheduler: str) -> str:
    """In the condition of a victim."""
    return f"{scheduler}: preempting to accommodate a higher priority pod"
