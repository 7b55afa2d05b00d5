"""Which containers are started again when they end, and when all of a pod's are: policies and the rules before them.

Guarantees  Pure. The first rule that fits the exit code decides, then the container's own policy, then its pod's.
            A pod whose container ended with a rule that says so loses all its containers, those that are to blame last,
            and begins anew in the same sandbox, with its init containers and without a pause.
Follows     pkg/api/v1/pod/util.go (ContainerShouldRestart) and pkg/kubelet/container/helpers.go
            (ShouldContainerBeRestarted, ShouldAllContainersRestart).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pybernetes.api.models.core_v1 import (
    Container,
    ContainerRestartRule,
    ContainerStateTerminated,
    ContainerStatus,
    Pod,
    PodCondition,
    PodStatus,
)

from .observed import ObservedContainer, ObservedPod
from .runtime import ContainerState

RESTARTING = "AllContainersRestarting"
REMOVED_REASON = "RestartingAllContainers"
REMOVED_MESSAGE = "The container is removed because RestartAllContainers in place"
REMOVED = ContainerStateTerminated(reason=REMOVED_REASON, message=REMOVED_MESSAGE, exit_code=137)
_ALL = "RestartAllContainers"


def should_restart(pod: Pod, container: Container, exit_code: int) -> bool:
    """Whether a container that has ended so is started again."""
    if container.restart_policy:
        rule = _matching(container, exit_code)
        if rule is not None and rule.action in ("Restart", _ALL):
            return True
    policy = container.restart_policy or pod.spec.restart_policy or "Always"
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def restarts(pod: Pod, container: Container, found: ObservedContainer | None) -> bool:
    """Whether a container that does not run should."""
    if pod.metadata.deletion_timestamp is not None:
        return False
    if found is None or found.status.state in (ContainerState.CREATED, ContainerState.UNKNOWN):
        return True
    if found.running:
        return False
    return should_restart(pod, container, found.status.exit_code)


def may_restart_all(pod: Pod) -> bool:
    return any(rule.action == _ALL for container in _containers(pod) for rule in container.restart_policy_rules)


def wants_restart_of_all(pod: Pod, observed: ObservedPod, old: PodStatus) -> bool:
    """Whether a container has ended so, or did and not everything has been taken away since."""
    if not may_restart_all(pod):
        return False
    if any(condition.type == RESTARTING and condition.status == "True" for condition in old.conditions):
        return True
    before = {status.name: status for status in (*old.init_container_statuses, *old.container_statuses)}
    return any(_is_to_blame(container, observed, before.get(container.name)) for container in _containers(pod))


def _is_to_blame(container: Container, observed: ObservedPod, before: ContainerStatus | None) -> bool:
    found = observed.newest(container.name)
    if found is None or not found.exited:
        return False
    codes = [found.status.exit_code]
    if before is not None and before.state is not None and before.state.terminated is not None:
        codes.append(before.state.terminated.exit_code)
    return any((rule := _matching(container, code)) is not None and rule.action == _ALL for code in codes)


def condition(pod: Pod, observed: ObservedPod, old: PodStatus, phase: str) -> PodCondition:
    """What is told of a pod that may restart all its containers."""
    if phase in ("Succeeded", "Failed"):
        reason = "PodCompleted" if phase == "Succeeded" else "PodFailed"
        return PodCondition(type=RESTARTING, status="False", reason=reason)
    if not wants_restart_of_all(pod, observed, old) or not _left(pod, observed):
        return PodCondition(type=RESTARTING, status="False")
    return PodCondition(
        type=RESTARTING,
        status="True",
        reason="RestartAllContainersStarted",
        message="container exited with restart policy rule",
    )


@dataclass(frozen=True, slots=True)
class Reset:
    """A container that goes before all begin anew; `kill` says that it may still run."""

    container: ObservedContainer
    kill: bool


def resets(pod: Pod, observed: ObservedPod, status: PodStatus) -> tuple[Reset, ...]:
    """The containers to take away, in their order, where the status says that all are restarted."""
    if not any(one.type == RESTARTING and one.status == "True" for one in status.conditions):
        return ()
    targets: list[Reset] = []
    sources: list[Reset] = []
    for container in (*pod.spec.containers, *pod.spec.init_containers):
        for found in observed.by_name.get(container.name, ()):
            rule = _matching(container, found.status.exit_code) if found.exited else None
            to_blame = rule is not None and rule.action == _ALL
            (sources if to_blame else targets).append(Reset(found, not found.exited))
    return (*targets, *sources)


def restarts_told(status: PodStatus | None, name: str) -> int:
    """How often the status says that the container was restarted, which the runtime may not know any more."""
    known: Iterable[ContainerStatus] = (
        () if status is None else (*status.init_container_statuses, *status.container_statuses)
    )
    return next((one.restart_count for one in known if one.name == name), 0)


def _matching(container: Container, exit_code: int) -> ContainerRestartRule | None:
    for rule in container.restart_policy_rules:
        codes = rule.exit_codes
        if codes is not None and (exit_code in codes.values) == (codes.operator == "In"):
            return rule
    return None


def _containers(pod: Pod) -> Iterable[Container]:
    return (*pod.spec.init_containers, *pod.spec.containers)


def _left(pod: Pod, observed: ObservedPod) -> bool:
    return any(observed.newest(container.name) is not None for container in _containers(pod))
