"""What the runtime says about one pod, as one frozen value.

Guarantees  Sandboxes and containers are newest first. Nothing in here comes from the API: a kubelet that has just
            started knows as much as one that has run for days.
Follows     pkg/kubelet/container/runtime.go (PodStatus).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from .runtime import Container, ContainerState, ContainerStatus, SandboxState, SandboxStatus
from .runtime.labels import RESTART_COUNT


@dataclass(frozen=True, slots=True)
class ObservedContainer:
    """A container and the sandbox that it was made in."""

    status: ContainerStatus
    sandbox_id: str

    @property
    def id(self) -> str:
        return self.status.id

    @property
    def name(self) -> str:
        return self.status.name

    @property
    def running(self) -> bool:
        return self.status.state is ContainerState.RUNNING

    @property
    def exited(self) -> bool:
        return self.status.state is ContainerState.EXITED

    @property
    def succeeded(self) -> bool:
        return self.exited and self.status.exit_code == 0

    @property
    def restart_count(self) -> int:
        text = self.status.annotations.get(RESTART_COUNT, "")
        return int(text) if text.isdigit() else self.status.attempt


@dataclass(frozen=True, slots=True)
class ObservedPod:
    uid: str
    name: str = ""
    namespace: str = ""
    sandboxes: tuple[SandboxStatus, ...] = ()
    containers: tuple[ObservedContainer, ...] = ()
    by_name: dict[str, tuple[ObservedContainer, ...]] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        index: dict[str, list[ObservedContainer]] = {}
        for container in self.containers:
            index.setdefault(container.name, []).append(container)
        object.__setattr__(self, "by_name", {name: tuple(found) for name, found in index.items()})

    @property
    def sandbox(self) -> SandboxStatus | None:
        """The newest sandbox, ready or not."""
        return self.sandboxes[0] if self.sandboxes else None

    @property
    def ready_sandbox(self) -> SandboxStatus | None:
        newest = self.sandbox
        return newest if newest is not None and newest.sandbox.state is SandboxState.READY else None

    @property
    def ips(self) -> tuple[str, ...]:
        return self.ready_sandbox.ips if self.ready_sandbox is not None else ()

    @property
    def handler(self) -> str:
        """The runtime's handler that the pod was made with, "" for the default."""
        return self.sandbox.sandbox.runtime_handler if self.sandbox is not None else ""

    def newest(self, name: str) -> ObservedContainer | None:
        found = self.by_name.get(name)
        return found[0] if found else None

    def newest_in(self, sandbox_id: str, name: str) -> ObservedContainer | None:
        return next((found for found in self.by_name.get(name, ()) if found.sandbox_id == sandbox_id), None)

    @property
    def running(self) -> tuple[ObservedContainer, ...]:
        return tuple(container for container in self.containers if container.running)

    @property
    def alive(self) -> bool:
        """Whether anything of the pod may still run."""
        return bool(self.running) or any(s.sandbox.state is SandboxState.READY for s in self.sandboxes)

    def tells_more_than(self, before: ObservedPod) -> bool:
        """Whether there is any news besides that dead containers and sandboxes were removed."""
        new = any(one not in before.containers for one in self.containers)
        new = new or any(one not in before.sandboxes for one in self.sandboxes)
        lost = any(not one.exited and one not in self.containers for one in before.containers)
        ready = (one for one in before.sandboxes if one.sandbox.state is SandboxState.READY)
        return new or lost or any(one not in self.sandboxes for one in ready)


def assemble(
    uid: str, sandboxes: Sequence[SandboxStatus], containers: Sequence[tuple[Container, ContainerStatus]]
) -> ObservedPod:
    def sandbox_age(status: SandboxStatus) -> tuple[int, datetime]:
        return status.sandbox.attempt, status.sandbox.created_at

    def container_age(container: ObservedContainer) -> tuple[int, datetime]:
        return container.restart_count, container.status.created_at

    newest = sorted(sandboxes, key=sandbox_age, reverse=True)
    observed = [ObservedContainer(status, container.sandbox_id) for container, status in containers]
    identity = newest[0].sandbox if newest else None
    return ObservedPod(
        uid,
        identity.name if identity else "",
        identity.namespace if identity else "",
        tuple(newest),
        tuple(sorted(observed, key=container_age, reverse=True)),
    )
