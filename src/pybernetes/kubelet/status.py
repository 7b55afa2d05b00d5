"""The status of a pod as the API shows it, from what the runtime reports.

Guarantees  Pure. A container that the runtime no longer knows but that was seen running is said to have ended with
            ContainerStatusUnknown; nothing is invented beyond that.
Follows     pkg/kubelet/kubelet_pods.go (generateAPIPodStatus, convertToAPIContainerStatuses).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from pybernetes.api.models.core_v1 import (
    Container,
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    HostIP,
    Pod,
    PodCondition,
    PodIP,
    PodStatus,
    VolumeMountStatus,
)

from . import plan, resources
from .conditions import OURS, TERMINAL, Phase, conditions_of, phase_of
from .observed import ObservedContainer, ObservedPod
from .pod_share import PodShare
from .runtime import ContainerState as RuntimeState


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a container waits: CrashLoopBackOff, ErrImagePull …"""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class StatusContext:
    """What a status depends on besides the pod and the runtime's report."""

    now: datetime
    host_ips: tuple[str, ...] = ()
    runtime_name: str = "containerd"
    reasons: Mapping[str, Reason] = field(default_factory=dict)
    ready: frozenset[str] = frozenset()
    """Container ids whose readiness probe is content, or that have none."""
    started: frozenset[str] = frozenset()
    messages: Mapping[str, str] = field(default_factory=dict)
    """Termination messages by container id."""
    ended: bool = False
    """The pod is being stopped for good."""
    more: Sequence[PodCondition] = ()
    """Conditions about a resize; those of an earlier one are dropped."""
    failure: Reason | None = None
    """The node itself has given the pod up: evicted, rejected, past its deadline."""
    share: PodShare | None = None
    """What the whole pod has of the node, where that is told."""
    old: PodStatus | None = None
    """The last status made here, newer than the one in the pod perhaps."""


def status_of(pod: Pod, observed: ObservedPod, context: StatusContext) -> PodStatus:
    old = context.old if context.old is not None else pod.status
    init_spec = list(pod.spec.init_containers or ())
    main_spec = list(pod.spec.containers or ())
    has_init = bool(init_spec)
    init = _statuses(pod, init_spec, old.init_container_statuses or (), observed, context, has_init, is_init=True)
    main = _statuses(pod, main_spec, old.container_statuses or (), observed, context, has_init, is_init=False)
    ephemeral = [_ephemeral_status(c.name, observed, context) for c in pod.spec.ephemeral_containers or ()]
    phase = phase_of(pod, main, init, context.ended)
    if old.phase in TERMINAL:
        phase = Phase(old.phase)
    elif context.failure is not None and (context.ended or not observed.running):
        phase = Phase.FAILED
    conditions = conditions_of(pod, phase, main, init, observed.ready_sandbox is not None)
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
        ephemeral_container_statuses=ephemeral,
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


def _statuses(
    pod: Pod,
    containers: Sequence[Container],
    old: Sequence[ContainerStatus],
    observed: ObservedPod,
    context: StatusContext,
    has_init: bool,
    is_init: bool,
) -> dict[str, ContainerStatus]:
    before = {status.name: status for status in old}
    waiting = "PodInitializing" if has_init else "ContainerCreating"
    return {
        container.name: _status(pod, container, before.get(container.name), observed, context, waiting, is_init)
        for container in containers
    }


def _status(
    pod: Pod,
    container: Container,
    old: ContainerStatus | None,
    observed: ObservedPod,
    context: StatusContext,
    waiting: str,
    is_init: bool,
) -> ContainerStatus:
    found = observed.by_name.get(container.name, ())
    if not found:
        status = _never_seen(container, old, context, waiting)
    else:
        status = _from_runtime(container, found, context, is_init)
    reason = context.reasons.get(container.name)
    newest = found[0] if found else None
    if reason is not None and not context.ended and not (newest is not None and newest.running):
        status = _to_wait(status, reason)
    return msgspec.structs.replace(status, volume_mounts=_volume_mounts(container))


