"""Facts about pods that several controllers decide by, and the pod that a template describes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pybernetes.api import meta
from pybernetes.api.models import core_v1, meta_v1


def is_active(pod: core_v1.Pod) -> bool:
    """Neither finished nor being deleted."""
    return pod.status.phase not in ("Succeeded", "Failed") and pod.metadata.deletion_timestamp is None


def is_terminating(pod: core_v1.Pod) -> bool:
    """Being deleted, and not finished yet."""
    return pod.metadata.deletion_timestamp is not None and pod.status.phase not in ("Succeeded", "Failed")


def ready_condition(pod: core_v1.Pod) -> core_v1.PodCondition | None:
    return next((condition for condition in pod.status.conditions if condition.type == "Ready"), None)


def is_ready(pod: core_v1.Pod) -> bool:
    condition = ready_condition(pod)
    return condition is not None and condition.status == "True"


def available_at(pod: core_v1.Pod, min_ready_seconds: int, now: datetime) -> datetime | None:
    """When a pod counts as available if it stays ready; None while it is not ready."""
    condition = ready_condition(pod)
    if condition is None or condition.status != "True":
        return None
    if min_ready_seconds == 0:
        return now
    if condition.last_transition_time is None:
        return None
    return condition.last_transition_time + timedelta(seconds=min_ready_seconds)


def is_available(pod: core_v1.Pod, min_ready_seconds: int, now: datetime) -> bool:
    since = available_at(pod, min_ready_seconds, now)
    return since is not None and since <= now


def pod_from_template(
    template: core_v1.PodTemplateSpec,
    owner: Any,
    *,
    name: str = "",
    labels: Mapping[str, str] | None = None,
) -> core_v1.Pod:
    """The pod to create for an owner: named by the server after the owner, unless a name is given too."""
    described = template.metadata
    metadata = meta_v1.ObjectMeta(
        name=name,
        generate_name=f"{owner.metadata.name}-",
        namespace=owner.metadata.namespace,
        labels={**described.labels, **(labels or {})},
        annotations=dict(described.annotations),
        finalizers=list(described.finalizers),
        owner_references=[meta.owner_reference(owner, controller=True)],
    )
    return core_v1.Pod(metadata=metadata, spec=template.spec)
