"""What a StatefulSet asks for now: pure decisions of `statefulset.py`.

Rules
  Ordered: one step in a pass. A pod is created, deleted or replaced only while all before it are available.
  Parallel: every pod by itself.
  A pod that ended is deleted, and made anew once it is gone. What is too many goes from the highest ordinal down.
  A rolling update deletes from the highest ordinal down to the partition, no more at a time than may be unavailable.
Follows updateStatefulSet in pkg/controller/statefulset/stateful_set_control.go.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pybernetes.api.models import apps_v1, core_v1
from pybernetes.controllers.int_or_percent import rounded_down
from pybernetes.controllers.pods import is_available, is_ready
from pybernetes.controllers.stateful_pods import (
    conforms,
    first_ordinal,
    is_unavailable,
    ordinal_of,
    ordinals,
    replicas_of,
    revision_of,
)


@dataclass(frozen=True, slots=True)
class Revisions:
    current: str
    """The name of the revision that a pod below the partition is of."""
    update: str
    """The name of the revision of the present template."""


@dataclass(slots=True)
class _Steps:
    create: list[int] = field(default_factory=list)
    delete: list[core_v1.Pod] = field(default_factory=list)
    conform: list[core_v1.Pod] = field(default_factory=list)
    need_claims: list[core_v1.Pod] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    create: tuple[int, ...] = ()
    """Ordinals."""
    delete: tuple[core_v1.Pod, ...] = ()
    conform: tuple[core_v1.Pod, ...] = ()
    """Those that have lost a label or a claim."""
    need_claims: tuple[core_v1.Pod, ...] = ()
    """Those that wait, perhaps for a claim that is not there."""
    condemned: tuple[core_v1.Pod, ...] = ()
    """Those that are too many, from the highest ordinal down."""
    outdated: tuple[core_v1.Pod, ...] = ()
    """What is deleted to be replaced; part of ``delete``."""


def plan(
    stateful_set: apps_v1.StatefulSet,
    pods: Sequence[core_v1.Pod],
    revisions: Revisions,
    stale: Collection[int],
    now: datetime,
) -> Plan:
    """``stale``: ordinals whose claims go with a pod that is gone; no new pod may take them."""
    if stateful_set.metadata.deletion_timestamp is not None:
        return Plan()
    present, condemned = _sorted_out(stateful_set, pods)
    steps = _Steps()
    done = _keep_replicas(stateful_set, present, stale, now, steps)
    if done:
        done = _condemn(stateful_set, present, condemned, now, steps)
    outdated = _outdated(stateful_set, present, revisions, now) if done else []
    return Plan(
        tuple(steps.create),
        (*steps.delete, *outdated),
        tuple(steps.conform),
        tuple(steps.need_claims),
        tuple(condemned),
        tuple(outdated),
    )


def _sorted_out(
    stateful_set: apps_v1.StatefulSet, pods: Sequence[core_v1.Pod]
) -> tuple[list[core_v1.Pod | None], list[core_v1.Pod]]:
    """The pod of each ordinal, and those beyond, the highest first."""
    name, wanted = stateful_set.metadata.name, ordinals(stateful_set)
    by_ordinal = {ordinal_of(name, pod.metadata.name): pod for pod in pods}
    beyond = sorted((one for one in by_ordinal if one is not None and one not in wanted), reverse=True)
    return [by_ordinal.get(ordinal) for ordinal in wanted], [by_ordinal[ordinal] for ordinal in beyond]


def is_ordered(stateful_set: apps_v1.StatefulSet) -> bool:
    return stateful_set.spec.pod_management_policy != "Parallel"


def _keep_replicas(
    stateful_set: apps_v1.StatefulSet,
    present: Sequence[core_v1.Pod | None],
    stale: Collection[int],
    now: datetime,
    steps: _Steps,
) -> bool:
    """Whether what is beyond the replicas may be looked at."""
    for ordinal, pod in zip(ordinals(stateful_set), present, strict=True):
        stands = _keep_replica(stateful_set, ordinal, pod, stale, now, steps)
        if not stands and is_ordered(stateful_set):
            return False
    return True


def _keep_replica(
    stateful_set: apps_v1.StatefulSet,
    ordinal: int,
    pod: core_v1.Pod | None,
    stale: Collection[int],
    now: datetime,
    steps: _Steps,
) -> bool:
    """Whether the pod is available as it is."""
    if pod is None:
        if ordinal not in stale:
            steps.create.append(ordinal)
        return False
    going = pod.metadata.deletion_timestamp is not None
    if pod.status.phase in ("Failed", "Succeeded"):
        if not going:
            steps.delete.append(pod)
        return False
    if pod.status.phase == "Pending":
        steps.need_claims.append(pod)
    available = not is_unavailable(pod, stateful_set.spec.min_ready_seconds, now) and pod.status.phase == "Running"
    if (available or not is_ordered(stateful_set)) and not conforms(stateful_set, pod):
        steps.conform.append(pod)
    return available


def _condemn(
    stateful_set: apps_v1.StatefulSet,
    present: Sequence[core_v1.Pod | None],
    condemned: Sequence[core_v1.Pod],
    now: datetime,
    steps: _Steps,
) -> bool:
    """Whether nothing is left to go."""
    wait = stateful_set.spec.min_ready_seconds
    if not is_ordered(stateful_set):
        steps.delete += (pod for pod in condemned if pod.metadata.deletion_timestamp is None)
        return True
    if not condemned:
        return True
    highest = condemned[0]
    unavailable = [pod for pod in (*present, *reversed(condemned)) if is_unavailable(pod, wait, now)]
    is_in_turn = not is_unavailable(highest, wait, now) or unavailable[0] is highest
    if highest.metadata.deletion_timestamp is None and is_in_turn:
        steps.delete.append(highest)
    return False


def _outdated(
    stateful_set: apps_v1.StatefulSet,
    present: Sequence[core_v1.Pod | None],
    revisions: Revisions,
    now: datetime,
) -> list[core_v1.Pod]:
    """What may be deleted now, to be made anew of the present template."""
    strategy, wait = stateful_set.spec.update_strategy, stateful_set.spec.min_ready_seconds
    if strategy.type == "OnDelete":
        return []
    rolling = strategy.rolling_update
    partition = (rolling.partition or 0) if rolling is not None else 0
    highest_first = [*reversed(present[partition:])]
    if rolling is None or rolling.max_unavailable is None:
        for pod in highest_first:
            if pod is not None and _is_outdated(pod, revisions):
                return [pod]
            if is_unavailable(pod, wait, now):
                return []
        return []
    most = max(1, rounded_down(rolling.max_unavailable, replicas_of(stateful_set)))
    left = most - sum(is_unavailable(pod, wait, now) for pod in present)
    outdated = [pod for pod in highest_first if pod is not None and _is_outdated(pod, revisions)]
    return outdated[: max(0, left)]


def _is_outdated(pod: core_v1.Pod, revisions: Revisions) -> bool:
    return revision_of(pod) != revisions.update and pod.metadata.deletion_timestamp is None


def is_of_current(stateful_set: apps_v1.StatefulSet, ordinal: int) -> bool:
    """Whether a new pod of an ordinal is made of the current revision, not of the update."""
    strategy = stateful_set.spec.update_strategy
    rolling = strategy.rolling_update
    if rolling is not None:
        return ordinal < first_ordinal(stateful_set) + (rolling.partition or 0)
    kept = first_ordinal(stateful_set) + stateful_set.status.current_replicas
    return strategy.type == "RollingUpdate" and ordinal < kept


def status(
    stateful_set: apps_v1.StatefulSet,
    pods: Sequence[core_v1.Pod],
    planned: Plan,
    revisions: Revisions,
    now: datetime,
) -> apps_v1.StatefulSetStatus:
    """As it is when the plan is carried out: a rolling update is over when every pod is of the update, and ready."""
    before, wait = stateful_set.status, stateful_set.spec.min_ready_seconds
    staying = [pod for pod in pods if pod.metadata.deletion_timestamp is None]
    updated = sum(revision_of(pod) == revisions.update for pod in staying)
    current = sum(revision_of(pod) == revisions.current for pod in staying)
    ready = sum(pod.status.phase == "Running" and is_ready(pod) for pod in pods)
    found = apps_v1.StatefulSetStatus(
        observed_generation=stateful_set.metadata.generation or 0,
        replicas=len(pods),
        ready_replicas=ready,
        available_replicas=sum(pod.status.phase == "Running" and is_available(pod, wait, now) for pod in pods),
        current_replicas=max(0, current - len(planned.outdated)),
        updated_replicas=updated,
        current_revision=revisions.current,
        update_revision=revisions.update,
        collision_count=before.collision_count or 0,
        conditions=before.conditions,
    )
    wanted = replicas_of(stateful_set)
    rolling = stateful_set.spec.update_strategy.type == "RollingUpdate"
    if rolling and updated == ready == len(pods) == wanted:
        found.current_replicas, found.current_revision = updated, revisions.update
    return found
