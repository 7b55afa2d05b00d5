"""Builders for what a runtime might report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pybernetes.api.models.core_v1 import Container, Pod
from pybernetes.kubelet.observed import ObservedContainer, ObservedPod
from pybernetes.kubelet.plan import container_hash
from pybernetes.kubelet.runtime import ContainerState, ContainerStatus, Sandbox, SandboxState, SandboxStatus
from pybernetes.kubelet.runtime.labels import CONTAINER_HASH, RESTART_COUNT

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def sandbox(
    identifier: str = "s0", attempt: int = 0, ready: bool = True, ips: tuple[str, ...] = ("10.1.1.1",)
) -> SandboxStatus:
    state = SandboxState.READY if ready else SandboxState.NOT_READY
    return SandboxStatus(Sandbox(identifier, "pod", "default", "uid", attempt, state, NOW), ips if ready else ())


def seen(
    name: str,
    state: ContainerState = ContainerState.RUNNING,
    *,
    exit_code: int = 0,
    restarts: int = 0,
    ended: float = 0,
    sandbox_id: str = "s0",
    image: str = "busybox",
    **more: Any,
) -> ObservedContainer:
    """A container as the runtime reports it; `ended` is how many seconds ago it ended."""
    spec = Container(name=name, image=image)
    finished = NOW - timedelta(seconds=ended) if state is ContainerState.EXITED else None
    status = ContainerStatus(
        id=f"{name}-{restarts}",
        name=name,
        attempt=restarts,
        state=state,
        created_at=NOW - timedelta(minutes=1) + timedelta(seconds=restarts),
        started_at=NOW - timedelta(minutes=1),
        finished_at=finished,
        exit_code=exit_code,
        annotations={RESTART_COUNT: str(restarts), CONTAINER_HASH: container_hash(spec)},
        **more,
    )
    return ObservedContainer(status, sandbox_id)


def exited(name: str, exit_code: int = 0, **more: Any) -> ObservedContainer:
    return seen(name, ContainerState.EXITED, exit_code=exit_code, **more)


def observed(*containers: ObservedContainer, sandboxes: tuple[SandboxStatus, ...] | None = None) -> ObservedPod:
    ordered = sorted(containers, key=lambda c: c.restart_count, reverse=True)
    return ObservedPod("uid", "pod", "default", (sandbox(),) if sandboxes is None else sandboxes, tuple(ordered))


def declared(*names: str, init: tuple[Container, ...] = (), **spec: Any) -> Pod:
    made = Pod()
    made.metadata.name, made.metadata.namespace, made.metadata.uid = "pod", "default", "uid"
    made.spec.containers = [Container(name=name, image="busybox") for name in names or ("main",)]
    made.spec.init_containers = list(init)
    made.spec.restart_policy = spec.pop("restart_policy", "Always")
    for field, value in spec.items():
        setattr(made.spec, field, value)
    return made


def first(name: str, **more: Any) -> Container:
    return Container(name=name, image="busybox", **more)


def sidecar(name: str) -> Container:
    return Container(name=name, image="busybox", restart_policy="Always")