def _to_wait(status: ContainerStatus, reason: Reason) -> ContainerStatus:
    last = status.state if status.state is not None and status.state.terminated is not None else status.last_state
    return msgspec.structs.replace(
        status,
        state=ContainerState(waiting=ContainerStateWaiting(reason=reason.reason, message=reason.message)),
        last_state=last,
        ready=False,
        started=False,
    )


def _never_seen(
    container: Container, old: ContainerStatus | None, context: StatusContext, waiting: str
) -> ContainerStatus:
    fresh = ContainerStatus(
        name=container.name,
        image=container.image or "",
        state=ContainerState(waiting=ContainerStateWaiting(reason=waiting)),
        last_state=ContainerState(),
        started=False,
    )
    if old is None or old.state is None:
        return fresh
    if old.state.terminated is not None:
        return old
    if old.state.running is None:
        kept = old.last_state if old.last_state is not None else ContainerState()
        return msgspec.structs.replace(fresh, restart_count=old.restart_count, last_state=kept)
    gone = ContainerStateTerminated(
        reason="ContainerStatusUnknown",
        message="The container could not be located when the pod was terminated"
        if context.ended
        else "The container could not be located when the pod was deleted.  The container used to be Running",
        exit_code=137,
        container_id=old.container_id,
    )
    if context.ended:
        return msgspec.structs.replace(old, state=ContainerState(terminated=gone), ready=False, started=False)
    return msgspec.structs.replace(
        fresh, restart_count=(old.restart_count or 0) + 1, last_state=ContainerState(terminated=gone)
    )


def _from_runtime(
    container: Container, found: Sequence[ObservedContainer], context: StatusContext, is_init: bool
) -> ContainerStatus:
    newest = found[0]
    status = newest.status
    state = state_of(newest, context)
    regular_init = is_init and container.restart_policy != "Always"
    started = newest.running and newest.id in context.started
    ready = newest.succeeded if regular_init else (newest.running and newest.id in context.ready)
    previous = next((c for c in found[1:] if c.exited), None)
    return ContainerStatus(
        name=container.name,
        state=state,
        last_state=state_of(previous, context) if previous is not None else ContainerState(),
        ready=ready,
        started=started,
        restart_count=newest.restart_count,
        image=status.image or container.image or "",
        image_id=status.image_ref,
        container_id=f"{context.runtime_name}://{newest.id}",
        allocated_resources=container.resources.requests,
        resources=msgspec.structs.replace(container.resources, claims=[]),
    )


def state_of(container: ObservedContainer, context: StatusContext) -> ContainerState:
    status = container.status
    match status.state:
        case RuntimeState.RUNNING:
            return ContainerState(running=ContainerStateRunning(started_at=_whole(status.started_at)))
        case RuntimeState.EXITED:
            message = context.messages.get(container.id) or status.message
            return ContainerState(
                terminated=ContainerStateTerminated(
                    exit_code=status.exit_code,
                    reason=status.reason or ("Completed" if status.exit_code == 0 else "Error"),
                    message=message,
                    started_at=_whole(status.started_at),
                    finished_at=_whole(status.finished_at),
                    container_id=f"{context.runtime_name}://{container.id}",
                )
            )
    return ContainerState(waiting=ContainerStateWaiting(reason="ContainerCreating"))


def _whole(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(microsecond=0)


def _ephemeral_status(name: str, observed: ObservedPod, context: StatusContext) -> ContainerStatus:
    found = observed.by_name.get(name, ())
    if found:
        return _from_runtime(Container(name=name), found, context, is_init=False)
    reason = context.reasons.get(name) or Reason("ContainerCreating")
    waiting = ContainerStateWaiting(reason=reason.reason, message=reason.message)
    return ContainerStatus(name=name, state=ContainerState(waiting=waiting), last_state=ContainerState())


def _volume_mounts(container: Container) -> list[VolumeMountStatus]:
    return [
        VolumeMountStatus(
            name=mount.name,
            mount_path=mount.mount_path,
            read_only=mount.read_only,
            recursive_read_only="Disabled" if mount.read_only else None,
        )
        for mount in container.volume_mounts or ()
    ]


def ready_containers(pod: Pod) -> Sequence[str]:
    """Names of containers that take part in readiness."""
    return [container.name for role, container in plan.all_containers(pod) if role is not plan.Role.INIT]
