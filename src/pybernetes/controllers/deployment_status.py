"""What a Deployment's status says: counts, and the conditions Available, Progressing and ReplicaFailure.

Follows pkg/controller/deployment/{progress,sync}.go; reasons and messages are upstream's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from pybernetes.api.models import apps_v1
from pybernetes.controllers.deployment_rollout import NO_DEADLINE, bounds, replicas_of

AVAILABLE, PROGRESSING, REPLICA_FAILURE = "Available", "Progressing", "ReplicaFailure"

NEW_REPLICA_SET_CREATED = "NewReplicaSetCreated"
FOUND_NEW_REPLICA_SET = "FoundNewReplicaSet"
REPLICA_SET_UPDATED = "ReplicaSetUpdated"
NEW_REPLICA_SET_AVAILABLE = "NewReplicaSetAvailable"
REPLICA_SET_CREATE_ERROR = "ReplicaSetCreateError"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED, RESUMED = "DeploymentPaused", "DeploymentResumed"

Condition = apps_v1.DeploymentCondition
Conditions = tuple[Condition, ...]


def has_deadline(deployment: apps_v1.Deployment) -> bool:
    deadline = deployment.spec.progress_deadline_seconds
    return deadline is not None and deadline != NO_DEADLINE


def find(conditions: Iterable[Condition], type: str) -> Condition | None:
    return next((condition for condition in conditions if condition.type == type), None)


def without(conditions: Iterable[Condition], type: str) -> Conditions:
    return tuple(condition for condition in conditions if condition.type != type)


def with_condition(
    conditions: Iterable[Condition], type: str, status: str, reason: str, message: str, now: datetime
) -> Conditions:
    """Nothing changes while status and reason stay; the time of transition is that of the last change of status."""
    conditions = tuple(conditions)
    known = find(conditions, type)
    if known is not None and known.status == status and known.reason == reason:
        return conditions
    since = known.last_transition_time if known is not None and known.status == status else now
    condition = Condition(
        type=type, status=status, reason=reason, message=message, last_update_time=now, last_transition_time=since
    )
    return (*without(conditions, type), condition)


def status_of(
    deployment: apps_v1.Deployment,
    new: apps_v1.ReplicaSet | None,
    old: Sequence[apps_v1.ReplicaSet],
    conditions: Conditions,
    collisions: int | None,
    now: datetime,
) -> apps_v1.DeploymentStatus:
    """Counts and Available; the other conditions are as given."""
    everyone = [*old, *([new] if new is not None else [])]
    total = _sum(each.status.replicas for each in everyone)
    available = _sum(each.status.available_replicas for each in everyone)
    if available >= replicas_of(deployment) - bounds(deployment)[1]:
        reason = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        reason = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    return apps_v1.DeploymentStatus(
        observed_generation=deployment.metadata.generation,
        replicas=total,
        updated_replicas=new.status.replicas if new is not None else 0,
        ready_replicas=_sum(each.status.ready_replicas for each in everyone),
        available_replicas=available,
        unavailable_replicas=max(sum(map(replicas_of, everyone)) - available, 0),
        terminating_replicas=_sum(each.status.terminating_replicas for each in everyone),
        collision_count=collisions,
        conditions=list(with_condition(conditions, AVAILABLE, *reason, now)),
    )


def progress(
    deployment: apps_v1.Deployment,
    new: apps_v1.ReplicaSet | None,
    status: apps_v1.DeploymentStatus,
    now: datetime,
) -> Conditions:
    """The conditions of a rollout that has this status now."""
    conditions = tuple(status.conditions)
    if not has_deadline(deployment):
        return without(conditions, PROGRESSING)
    known = find(conditions, PROGRESSING)
    finished = known is not None and known.reason == NEW_REPLICA_SET_AVAILABLE
    if finished and status.replicas == status.updated_replicas:
        return conditions
    who = f'ReplicaSet "{new.metadata.name}"' if new is not None else f'Deployment "{deployment.metadata.name}"'
    if is_complete(deployment, status):
        message = f"{who} has successfully progressed."
        return with_condition(conditions, PROGRESSING, "True", NEW_REPLICA_SET_AVAILABLE, message, now)
    if _progressed(deployment.status, status):
        since = known.last_transition_time if known is not None and known.status == "True" else now
        condition = Condition(
            type=PROGRESSING,
            status="True",
            reason=REPLICA_SET_UPDATED,
            message=f"{who} is progressing.",
            last_update_time=now,
            last_transition_time=since,
        )
        return (*without(conditions, PROGRESSING), condition)
    if is_timed_out(deployment, conditions, now):
        message = f"{who} has timed out progressing."
        return with_condition(conditions, PROGRESSING, "False", TIMED_OUT, message, now)
    return conditions


def is_complete(deployment: apps_v1.Deployment, status: apps_v1.DeploymentStatus) -> bool:
    wanted = replicas_of(deployment)
    return (
        status.updated_replicas == status.replicas == status.available_replicas == wanted
        and status.observed_generation >= deployment.metadata.generation
    )


def _progressed(old: apps_v1.DeploymentStatus, new: apps_v1.DeploymentStatus) -> bool:
    def outdated(status: apps_v1.DeploymentStatus) -> int:
        return status.replicas - status.updated_replicas

    return (
        new.updated_replicas > old.updated_replicas
        or outdated(new) < outdated(old)
        or new.ready_replicas > old.ready_replicas
        or new.available_replicas > old.available_replicas
    )


def is_timed_out(deployment: apps_v1.Deployment, conditions: Iterable[Condition], now: datetime) -> bool:
    known = find(conditions, PROGRESSING)
    if not has_deadline(deployment) or known is None or known.reason == NEW_REPLICA_SET_AVAILABLE:
        return False
    return known.reason == TIMED_OUT or _deadline(deployment, known) < now


def look_again(deployment: apps_v1.Deployment, status: apps_v1.DeploymentStatus, now: datetime) -> float | None:
    """Seconds until the rollout should be judged to be late."""
    known = find(status.conditions, PROGRESSING)
    if not has_deadline(deployment) or known is None:
        return None
    if is_complete(deployment, status) or known.reason == TIMED_OUT:
        return None
    return max((_deadline(deployment, known) - now).total_seconds(), 0) + 1


def _deadline(deployment: apps_v1.Deployment, known: Condition) -> datetime:
    since = known.last_update_time
    if since is None:
        raise ValueError(f"condition {known.type} of Deployment {deployment.metadata.name} has no lastUpdateTime")
    return since + timedelta(seconds=deployment.spec.progress_deadline_seconds or 0)


def paused_conditions(deployment: apps_v1.Deployment, now: datetime) -> Conditions:
    """The conditions of a Deployment after it was paused or resumed."""
    conditions = tuple(deployment.status.conditions)
    known = find(conditions, PROGRESSING)
    if not has_deadline(deployment) or (known is not None and known.reason == TIMED_OUT):
        return conditions
    was_paused = known is not None and known.reason == PAUSED
    if deployment.spec.paused and not was_paused:
        return with_condition(conditions, PROGRESSING, "Unknown", PAUSED, "Deployment is paused", now)
    if not deployment.spec.paused and was_paused:
        return with_condition(conditions, PROGRESSING, "Unknown", RESUMED, "Deployment is resumed", now)
    return conditions


def replica_failure(
    conditions: Conditions, new: apps_v1.ReplicaSet | None, old: Sequence[apps_v1.ReplicaSet]
) -> Conditions:
    """ReplicaFailure as the new ReplicaSet says it, else as an old one does, else none."""
    for each in [*([new] if new is not None else []), *old]:
        for condition in each.status.conditions:
            if condition.type == REPLICA_FAILURE and condition.status == "True":
                failure = Condition(
                    type=REPLICA_FAILURE,
                    status="True",
                    reason=condition.reason,
                    message=condition.message,
                    last_update_time=condition.last_transition_time,
                    last_transition_time=condition.last_transition_time,
                )
                return (*without(conditions, REPLICA_FAILURE), failure)
    return without(conditions, REPLICA_FAILURE)


def _sum(numbers: Iterable[int | None]) -> int:
    return sum(number or 0 for number in numbers)
