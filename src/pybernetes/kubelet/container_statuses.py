"""The statuses of a pod's containers as the API shows them, from what the runtime reports and what was told before.

Guarantees  Pure. A container that the runtime no longer knows but that was seen running is said to have ended with
            ContainerStatusUnknown; how one ended before stays, and restarts are never counted backwards, though the
            runtime has forgotten.
Follows     pkg/kubelet/kubelet_pods.go (convertToAPIContainerStatuses).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from pybernetes.api.models.core_v1 import (
    Container,
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    ContainerUser,
    LinuxContainerUser,
    Pod,
    PodStatus,
    VolumeMount,
    VolumeMountStatus,
)

from . import restart_rules
from .container_config import ephemeral_as_container, recursively_read_only
from .observed import ObservedContainer, ObservedPod
from .runtime import ContainerState as RuntimeState
from .runtime import RuntimeHandler
from .status_context import Reason, StatusContext

NOTHING = ContainerState()
UNKNOWN = "ContainerStatusUnknown"
ByName = dict[str, ContainerStatus]


def of(pod: Pod, observed: ObservedPod, context: StatusContext, old: PodStatus) -> tuple[ByName, ByName, ByName]:
    """By name, in the order of the pod: of init containers, of containers, of ephemeral ones."""
    spec = pod.spec
    restarting = restart_rules.wants_restart_of_all(pod, observed, old)
    initialized = any(observed.newest(container.name) is not None for container in spec.containers)
    view = _View(pod, observed, context, "PodInitializing" if spec.init_containers else "ContainerCreating", restarting)
    init = view.statuses(spec.init_containers, old.init_container_statuses)
    main = view.statuses(spec.containers, old.container_statuses)
    ephemeral = [ephemeral_as_container(pod, one.name) for one in spec.ephemeral_containers]
    for container in spec.init_containers:
        if initialized and container.restart_policy != "Always" and observed.newest(container.name) is None:
            init[container.name] = _ended_well(init[container.name])
        if container.restart_policy != "Always":
            init[container.name] = _ready_when_done(init[container.name])
    return init, main, view.statuses(ephemeral, old.ephemeral_container_statuses)


def _ended_well(status: ContainerStatus) -> ContainerStatus:
    """An init container that nothing is known of must have ended well where the others were made."""
    if status.state is None or status.state.waiting is None:
        return status
    message = (
        "Unable to get init container status from container runtime and pod has been initialized, "
        "treat it as exited normally"
    )
    ended = ContainerStateTerminated(reason="Completed", message=message, exit_code=0)
    return msgspec.structs.replace(status, state=ContainerState(terminated=ended))


def _ready_when_done(status: ContainerStatus) -> ContainerStatus:
    ended = status.state.terminated if status.state is not None else None
    return msgspec.structs.replace(status, ready=ended is not None and ended.exit_code == 0)


@dataclass(frozen=True, slots=True)
class _View:
    """What the containers of a pod are looked at with; `restarting` says that all are taken away to begin anew."""

    pod: Pod
    observed: ObservedPod
    context: StatusContext
    waiting: str
    restarting: bool

    def statuses(self, containers: Iterable[Container], old: Sequence[ContainerStatus]) -> ByName:
        before = {status.name: status for status in old}
        return {container.name: self._status(container, before.get(container.name)) for container in containers}

    def _status(self, container: Container, old: ContainerStatus | None) -> ContainerStatus:
        found = self.observed.by_name.get(container.name, ())
        status = self._reported(container, found, old) if found else self._absent(container, old)
        reason = self.context.reasons.get(container.name)
        due = restart_rules.restarts(self.pod, container, found[0] if found else None)
        if reason is not None and due and not self.context.ended:
            status = _to_wait(status, reason)
        return msgspec.structs.replace(status, volume_mounts=self._volume_mounts(container))

    def _absent(self, container: Container, old: ContainerStatus | None) -> ContainerStatus:
        fresh = ContainerStatus(
            name=container.name,
            image=container.image or "",
            state=ContainerState(waiting=ContainerStateWaiting(reason=self.waiting)),
            last_state=NOTHING,
            started=False,
        )
        if old is None or old.state is None:
            return fresh
        if self.restarting and old.state.waiting is None:
            return _taken_away(fresh, old)
        if old.state.terminated is not None:
            return old
        kept = old.last_state if old.last_state is not None else NOTHING
        status = msgspec.structs.replace(fresh, restart_count=old.restart_count, last_state=kept)
        return status if old.state.running is None else self._lost(status, old)

    def _lost(self, status: ContainerStatus, old: ContainerStatus) -> ContainerStatus:
        """One that was running when it was seen last."""
        if self.context.ended:
            state = _not_located("The container could not be located when the pod was terminated", old)
            return msgspec.structs.replace(old, state=state, ready=False, started=False)
        if status.last_state is not None and status.last_state.terminated is not None:
            return status
        words = "The container could not be located when the pod was deleted.  The container used to be Running"
        return msgspec.structs.replace(
            status, restart_count=status.restart_count + 1, last_state=_not_located(words, old)
        )

    def _reported(
        self, container: Container, found: Sequence[ObservedContainer], old: ContainerStatus | None
    ) -> ContainerStatus:
        newest, context = found[0], self.context
        identifier = f"{context.runtime_name}://{newest.id}"
        return ContainerStatus(
            name=container.name,
            state=state_of(newest, context),
            last_state=_last_state(found, old, identifier, context),
            ready=newest.running and newest.id in context.ready,
            started=newest.running and newest.id in context.started,
            restart_count=_restarts(newest, old),
            image=newest.status.image or container.image or "",
            image_id=newest.status.image_ref,
            container_id=identifier,
            allocated_resources=container.resources.requests,
            resources=msgspec.structs.replace(container.resources, claims=[]),
            user=_user(newest),
        )

    def _volume_mounts(self, container: Container) -> list[VolumeMountStatus]:
        able = RuntimeHandler("", recursive_read_only=self.context.recursive_read_only)
        return [
            VolumeMountStatus(
                name=mount.name,
                mount_path=mount.mount_path,
                read_only=mount.read_only,
                recursive_read_only=_recursive(mount, able) if mount.read_only else None,
            )
            for mount in container.volume_mounts
        ]


def _taken_away(fresh: ContainerStatus, old: ContainerStatus) -> ContainerStatus:
    """One that was removed so that all of the pod begins anew."""
    waiting = ContainerStateWaiting(reason=restart_rules.REMOVED_REASON, message=restart_rules.REMOVED_MESSAGE)
    return msgspec.structs.replace(
        fresh,
        state=ContainerState(waiting=waiting),
        last_state=ContainerState(terminated=restart_rules.REMOVED),
        restart_count=old.restart_count + 1,
    )


def _not_located(words: str, old: ContainerStatus) -> ContainerState:
    gone = ContainerStateTerminated(reason=UNKNOWN, message=words, exit_code=137, container_id=old.container_id)
    return ContainerState(terminated=gone)


def _last_state(
    found: Sequence[ObservedContainer], old: ContainerStatus | None, identifier: str, context: StatusContext
) -> ContainerState:
    """How the instance before ended: as the runtime says, or else as was told."""
    previous = next((container for container in found[1:] if container.exited), None)
    if previous is not None:
        return state_of(previous, context)
    if old is None:
        return NOTHING
    if old.container_id != identifier and old.state is not None and old.state.terminated is not None:
        return old.state
    return old.last_state if old.last_state is not None else NOTHING


def _restarts(newest: ObservedContainer, old: ContainerStatus | None) -> int:
    """A runtime that has forgotten the instances before counts from the beginning again."""
    if old is None:
        return newest.restart_count
    ended = old.state is not None and old.state.terminated is not None
    if newest.running and ended and old.restart_count >= newest.restart_count:
        return old.restart_count + 1
    return max(old.restart_count, newest.restart_count)


def _to_wait(status: ContainerStatus, reason: Reason) -> ContainerStatus:
    last = status.state if status.state is not None and status.state.terminated is not None else status.last_state
    return msgspec.structs.replace(
        status,
        state=ContainerState(waiting=ContainerStateWaiting(reason=reason.reason, message=reason.message)),
        last_state=last,
        ready=False,
        started=False,
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


def _recursive(mount: VolumeMount, able: RuntimeHandler) -> str:
    return "Enabled" if recursively_read_only(mount, able) else "Disabled"


def _user(container: ObservedContainer) -> ContainerUser | None:
    user = container.status.user
    if user is None:
        return None
    return ContainerUser(linux=LinuxContainerUser(uid=user.uid, gid=user.gid, supplemental_groups=list(user.groups)))
