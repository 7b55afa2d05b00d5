"""From a pod and a container's name to what the runtime knows: which container is meant, and why there is none.

Messages follow pkg/kubelet/kubelet_pods.go (validateContainerLogStatus) and pkg/kubelet/server/server.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from pybernetes.api.models.core_v1 import Container as ContainerSpec
from pybernetes.api.models.core_v1 import ContainerStatus, EphemeralContainer, Pod
from pybernetes.kubelet.runtime import Container, ContainerState, Runtime, Sandbox, SandboxState

_WAITING = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


class Refusal(Exception):
    """The server answers `code` with the text."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def spec_of(pod: Pod, name: str) -> ContainerSpec | EphemeralContainer:
    spec = pod.spec
    every: Sequence[ContainerSpec | EphemeralContainer] = [
        *spec.containers,
        *spec.init_containers,
        *spec.ephemeral_containers,
    ]
    for container in every:
        if container.name == name:
            return container
    raise Refusal(404, f'container "{name}" not found in pod "{_full_name(pod)}"')


async def running_container(runtime: Runtime, pod: Pod, name: str) -> Container:
    for container in await _attempts(runtime, pod, name):
        if container.state is ContainerState.RUNNING:
            return container
    raise Refusal(500, f'container not found ("{name}")')


async def logged_container(runtime: Runtime, pod: Pod, name: str, *, previous: bool) -> Container:
    """The container whose log is meant: the newest that was started, or the one that ended before it."""
    spec_of(pod, name)
    attempts = [c for c in await _attempts(runtime, pod, name) if c.state is not ContainerState.CREATED]
    status = _status_of(pod, name)
    if not previous:
        if attempts:
            return attempts[0]
        raise Refusal(400, _why_there_is_no_log(pod, name, status))
    ended = [c for c in attempts if c.state is ContainerState.EXITED]
    if ended and ended[0] is attempts[0] and not _waits(status):
        # It has ended and will not be started again: it is the current one, not a previous one.
        ended = ended[1:]
    if not ended:
        raise Refusal(400, f'previous terminated container "{name}" in pod "{pod.metadata.name}" not found')
    return ended[0]


async def pod_sandbox(runtime: Runtime, pod: Pod) -> Sandbox:
    sandboxes = await runtime.list_sandboxes(pod_uid=pod.metadata.uid)
    ready = [sandbox for sandbox in sandboxes if sandbox.state is SandboxState.READY]
    if not ready:
        raise Refusal(500, f'pod not found ("{_full_name(pod)}")')
    return max(ready, key=lambda sandbox: sandbox.attempt)


async def _attempts(runtime: Runtime, pod: Pod, name: str) -> list[Container]:
    """The container's runs that the runtime still knows, newest first."""
    containers = [c for c in await runtime.list_containers(pod_uid=pod.metadata.uid) if c.name == name]
    return sorted(containers, key=lambda c: (c.created_at, c.attempt), reverse=True)


def _status_of(pod: Pod, name: str) -> ContainerStatus | None:
    status = pod.status
    every = [*status.container_statuses, *status.init_container_statuses, *status.ephemeral_container_statuses]
    return next((s for s in every if s.name == name), None)


def _waits(status: ContainerStatus | None) -> bool:
    return status is not None and status.state.waiting is not None


def _why_there_is_no_log(pod: Pod, name: str, status: ContainerStatus | None) -> str:
    who = f'container "{name}" in pod "{pod.metadata.name}"'
    if status is None:
        return f"{who} is not available"
    if status.state.waiting is not None:
        reason = status.state.waiting.reason
        return f"{who} is waiting to start: {_WAITING.get(reason, reason)}"
    if status.state.terminated is not None:
        return f"{who} is terminated"
    return f"{who} is not available"


def _full_name(pod: Pod) -> str:
    return f"{pod.metadata.name}_{pod.metadata.namespace}"
