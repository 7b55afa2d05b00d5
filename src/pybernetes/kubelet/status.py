"""The status of a pod as the API shows it, from what the runtime reports.

Guarantees  Pure; nothing is invented.
Follows     pkg/kubelet/kubelet_pods.go (generateAPIPodStatus).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from pybernetes.api.models.core_v1 import HostIP, Pod, PodCondition, PodIP, PodStatus

from . import container_statuses, plan, resources, restart_rules
from .conditions import OURS, TERMINAL, Phase, conditions_of, phase_of
from .observed import ObservedPod
from .status_context import Reason, StatusContext


def status_of(pod: Pod, observed: ObservedPod, context: StatusContext) -> PodStatus:
    old = context.old if context.old is not None else pod.status
    init, main, ephemeral = container_statuses.of(pod, observed, context, old)
    phase = phase_of(pod, main, init, context.ended)
    if old.phase in TERMINAL:
        phase = Phase(old.phase)
    elif context.failure is not None and (context.ended or not observed.running):
        phase = Phase.FAILED
    conditions = conditions_of(pod, phase, main, init, observed.ready_sandbox is not None, old.conditions)
    if restart_rules.may_restart_all(pod):
        conditions.append(restart_rules.condition(pod, observed, old, phase))
    ips = (context.host_ips if pod.spec.host_network else observed.ips) or _old_ips(observed, old)
    share = context.share
    reason = context.failure or _reason_kept(pod, old, phase)
    return msgspec.structs.replace(
        pod.status,
        phase=phase.value,
        reason=reason.reason,
        message=reason.message,
        conditions=_merged(pod, old.conditions, [*conditions, *context.more], context.now),
        host_ip=next(iter(context.host_ips), ""),
        host_ips=[HostIP(ip=ip) for ip in context.host_ips],
        pod_ip=next(iter(ips), ""),
        pod_ips=[PodIP(ip=ip) for ip in ips],
        start_time=old.start_time or context.now,
        qos_class=old.qos_class or resources.qos_of(pod).value,
        init_container_statuses=list(init.values()),
        container_statuses=list(main.values()),
        ephemeral_container_statuses=list(ephemeral.values()),
        observed_generation=pod.metadata.generation,
        allocated_resources=pod.status.allocated_resources if share is None else dict(share.requests),
        resources=pod.status.resources if share is None else share.shown(pod.status.phase),
    )


def _reason_kept(pod: Pod, old: PodStatus, phase: Phase) -> Reason:
    """What was said of this phase, by this kubelet or by somebody else."""
    if phase.value != old.phase:
        return Reason("")
    return Reason(old.reason or pod.status.reason, old.message or pod.status.message)


def _old_ips(observed: ObservedPod, old: PodStatus) -> tuple[str, ...]:
    """Addresses stay to be read while there is no sandbox that could have others."""
    return tuple(entry.ip for entry in old.pod_ips) if observed.ready_sandbox is None else ()


def _merged(pod: Pod, old: Sequence[PodCondition], new: Sequence[PodCondition], now: datetime) -> list[PodCondition]:
    """The kubelet's conditions with their times kept where nothing changed, and everyone else's as they are."""
    before = {condition.type: condition for condition in old}
    merged: list[PodCondition] = []
    for condition in new:
        previous = before.get(condition.type)
        same = previous is not None and previous.status == condition.status
        merged.append(
            msgspec.structs.replace(
                condition,
                last_transition_time=previous.last_transition_time if same and previous is not None else now,
                observed_generation=condition.observed_generation or pod.metadata.generation,
            )
        )
    told = {*OURS, *(condition.type for condition in new)}
    return [*merged, *(condition for condition in pod.status.conditions if condition.type not in told)]


def ready_containers(pod: Pod) -> Sequence[str]:
    """Names of containers that take part in readiness."""
    return [container.name for role, container in plan.all_containers(pod) if role is not plan.Role.INIT]
