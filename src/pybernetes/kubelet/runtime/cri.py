"""The runtime behind a Container Runtime Interface v1 socket: containerd, or any other that speaks it.

Guarantees  Every call ends: it has a deadline, except pulling an image. gRPC's errors become `RuntimeFailure`s.
            Calls may be made at any time; while the runtime is away they raise `Unavailable`, and work again after.
Assumes     The streaming server that the runtime names in its answers can be reached from this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
import grpc.aio

from pybernetes.kubelet.runtime import (
    Container,
    ContainerConfig,
    ContainerState,
    ContainerStats,
    ContainerStatus,
    Credentials,
    ExecResult,
    ExecTimeout,
    FilesystemMount,
    FilesystemUsage,
    Image,
    ImageNotPresent,
    InvalidImageName,
    NotFound,
    NotSupported,
    PortForward,
    PullFailed,
    Resources,
    RuntimeFailure,
    RuntimeStatus,
    Sandbox,
    SandboxConfig,
    SandboxState,
    SandboxStatus,
    Session,
    Unavailable,
    Version,
    cri_convert,
)
from pybernetes.kubelet.runtime import cri_v1_pb2 as pb
from pybernetes.kubelet.runtime.cri_events import ContainerEvents
from pybernetes.kubelet.runtime.cri_v1_pb2_grpc import ImageServiceStub, RuntimeServiceStub
from pybernetes.kubelet.runtime.image_views import ImageViews, chain_of, snapshotter_of
from pybernetes.kubelet.runtime.labels import POD_UID
from pybernetes.kubelet.streaming import cri_streams

_Answer = TypeVar("_Answer")

REQUEST_TIMEOUT = 120.0
_MAX_MESSAGE = 16 * 1024 * 1024
_OPTIONS = (
    ("grpc.max_receive_message_length", _MAX_MESSAGE),
    ("grpc.max_send_message_length", _MAX_MESSAGE),
    # The default back-off grows to two minutes: too long to notice that a local runtime is back.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
)
_ERRORS: dict[grpc.StatusCode, type[RuntimeFailure]] = {
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.UNIMPLEMENTED: NotSupported,
}


class CriRuntime:
    """`Runtime` over the unix socket at `socket`. Make it inside a running event loop."""

    def __init__(self, socket: Path, *, request_timeout: float = REQUEST_TIMEOUT) -> None:
        self._channel = grpc.aio.insecure_channel(f"unix://{socket}", options=_OPTIONS)
        self._runtime: Any = RuntimeServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._images: Any = ImageServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._views = ImageViews(self._channel)
        self._timeout = request_timeout
        self._events = ContainerEvents(self._channel, self._ended_pod, self._running_pods)

    async def close(self) -> None:
        await self._events.close()
        await self._channel.close()

    @property
    def runs_processes(self) -> bool:
        return True

    def on_change(self, handler: Callable[[str], None]) -> bool:
        """True, but listing is still needed: events are lost while the daemon is away."""
        self._events.on_end(handler)
        return True

    async def _running_pods(self) -> dict[str, str]:
        containers = await self.list_containers()
        return {c.id: c.labels.get(POD_UID, "") for c in containers if c.state is ContainerState.RUNNING}

    async def _ended_pod(self, identifier: str) -> str | None:
        """The pod of a container or sandbox, if that has ended."""
        try:
            status = await self.container_status(identifier)
            return status.labels.get(POD_UID) if status.state is ContainerState.EXITED else None
        except NotFound:
            pass
        except RuntimeFailure:
            return None
        try:
            sandbox = (await self.sandbox_status(identifier)).sandbox
            return sandbox.uid if sandbox.state is SandboxState.NOT_READY else None
        except RuntimeFailure:
            return None

    # ---- runtime

    async def version(self) -> Version:
        answer = await self._call("Version", self._runtime.Version, pb.VersionRequest(version="v1"))
        return Version(answer.runtime_name, answer.runtime_version, answer.runtime_api_version)

    async def status(self) -> RuntimeStatus:
        answer = await self._call("Status", self._runtime.Status, pb.StatusRequest())
        return cri_convert.runtime_status(answer)

    async def update_pod_cidr(self, cidr: str) -> None:
        config = pb.RuntimeConfig(network_config=pb.NetworkConfig(pod_cidr=cidr))
        request = pb.UpdateRuntimeConfigRequest(runtime_config=config)
        await self._call("UpdateRuntimeConfig", self._runtime.UpdateRuntimeConfig, request)

    # ---- sandboxes

    async def run_sandbox(self, config: SandboxConfig, *, runtime_handler: str = "") -> str:
        if config.log_directory:
            await asyncio.to_thread(Path(config.log_directory).mkdir, mode=0o755, parents=True, exist_ok=True)
        request = pb.RunPodSandboxRequest(config=cri_convert.sandbox_config(config), runtime_handler=runtime_handler)
        answer = await self._call("RunPodSandbox", self._runtime.RunPodSandbox, request, timeout=2 * self._timeout)
        return str(answer.pod_sandbox_id)

    async def stop_sandbox(self, sandbox_id: str) -> None:
        request = pb.StopPodSandboxRequest(pod_sandbox_id=sandbox_id)
        await _gone_is_fine(self._call("StopPodSandbox", self._runtime.StopPodSandbox, request))

    async def remove_sandbox(self, sandbox_id: str) -> None:
        request = pb.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id)
        await _gone_is_fine(self._call("RemovePodSandbox", self._runtime.RemovePodSandbox, request))

    async def sandbox_status(self, sandbox_id: str) -> SandboxStatus:
        request = pb.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id)
        answer = await self._call("PodSandboxStatus", self._runtime.PodSandboxStatus, request)
        return cri_convert.sandbox_status(answer.status)

    async def list_sandboxes(self, *, pod_uid: str | None = None) -> Sequence[Sandbox]:
        filter_ = pb.PodSandboxFilter(label_selector=_by_uid(pod_uid))
        request = pb.ListPodSandboxRequest(filter=filter_)
        answer = await self._call("ListPodSandbox", self._runtime.ListPodSandbox, request)
        return [cri_convert.sandbox(item) for item in answer.items]

    # ---- containers

    async def create_container(self, sandbox_id: str, config: ContainerConfig, sandbox: SandboxConfig) -> str:
        if config.log_path and sandbox.log_directory:
            folder = (Path(sandbox.log_directory) / config.log_path).parent
            await asyncio.to_thread(folder.mkdir, mode=0o755, parents=True, exist_ok=True)
        request = pb.CreateContainerRequest(
            pod_sandbox_id=sandbox_id,
            config=cri_convert.container_config(config),
            sandbox_config=cri_convert.sandbox_config(sandbox),
        )
        try:
            answer = await self._call("CreateContainer", self._runtime.CreateContainer, request)
        except NotFound as failure:
            if "image" in failure.message:
                raise ImageNotPresent(failure.operation, failure.message) from failure
            raise
        return str(answer.container_id)

    async def start_container(self, container_id: str) -> None:
        request = pb.StartContainerRequest(container_id=container_id)
        await self._call("StartContainer", self._runtime.StartContainer, request)

    async def stop_container(self, container_id: str, *, grace_period: int) -> None:
        request = pb.StopContainerRequest(container_id=container_id, timeout=grace_period)
        timeout = self._timeout + grace_period
        await _gone_is_fine(self._call("StopContainer", self._runtime.StopContainer, request, timeout=timeout))

    async def remove_container(self, container_id: str) -> None:
        request = pb.RemoveContainerRequest(container_id=container_id)
        await _gone_is_fine(self._call("RemoveContainer", self._runtime.RemoveContainer, request))

    async def container_status(self, container_id: str) -> ContainerStatus:
        request = pb.ContainerStatusRequest(container_id=container_id)
        answer = await self._call("ContainerStatus", self._runtime.ContainerStatus, request)
        return cri_convert.container_status(answer.status)

    async def list_containers(
        self, *, pod_uid: str | None = None, sandbox_id: str | None = None
    ) -> Sequence[Container]:
        filter_ = pb.ContainerFilter(pod_sandbox_id=sandbox_id or "", label_selector=_by_uid(pod_uid))
        request = pb.ListContainersRequest(filter=filter_)
        answer = await self._call("ListContainers", self._runtime.ListContainers, request)
        return [cri_convert.container(item) for item in answer.containers]

    async def update_resources(self, container_id: str, resources: Resources) -> None:
        request = pb.UpdateContainerResourcesRequest(container_id=container_id, linux=cri_convert.resources(resources))
        await self._call("UpdateContainerResources", self._runtime.UpdateContainerResources, request)

    async def reopen_log(self, container_id: str) -> None:
        request = pb.ReopenContainerLogRequest(container_id=container_id)
        await self._call("ReopenContainerLog", self._runtime.ReopenContainerLog, request)

    async def container_stats(self, container_id: str) -> ContainerStats:
        request = pb.ContainerStatsRequest(container_id=container_id)
        answer = await self._call("ContainerStats", self._runtime.ContainerStats, request)
        return cri_convert.container_stats(answer.stats)

    async def list_container_stats(self) -> Sequence[ContainerStats]:
        answer = await self._call(
            "ListContainerStats", self._runtime.ListContainerStats, pb.ListContainerStatsRequest()
        )
        return [cri_convert.container_stats(item) for item in answer.stats]

    # ---- images

    async def image_status(self, image: str) -> Image | None:
        request = pb.ImageStatusRequest(image=cri_convert.image_spec(image))
        answer = await self._call("ImageStatus", self._images.ImageStatus, request)
        return cri_convert.image(answer.image) if answer.HasField("image") else None

    async def list_images(self) -> Sequence[Image]:
        answer = await self._call("ListImages", self._images.ListImages, pb.ListImagesRequest())
        return [cri_convert.image(item) for item in answer.images]

    async def pull_image(
        self, image: str, *, credentials: Credentials | None = None, sandbox: SandboxConfig | None = None
    ) -> str:
        request = pb.PullImageRequest(image=cri_convert.image_spec(image))
        if credentials is not None:
            request.auth.CopyFrom(cri_convert.credentials(credentials))
        if sandbox is not None:
            request.sandbox_config.CopyFrom(cri_convert.sandbox_config(sandbox))
        try:
            answer = await self._call("PullImage", self._images.PullImage, request, timeout=None)
        except Unavailable:
            raise
        except RuntimeFailure as failure:
            invalid = "invalid reference" in failure.message or "failed to parse image reference" in failure.message
            kind = InvalidImageName if invalid else PullFailed
            raise kind(failure.operation, failure.message) from failure
        return str(answer.image_ref)

    async def remove_image(self, image: str) -> None:
        request = pb.RemoveImageRequest(image=cri_convert.image_spec(image))
        await _gone_is_fine(self._call("RemoveImage", self._images.RemoveImage, request))

    async def image_filesystem(self) -> Sequence[FilesystemUsage]:
        answer = await self._call("ImageFsInfo", self._images.ImageFsInfo, pb.ImageFsInfoRequest())
        return [cri_convert.filesystem(item) for item in answer.image_filesystems]

    async def view_image(self, image: str, pod_uid: str, name: str) -> FilesystemMount:
        request = pb.ImageStatusRequest(image=cri_convert.image_spec(image), verbose=True)
        answer = await self._call("ImageStatus", self._images.ImageStatus, request)
        if not answer.HasField("image"):
            raise ImageNotPresent("ImageStatus", f'image "{image}" is not present')
        chain = chain_of(answer.info.get("info", ""))
        with _translated("View"):
            return await self._views.view(await self._snapshotter(), chain, pod_uid, name)

    async def release_images(self, pod_uid: str) -> None:
        with _translated("Remove"):
            await self._views.release(await self._snapshotter(), pod_uid)

    async def _snapshotter(self) -> str:
        filesystems = await self.image_filesystem()
        return snapshotter_of(filesystems[0].mountpoint if filesystems else "")

    # ---- streams

    async def exec_sync(self, container_id: str, command: Sequence[str], *, timeout: float | None = None) -> ExecResult:
        # The interface counts whole seconds, and zero is "no limit".
        seconds = 0 if timeout is None else max(1, round(timeout))
        request = pb.ExecSyncRequest(container_id=container_id, cmd=command, timeout=seconds)
        deadline = None if timeout is None else timeout + self._timeout
        try:
            answer = await self._call("ExecSync", self._runtime.ExecSync, request, timeout=deadline)
        except RuntimeFailure as failure:
            if timeout is not None and "timeout" in failure.message:
                raise ExecTimeout(failure.operation, f"command timed out after {seconds}s") from failure
            raise
        return ExecResult(answer.stdout, answer.stderr, answer.exit_code)

    async def exec(
        self,
        container_id: str,
        command: Sequence[str],
        *,
        stdin: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        tty: bool = False,
    ) -> Session:
        wanted = cri_streams.Wanted(stdin=stdin, stdout=stdout, stderr=stderr and not tty, tty=tty)
        request = pb.ExecRequest(
            container_id=container_id,
            cmd=command,
            tty=tty,
            stdin=stdin,
            stdout=stdout,
            stderr=wanted.stderr,
        )
        answer = await self._call("Exec", self._runtime.Exec, request)
        return await cri_streams.open_session("Exec", answer.url, wanted)

    async def attach(
        self, container_id: str, *, stdin: bool = False, stdout: bool = True, stderr: bool = True, tty: bool = False
    ) -> Session:
        wanted = cri_streams.Wanted(stdin=stdin, stdout=stdout, stderr=stderr and not tty, tty=tty)
        request = pb.AttachRequest(container_id=container_id, tty=tty, stdin=stdin, stdout=stdout, stderr=wanted.stderr)
        answer = await self._call("Attach", self._runtime.Attach, request)
        return await cri_streams.open_session("Attach", answer.url, wanted)

    async def port_forward(self, sandbox_id: str) -> PortForward:
        request = pb.PortForwardRequest(pod_sandbox_id=sandbox_id)
        answer = await self._call("PortForward", self._runtime.PortForward, request)
        return await cri_streams.open_port_forward(answer.url)

    # ----

    async def _call(
        self, operation: str, method: Callable[..., Awaitable[Any]], request: Any, *, timeout: float | None = -1.0
    ) -> Any:
        with _translated(operation):
            return await method(request, timeout=self._timeout if timeout == -1.0 else timeout)


@contextmanager
def _translated(operation: str) -> Iterator[None]:
    """gRPC's errors as failures of the operation."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        message = error.details() or error.code().name
        # containerd listens before its CRI service is ready, and then answers with the code UNKNOWN.
        starting = "server is not initialized yet" in message
        kind = Unavailable if starting else _ERRORS.get(error.code(), RuntimeFailure)
        raise kind(operation, message) from error


def _by_uid(pod_uid: str | None) -> dict[str, str]:
    return {} if pod_uid is None else {POD_UID: pod_uid}


async def _gone_is_fine(call: Awaitable[_Answer]) -> _Answer | None:
    try:
        return await call
    except NotFound:
        return None
