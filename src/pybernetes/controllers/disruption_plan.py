"""How many of a budget's pods may be disrupted now: pure decisions of `disruption.py`.

Follows pkg/controller/disruption/disruption.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from pybernetes.api import meta
from pybernetes.api.models import core_v1, meta_v1, policy_v1
from pybernetes.controllers.int_or_percent import rounded_up
from pybernetes.controllers.pods import is_ready

CONDITION = "DisruptionAllowed"
SUFFICIENT = "SufficientPods"
INSUFFICIENT = "InsufficientPods"
SYNC_FAILED = "SyncFailed"
TARGET = "DisruptionTarget"
BY_KUBELET = "TerminationByKubelet"

DELETION_TIMEOUT = timedelta(minutes=2)
"""So long after an eviction was granted the pod is expected to be deleted."""
STALE_AFTER = timedelta(minutes=2)
"""So long a pod that is not deleted keeps saying that it is going to be disrupted."""


@dataclass(frozen=True, slots=True)
class Plan:
    status: policy_v1.PodDisruptionBudgetStatus
    undeleted: tuple[core_v1.Pod, ...]
    """Those whose eviction was granted and did not come."""
    look_again: datetime | None
    """When the next granted eviction would be overdue."""


def asks_for_scale(budget: policy_v1.PodDisruptionBudget) -> bool:
    """Whether it is stated as a share of the pods that there should be, rather than as a number that must stay."""
    spec = budget.spec
    return spec.max_unavailable is not None or isinstance(spec.min_available, str)


def plan(budget: policy_v1.PodDisruptionBudget, pods: Sequence[core_v1.Pod], scale: int, now: datetime) -> Plan:
    """``scale``: how many pods their controllers are to have; looked at only where the budget asks for it."""
    expected = scale if asks_for_scale(budget) else len(pods) if budget.spec.min_available is not None else 0
    desired = _desired(budget.spec, expected)
    disrupted, undeleted = _disrupted(budget, pods, now)
    healthy = sum(
        pod.metadata.deletion_timestamp is None and pod.metadata.name not in disrupted and is_ready(pod) for pod in pods
    )
    allowed = max(0, healthy - desired) if expected > 0 else 0
    generation = budget.metadata.generation or 0
    verdict = ("True", SUFFICIENT) if allowed else ("False", INSUFFICIENT)
    status = policy_v1.PodDisruptionBudgetStatus(
        observed_generation=generation,
        disrupted_pods=disrupted,
        disruptions_allowed=allowed,
        current_healthy=healthy,
        desired_healthy=desired,
        expected_pods=expected,
        conditions=_with_condition(budget.status.conditions, *verdict, generation, now),
    )
    again = min((at + DELETION_TIMEOUT for at in disrupted.values()), default=None)
    return Plan(status, undeleted, again)


def failed(budget: policy_v1.PodDisruptionBudget, why: str, now: datetime) -> policy_v1.PodDisruptionBudgetStatus:
    """What is safe when nothing can be worked out: no disruption at all."""
    before = budget.status
    conditions = _with_condition(before.conditions, "False", SYNC_FAILED, before.observed_generation, now, why)
    return msgspec.structs.replace(before, disruptions_allowed=0, conditions=conditions)


def _desired(spec: policy_v1.PodDisruptionBudgetSpec, expected: int) -> int:
    if spec.max_unavailable is not None:
        return max(0, expected - rounded_up(spec.max_unavailable, expected))
    return rounded_up(spec.min_available, expected)


def _disrupted(
    budget: policy_v1.PodDisruptionBudget, pods: Sequence[core_v1.Pod], now: datetime
) -> tuple[dict[str, datetime], tuple[core_v1.Pod, ...]]:
    waiting: dict[str, datetime] = {}
    undeleted: list[core_v1.Pod] = []
    for pod in pods:
        granted = budget.status.disrupted_pods.get(pod.metadata.name)
        if granted is None or pod.metadata.deletion_timestamp is not None:
            continue
        if granted + DELETION_TIMEOUT < now:
            undeleted.append(pod)
        else:
            waiting[pod.metadata.name] = granted
    return waiting, tuple(undeleted)


def _with_condition(
    before: Sequence[meta_v1.Condition], status: str, reason: str, generation: int, now: datetime, message: str = ""
) -> list[meta_v1.Condition]:
    conditions = list(before)
    new = meta_v1.Condition(
        type=CONDITION,
        status=status,
        reason=reason,
        message=message,
        observed_generation=generation,
        last_transition_time=now,
    )
    meta.set_condition(conditions, new)
    return conditions


def stale_since(pod: core_v1.Pod) -> datetime | None:
    """Since when a pod that stays has said that it will be disrupted; what its kubelet says so is never stale."""
    condition = meta.condition(pod.status, TARGET)
    if condition is None or condition.status != "True" or condition.reason == BY_KUBELET:
        return None
    if pod.metadata.deletion_timestamp is not None or pod.status.phase in ("Succeeded", "Failed"):
        return None
    since: datetime | None = condition.last_transition_time
    return since
