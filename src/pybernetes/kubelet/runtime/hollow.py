"""A runtime in memory: containers seem to run, so that clusters of thousands of nodes fit in one process.

Guarantees  The same answers as from a real runtime about what exists, in which state and since when. No files, no
            threads, no task per container: a container that ends by itself costs one timer of the event loop.
Assumes     Delays are the event loop's (which may be virtual); wall-clock time is asked of the clock.

How long a container runs is told by its command (`simulation.py`) or by annotations of its pod.
Logs, exec, attach and port-forward answer `NotSupported`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn

from pybernetes.kubelet.runtime.errors import ImageNotPresent, NotFound, NotSupported, RuntimeFailure
from pybernetes.kubelet.runtime.hollow_addresses import PodAddresses
from pybernetes.kubelet.runtime.hollow_images import HollowImages, WallClock
from pybernetes.kubelet.runtime.simulation import Ending, ending_of
from pybernetes.kubelet.runtime.types import (
    Container,
    ContainerConfig,
    ContainerState,
    ContainerStats,
    ContainerStatus,
    ExecResult,
    NamespaceMode,
    Resources,
    RuntimeStatus,
    Sandbox,
    SandboxConfig,
    SandboxState,
    SandboxStatus,
    Version,
)


@dataclass(frozen=True, slots=True)
class Latency:
    """How long things take, in seconds of the event loop."""

    sandbox: float = 0.0
    start: float = 0.0
    stop: float = 0.0
    pull: float = 0.0


@dataclass(slots=True)
class _Sandbox:
    config: SandboxConfig
    value: Sandbox
    ip: str
    containers: dict[str, _Container]


@dataclass(slots=True)
class _Container:
    config: ContainerConfig
    sandbox: _Sandbox
    value: Container
    ending: Ending | None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int = 0
    reason: str = ""
    timer: asyncio.TimerHandle | None = None


class HollowRuntime(HollowImages):
    """`Runtime` for one node. `name` keeps the identifiers of different nodes apart."""

    def __init__(
        self, clock: WallClock, *, name: str = "", pod_cidr: str = "10.244.0.0/24", latency: Latency = Latency()
    ) -> None:
        super().__init__(clock, latency.pull)
        self._name = name
        self._latency = latency
        self._sandboxes: dict[str, _Sandbox] = {}
        self._containers: dict[str, _Container] = {}
        self._by_uid: dict[str, dict[str, _Sandbox]] = {}
        self._handlers: list[Callable[[str], None]] = []
        self._counter = 0
        self._addresses = PodAddresses(pod_cidr)

    @property
    def runs_processes(self) -> bool:
        return False

    def on_change(self, handler: Callable[[str], None]) -> bool:
        self._handlers.append(handler)
        return True

    async def version(self) -> Version:
        return Version("hollow", "1.0.0")

    async def status(self) -> RuntimeStatus:
        return RuntimeStatus()

    async def update_pod_cidr(self, cidr: str) -> None:
        if cidr:
            self._addresses.move(cidr)

    async def close(self) -> None:
        for container in self._containers.values():
            _cancel(container)

    # ---- sandboxes

    async def run_sandbox(self, config: SandboxConfig, *, runtime_handler: str = "") -> str:
        if self._latency.sandbox:
            await asyncio.sleep(self._latency.sandbox)
        identifier = self._identifier()
        on_node = config.security.namespaces.network is NamespaceMode.NODE
        value = Sandbox(
            id=identifier,
            name=config.name,
            namespace=config.namespace,
            uid=config.uid,
            attempt=config.attempt,
            state=SandboxState.READY,
            created_at=self._clock.now(),
            labels=config.labels,
            annotations=config.annotations,
            runtime_handler=runtime_handler,
        )
        sandbox = _Sandbox(config, value, "" if on_node else self._addresses.take(), {})
        self._sandboxes[identifier] = sandbox
        self._by_uid.setdefault(config.uid, {})[identifier] = sandbox
        return identifier

    async def stop_sandbox(self, sandbox_id: str) -> None:
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or sandbox.value.state is SandboxState.NOT_READY:
            return
        for container in sandbox.containers.values():
            if container.value.state is ContainerState.RUNNING:
                self._end(container, exit_code=137, reason="Error")
        sandbox.value = replace(sandbox.value, state=SandboxState.NOT_READY)
        self._addresses.give_back(sandbox.ip)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None:
            return
        await self.stop_sandbox(sandbox_id)
        for identifier in list(sandbox.containers):
            await self.remove_container(identifier)
        del self._sandboxes[sandbox_id]
        of_pod = self._by_uid[sandbox.value.uid]
        del of_pod[sandbox_id]
        if not of_pod:
            del self._by_uid[sandbox.value.uid]

    async def sandbox_status(self, sandbox_id: str) -> SandboxStatus:
        sandbox = self._sandbox("PodSandboxStatus", sandbox_id)
        ready = sandbox.value.state is SandboxState.READY
        return SandboxStatus(
            sandbox=sandbox.value,
            ips=(sandbox.ip,) if ready and sandbox.ip else (),
            namespaces=sandbox.config.security.namespaces,
        )

    async def list_sandboxes(self, *, pod_uid: str | None = None) -> Sequence[Sandbox]:
        return [sandbox.value for sandbox in self._of_pod(pod_uid)]

    # ---- containers

    async def create_container(self, sandbox_id: str, config: ContainerConfig, sandbox: SandboxConfig) -> str:
        owner = self._sandbox("CreateContainer", sandbox_id)
        if owner.value.state is not SandboxState.READY:
            raise RuntimeFailure("CreateContainer", f"sandbox {sandbox_id} is not running")
        image = self._find_image(config.image)
        if image is None:
            raise ImageNotPresent("CreateContainer", f'failed to resolve image "{config.image}": not found')
        identifier = self._identifier()
        value = Container(
            id=identifier,
            sandbox_id=sandbox_id,
            name=config.name,
            attempt=config.attempt,
            state=ContainerState.CREATED,
            created_at=self._clock.now(),
            image=config.user_image or config.image,
            image_ref=image.id,
            labels=config.labels,
            annotations=config.annotations,
        )
        container = _Container(config, owner, value, ending_of(config, sandbox.annotations))
        self._containers[identifier] = container
        owner.containers[identifier] = container
        return identifier

    async def start_container(self, container_id: str) -> None:
        if self._latency.start:
            await asyncio.sleep(self._latency.start)
        container = self._container("StartContainer", container_id)
        if container.value.state is not ContainerState.CREATED:
            raise RuntimeFailure("StartContainer", f"container {container_id} is in {container.value.state.name} state")
        container.value = replace(container.value, state=ContainerState.RUNNING)
        container.started_at = self._clock.now()
        if container.ending is not None:
            loop = asyncio.get_running_loop()
            container.timer = loop.call_later(container.ending.after, self._end_by_itself, container)

    async def stop_container(self, container_id: str, *, grace_period: int) -> None:
        if self._latency.stop and grace_period:
            await asyncio.sleep(min(self._latency.stop, grace_period))
        container = self._containers.get(container_id)
        if container is None or container.value.state is ContainerState.EXITED:
            return
        if grace_period:
            self._end(container, exit_code=0, reason="Completed")
        else:
            self._end(container, exit_code=137, reason="Error")

    async def remove_container(self, container_id: str) -> None:
        container = self._containers.pop(container_id, None)
        if container is not None:
            _cancel(container)
            del container.sandbox.containers[container_id]

    async def container_status(self, container_id: str) -> ContainerStatus:
        container = self._container("ContainerStatus", container_id)
        value, config, sandbox = container.value, container.config, container.sandbox
        return ContainerStatus(
            id=value.id,
            name=value.name,
            attempt=value.attempt,
            state=value.state,
            created_at=value.created_at,
            started_at=container.started_at,
            finished_at=container.finished_at,
            exit_code=container.exit_code,
            reason=container.reason,
            image=value.image,
            image_ref=value.image_ref,
            labels=value.labels,
            annotations=value.annotations,
            mounts=config.mounts,
            log_path=f"{sandbox.config.log_directory}/{config.log_path}",
            resources=config.resources,
        )

    async def list_containers(
        self, *, pod_uid: str | None = None, sandbox_id: str | None = None
    ) -> Sequence[Container]:
        return [
            container.value
            for sandbox in self._of_pod(pod_uid)
            if sandbox_id is None or sandbox.value.id == sandbox_id
            for container in sandbox.containers.values()
        ]

    async def update_resources(self, container_id: str, resources: Resources) -> None:
        container = self._container("UpdateContainerResources", container_id)
        container.config = replace(container.config, resources=resources)

    async def reopen_log(self, container_id: str) -> None:
        self._container("ReopenContainerLog", container_id)

    async def container_stats(self, container_id: str) -> ContainerStats:
        return self._stats(self._container("ContainerStats", container_id))

    async def list_container_stats(self) -> Sequence[ContainerStats]:
        return [self._stats(c) for c in self._containers.values() if c.value.state is ContainerState.RUNNING]

    def _stats(self, container: _Container) -> ContainerStats:
        """A hollow container uses nothing."""
        value = container.value
        return ContainerStats(
            id=value.id,
            name=value.name,
            timestamp=self._clock.now(),
            labels=value.labels,
            annotations=value.annotations,
            cpu_usage_core_nanoseconds=0,
            memory_working_set_bytes=0,
            memory_usage_bytes=0,
        )

    # ---- streams

    async def exec_sync(self, container_id: str, command: Sequence[str], *, timeout: float | None = None) -> ExecResult:
        _nothing_runs("ExecSync")

    async def exec(
        self,
        container_id: str,
        command: Sequence[str],
        *,
        stdin: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        tty: bool = False,
    ) -> NoReturn:
        _nothing_runs("Exec")

    async def attach(
        self, container_id: str, *, stdin: bool = False, stdout: bool = True, stderr: bool = True, tty: bool = False
    ) -> NoReturn:
        _nothing_runs("Attach")

    async def port_forward(self, sandbox_id: str) -> NoReturn:
        _nothing_runs("PortForward")

    # ----

    def kill(self, container_id: str, *, exit_code: int = 137, reason: str = "Error") -> None:
        """End a running container from outside (a fault, an OOM kill), as if it had ended by itself."""
        container = self._container("Kill", container_id)
        if container.value.state is ContainerState.RUNNING:
            container.ending = Ending(0.0, exit_code, reason)
            self._end_by_itself(container)

    def _end_by_itself(self, container: _Container) -> None:
        if container.ending is None:
            return
        self._end(container, exit_code=container.ending.exit_code, reason=container.ending.reason)
        for handler in self._handlers:
            handler(container.sandbox.value.uid)

    def _end(self, container: _Container, *, exit_code: int, reason: str) -> None:
        _cancel(container)
        container.value = replace(container.value, state=ContainerState.EXITED)
        now = self._clock.now()
        container.finished_at = now if container.started_at is None else max(now, container.started_at)
        container.exit_code = exit_code
        container.reason = reason

    def _of_pod(self, pod_uid: str | None) -> Iterator[_Sandbox]:
        of_pod: Mapping[str, _Sandbox] = self._sandboxes if pod_uid is None else self._by_uid.get(pod_uid, {})
        return iter(of_pod.values())

    def _sandbox(self, operation: str, sandbox_id: str) -> _Sandbox:
        if sandbox_id not in self._sandboxes:
            raise NotFound(operation, f'an error occurred when try to find sandbox "{sandbox_id}": not found')
        return self._sandboxes[sandbox_id]

    def _container(self, operation: str, container_id: str) -> _Container:
        if container_id not in self._containers:
            raise NotFound(operation, f'an error occurred when try to find container "{container_id}": not found')
        return self._containers[container_id]

    def _identifier(self) -> str:
        self._counter += 1
        return hashlib.sha256(f"{self._name}/{self._counter}".encode()).hexdigest()


def _cancel(container: _Container) -> None:
    if container.timer is not None:
        container.timer.cancel()
        container.timer = None


def _nothing_runs(operation: str) -> NoReturn:
    raise NotSupported(operation, "this node is hollow: its containers run no processes, so there is nothing to reach")
