"""What the kubelet asks of a container runtime, and nothing else: the `Runtime` Protocol.

Guarantees (of every implementation)
  A sandbox or container that a call has returned is listed by the next `list_*`; identifiers are never reused.
  `stop_*` and `remove_*` of what is already stopped or gone succeed.
  Everything reported about a container comes from the runtime: labels and annotations given at creation come back
  as they were, so that a kubelet which restarts recognises its containers (see `labels.py`).
  A failure is a `RuntimeFailure` that names the operation; a subclass says what kind it was.
Assumptions
  One kubelet per runtime. Times are UTC. Container streams are bytes.

Implementations: `cri.CriRuntime` (containerd, or any CRI v1 runtime), `hollow.HollowRuntime` (nothing runs).
Follows the Container Runtime Interface v1.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from pybernetes.kubelet.runtime.errors import (
    ExecTimeout,
    ImageNotPresent,
    InvalidImageName,
    NotFound,
    NotSupported,
    PullFailed,
    RuntimeFailure,
    Unavailable,
)
from pybernetes.kubelet.runtime.types import (
    Capabilities,
    Container,
    ContainerConfig,
    ContainerSecurity,
    ContainerState,
    ContainerStats,
    ContainerStatus,
    ContainerUser,
    Credentials,
    Device,
    DnsConfig,
    ExecResult,
    ExitStatus,
    FilesystemMount,
    FilesystemUsage,
    HugepageLimit,
    Image,
    Mount,
    MountPropagation,
    NamespaceMode,
    NamespaceOptions,
    Output,
    PortMapping,
    Resources,
    RuntimeHandler,
    RuntimeStatus,
    Sandbox,
    SandboxConfig,
    SandboxSecurity,
    SandboxState,
    SandboxStatus,
    SeccompProfile,
    SELinuxOptions,
    Stream,
    Version,
)


class Session(Protocol):
    """A running exec or attach: bytes out, bytes in, terminal size, and how it ended.

    `output()` is read by one reader and ends when the command has closed its streams. `status()` is known after that.
    Closing the session ends our side only: an attached container runs on, an exec'd command gets its stdin closed.
    """

    def output(self) -> AsyncIterator[Output]: ...
    async def write(self, data: bytes) -> None: ...
    async def close_stdin(self) -> None: ...
    async def resize(self, width: int, height: int) -> None: ...
    async def status(self) -> ExitStatus: ...
    async def close(self) -> None: ...


class Connection(Protocol):
    """One TCP connection into a sandbox. `read()` answers b"" at the end; `error()` is "" when all went well."""

    async def read(self) -> bytes: ...
    async def write(self, data: bytes) -> None: ...
    async def close_write(self) -> None: ...
    async def error(self) -> str: ...
    async def close(self) -> None: ...


class PortForward(Protocol):
    """Connections to the ports of one sandbox's network, as many at once as are asked for."""

    async def connect(self, port: int) -> Connection: ...
    async def close(self) -> None: ...


class Runtime(Protocol):
    """Sandboxes, containers, images, and streams into them.

    `runs_processes` is False where containers only seem to run: then probes, hooks and volumes' files make no sense.
    `on_change` asks to be told the uid of a pod of which a container has ended; it answers False when this runtime
    cannot tell. Telling is a matter of speed: who must know all lists from time to time.
    """

    @property
    def runs_processes(self) -> bool: ...
    def on_change(self, handler: Callable[[str], None]) -> bool: ...

    async def version(self) -> Version: ...
    async def status(self) -> RuntimeStatus: ...
    async def update_pod_cidr(self, cidr: str) -> None: ...

    # Sandboxes: what the containers of a pod share (network, IPC, hostname, cgroup parent).
    async def run_sandbox(self, config: SandboxConfig, *, runtime_handler: str = "") -> str: ...
    async def stop_sandbox(self, sandbox_id: str) -> None: ...
    async def remove_sandbox(self, sandbox_id: str) -> None: ...
    async def sandbox_status(self, sandbox_id: str) -> SandboxStatus: ...
    async def list_sandboxes(self, *, pod_uid: str | None = None) -> Sequence[Sandbox]: ...

    # Containers. `image` in the configuration is the image's id as `image_status` gave it (or a reference).
    async def create_container(self, sandbox_id: str, config: ContainerConfig, sandbox: SandboxConfig) -> str: ...
    async def start_container(self, container_id: str) -> None: ...
    async def stop_container(self, container_id: str, *, grace_period: int) -> None: ...
    async def remove_container(self, container_id: str) -> None: ...
    async def container_status(self, container_id: str) -> ContainerStatus: ...
    async def list_containers(
        self, *, pod_uid: str | None = None, sandbox_id: str | None = None
    ) -> Sequence[Container]: ...
    async def update_resources(self, container_id: str, resources: Resources) -> None: ...
    async def reopen_log(self, container_id: str) -> None: ...
    async def container_stats(self, container_id: str) -> ContainerStats: ...
    async def list_container_stats(self) -> Sequence[ContainerStats]: ...

    # Images. `image_status` answers None when the image is absent.
    async def image_status(self, image: str) -> Image | None: ...
    async def list_images(self) -> Sequence[Image]: ...
    async def pull_image(
        self, image: str, *, credentials: Credentials | None = None, sandbox: SandboxConfig | None = None
    ) -> str: ...
    async def remove_image(self, image: str) -> None: ...
    async def image_filesystem(self) -> Sequence[FilesystemUsage]: ...

    # The files of an image, to be mounted as a volume of a pod; they are kept until the pod's are released.
    async def view_image(self, image: str, pod_uid: str, name: str) -> FilesystemMount: ...
    async def release_images(self, pod_uid: str) -> None: ...

    # Streams. `exec_sync` raises `ExecTimeout`; `timeout` is in seconds, None is no limit.
    async def exec_sync(
        self, container_id: str, command: Sequence[str], *, timeout: float | None = None
    ) -> ExecResult: ...
    async def exec(
        self,
        container_id: str,
        command: Sequence[str],
        *,
        stdin: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        tty: bool = False,
    ) -> Session: ...
    async def attach(
        self, container_id: str, *, stdin: bool = False, stdout: bool = True, stderr: bool = True, tty: bool = False
    ) -> Session: ...
    async def port_forward(self, sandbox_id: str) -> PortForward: ...

    async def close(self) -> None: ...


__all__ = [
    "Capabilities",
    "Connection",
    "Container",
    "ContainerConfig",
    "ContainerSecurity",
    "ContainerState",
    "ContainerStats",
    "ContainerStatus",
    "ContainerUser",
    "Credentials",
    "Device",
    "DnsConfig",
    "ExecResult",
    "ExecTimeout",
    "ExitStatus",
    "FilesystemMount",
    "FilesystemUsage",
    "HugepageLimit",
    "Image",
    "ImageNotPresent",
    "InvalidImageName",
    "Mount",
    "MountPropagation",
    "NamespaceMode",
    "NamespaceOptions",
    "NotFound",
    "NotSupported",
    "Output",
    "PortForward",
    "PortMapping",
    "PullFailed",
    "Resources",
    "Runtime",
    "RuntimeFailure",
    "RuntimeHandler",
    "RuntimeStatus",
    "SELinuxOptions",
    "Sandbox",
    "SandboxConfig",
    "SandboxSecurity",
    "SandboxState",
    "SandboxStatus",
    "SeccompProfile",
    "Session",
    "Stream",
    "Unavailable",
    "Version",
]
