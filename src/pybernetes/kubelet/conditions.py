"""A pod's conditions and its phase, from its containers' statuses.

Guarantees  Pure; upstream's reasons and messages.
Follows     pkg/kubelet/status/generate.go and pkg/kubelet/kubelet_pods.go (getPhase).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence

from pybernetes.api.models.core_v1 import Container, ContainerStatus, Pod, PodCondition

from .restart_rules import REMOVED_REASON, RESTARTING, should_restart

INITIALIZED = "Initialized"
READY = "Ready"
CONTAINERS_READY = "ContainersReady"
READY_TO_START = "PodReadyToStartContainers"
SCHEDULED = "PodScheduled"
OURS = (
    *(READY_TO_START, INITIALIZED, READY, CONTAINERS_READY, SCHEDULED),
    *("PodResizePending", "PodResizeInProgress", RESTARTING),
)


class Phase(enum.StrEnum):
    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


TERMINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED})


def phase_of(
    pod: Pod, statuses: Mapping[str, ContainerStatus], init: Mapping[str, ContainerStatus], ended: bool
) -> Phase:
    """`ended` says that the pod is being stopped for good and nothing of it will be started again."""
    found = [statuses.get(container.name) for container in pod.spec.containers]
    begun = any(status is not None and _has_begun(status) for status in found)
    pending, failed = _init_counts(pod, init, begun)
    if any(_is_final(pod, one, init.get(one.name)) for one in pod.spec.init_containers if one.name in failed):
        return Phase.FAILED
    known = [status for status in found if status is not None]
    running = sum(1 for status in known if _runs(status))
    sidecars = [init.get(one.name) for one in pod.spec.init_containers if one.restart_policy == "Always"]
    stopped = [status for status in known if _stopped(status)]
    waiting = len(known) - running - len(stopped)
    unknown = len(found) - len(known)
    if not ended and (pending or waiting or unknown):
        return Phase.PENDING
    if running or any(status is not None and _runs(status) for status in sidecars):
        return Phase.RUNNING
    if not stopped:
        return Phase.FAILED if ended else Phase.PENDING
    well = not failed and not waiting and not unknown and not pending
    succeeded = well and all(_exit_code(status) == 0 for status in stopped)
    over = ended or all(_is_final(pod, one, statuses.get(one.name)) for one in pod.spec.containers)
    if not over:
        return Phase.RUNNING
    return Phase.SUCCEEDED if succeeded else Phase.FAILED


def _is_final(pod: Pod, container: Container, status: ContainerStatus | None) -> bool:
    """Whether a container that has stopped stays so."""
    for state in () if status is None else (status.state, status.last_state):
        if state is not None and state.terminated is not None:
            taken_away = state.terminated.reason == REMOVED_REASON
            return not taken_away and not should_restart(pod, container, state.terminated.exit_code)
    return False


def _runs(status: ContainerStatus) -> bool:
    return status.state is not None and status.state.running is not None


def _has_begun(status: ContainerStatus) -> bool:
    state = status.state
    return (state is not None and (state.running is not None or state.terminated is not None)) or (
        status.last_state is not None and status.last_state.terminated is not None
    )


def _stopped(status: ContainerStatus) -> bool:
    """Has ended at least once and does not run; waiting for its next start counts."""
    if status.state is not None and status.state.terminated is not None:
        return True
    waits = status.state is None or status.state.running is None
    return waits and status.last_state is not None and status.last_state.terminated is not None


def _exit_code(status: ContainerStatus) -> int:
    for state in (status.state, status.last_state):
        if state is not None and state.terminated is not None:
            return state.terminated.exit_code or 0
    return 0


def _init_counts(pod: Pod, init: Mapping[str, ContainerStatus], begun: bool) -> tuple[int, set[str]]:
    """How many init containers still hold the pod back, and which have failed."""
    pending, failed = 0, set()
    for container in pod.spec.init_containers:
        status = init.get(container.name)
        if container.restart_policy == "Always":
            pending += 0 if begun or (status is not None and status.started) else 1
        elif status is None:
            pending += 0 if begun else 1
        elif status.state is not None and status.state.terminated is not None:
            if status.state.terminated.exit_code:
                failed.add(container.name)
        elif _stopped(status) and _exit_code(status) != 0:
            failed.add(container.name)
            pending += 0 if begun else 1
        else:
            pending += 0 if begun else 1
    return pending, failed


def conditions_of(
    pod: Pod,
    phase: Phase,
    statuses: Mapping[str, ContainerStatus],
    init: Mapping[str, ContainerStatus],
    has_sandbox: bool,
    old: Sequence[PodCondition] = (),
) -> list[PodCondition]:
    """The conditions that the kubelet owns; times of transition are set by whoever compares with the old ones."""
    containers_ready = _containers_ready(pod, phase, statuses, init)
    return [
        PodCondition(type=READY_TO_START, status="True" if has_sandbox else "False"),
        _initialized(pod, phase, statuses, init, old),
        _ready(pod, containers_ready),
        containers_ready,
        PodCondition(type=SCHEDULED, status="True"),
    ]


def _initialized(
    pod: Pod,
    phase: Phase,
    statuses: Mapping[str, ContainerStatus],
    init: Mapping[str, ContainerStatus],
    old: Sequence[PodCondition],
) -> PodCondition:
    """Once a pod is initialized it stays so, though all of it begins anew."""
    begun = any(condition.type == INITIALIZED and condition.status == "True" for condition in old)
    begun = begun or any(_has_begun(status) for status in statuses.values())
    unknown, incomplete = [], []
    for container in pod.spec.init_containers or ():
        status = init.get(container.name)
        if status is None:
            unknown.append(container.name)
        elif container.restart_policy == "Always":
            if not status.started:
                incomplete.append(container.name)
        elif not status.ready:
            incomplete.append(container.name)
    if phase is Phase.SUCCEEDED:
        return PodCondition(type=INITIALIZED, status="True", reason="PodCompleted")
    if begun or not (unknown or incomplete):
        return PodCondition(type=INITIALIZED, status="True")
    message = _join(("containers with incomplete status", incomplete), ("containers with unknown status", unknown))
    return PodCondition(type=INITIALIZED, status="False", reason="ContainersNotInitialized", message=message)


def _containers_ready(
    pod: Pod, phase: Phase, statuses: Mapping[str, ContainerStatus], init: Mapping[str, ContainerStatus]
) -> PodCondition:
    if phase is Phase.SUCCEEDED:
        return PodCondition(type=CONTAINERS_READY, status="False", reason="PodCompleted")
    if phase is Phase.FAILED:
        return PodCondition(type=CONTAINERS_READY, status="False", reason="PodFailed")
    sidecars = [c.name for c in pod.spec.init_containers or () if c.restart_policy == "Always"]
    unknown, unready = [], []
    for name, known in [
        *((name, init.get(name)) for name in sidecars),
        *((c.name, statuses.get(c.name)) for c in pod.spec.containers or ()),
    ]:
        if known is None:
            unknown.append(name)
        elif not known.ready:
            unready.append(name)
    if not (unknown or unready):
        return PodCondition(type=CONTAINERS_READY, status="True")
    message = _join(("containers with unready status", unready), ("containers with unknown status", unknown))
    return PodCondition(type=CONTAINERS_READY, status="False", reason="ContainersNotReady", message=message)


def _ready(pod: Pod, containers: PodCondition) -> PodCondition:
    if containers.status != "True":
        return PodCondition(type=READY, status="False", reason=containers.reason, message=containers.message)
    present = {condition.type: condition.status for condition in pod.status.conditions or ()}
    problems: list[str] = []
    for gate in pod.spec.readiness_gates or ():
        status = present.get(gate.condition_type)
        if status is None:
            problems.append(f'corresponding condition of pod readiness gate "{gate.condition_type}" does not exist.')
        elif status != "True":
            problems.append(f'the status of pod readiness gate "{gate.condition_type}" is not "True", but {status}')
    if problems:
        return PodCondition(type=READY, status="False", reason="ReadinessGatesNotReady", message=", ".join(problems))
    return PodCondition(type=READY, status="True")


def _join(*parts: tuple[str, Sequence[str]]) -> str:
    return ", ".join(f"{words}: {_list(names)}" for words, names in parts if names)


def _list(names: Iterable[str]) -> str:
    return f"[{' '.join(names)}]"
