"""The CRI client, against a runtime played over gRPC on a unix socket."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from pybernetes.kubelet.runtime import (
    Capabilities,
    ContainerConfig,
    ContainerSecurity,
    ContainerUser,
    Credentials,
    Device,
    DnsConfig,
    HugepageLimit,
    ImageNotPresent,
    InvalidImageName,
    Mount,
    MountPropagation,
    NamespaceMode,
    NamespaceOptions,
    NotFound,
    NotSupported,
    PortMapping,
    PullFailed,
    Resources,
    RuntimeFailure,
    RuntimeHandler,
    SandboxConfig,
    SandboxSecurity,
    SeccompProfile,
    SELinuxOptions,
    Unavailable,
    cri_convert,
)
from pybernetes.kubelet.runtime import cri_v1_pb2 as pb
from pybernetes.kubelet.runtime.cri import CriRuntime
from pybernetes.kubelet.runtime.cri_v1_pb2_grpc import (
    ImageServiceServicer,
    RuntimeServiceServicer,
    add_ImageServiceServicer_to_server,
    add_RuntimeServiceServicer_to_server,
)
from pybernetes.kubelet.runtime.labels import POD_UID


@dataclass
class Played(RuntimeServiceServicer, ImageServiceServicer):  # type: ignore[misc]
    """Answers with `failure` when there is one, else with what the tests put here."""

    failure: tuple[grpc.StatusCode, str] | None = None
    containers: list[pb.Container] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)
    listed: asyncio.Event = field(default_factory=asyncio.Event)

    async def _answer(self, request: Any, context: Any, answer: Any) -> Any:
        self.asked.append(request)
        if self.failure is not None:
            await context.abort(*self.failure)
        return answer

    async def Version(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, pb.VersionResponse(runtime_name="played", runtime_version="1.2"))

    async def Status(self, request: Any, context: Any) -> Any:
        conditions = [
            pb.RuntimeCondition(type="RuntimeReady", status=True),
            pb.RuntimeCondition(type="NetworkReady", status=False, reason="NetworkPluginNotReady", message="no cni"),
        ]
        return await self._answer(request, context, pb.StatusResponse(status=pb.RuntimeStatus(conditions=conditions)))

    async def StopContainer(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, pb.StopContainerResponse())

    async def ListContainers(self, request: Any, context: Any) -> Any:
        self.listed.set()
        return await self._answer(request, context, pb.ListContainersResponse(containers=self.containers))

    async def CreateContainer(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, pb.CreateContainerResponse(container_id="made"))

    async def PullImage(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, pb.PullImageResponse(image_ref="sha256:1"))

    async def ImageStatus(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, pb.ImageStatusResponse())


@asynccontextmanager
async def played() -> AsyncIterator[tuple[Played, CriRuntime]]:
    answers = Played()
    with tempfile.TemporaryDirectory() as directory:
        socket = Path(directory) / "cri.sock"
        server = grpc.aio.server()
        add_RuntimeServiceServicer_to_server(answers, server)  # type: ignore[no-untyped-call]
        add_ImageServiceServicer_to_server(answers, server)  # type: ignore[no-untyped-call]
        server.add_insecure_port(f"unix://{socket}")
        await server.start()
        runtime = CriRuntime(socket)
        try:
            yield answers, runtime
        finally:
            await runtime.close()
            await server.stop(None)


async def test_version_and_conditions_are_understood() -> None:
    async with played() as (_, runtime):
        assert (await runtime.version()).reported == "played://1.2"
        status = await runtime.status()
        assert not status.ready
        assert (status.runtime_problem, status.network_problem) == ("", "NetworkPluginNotReady: no cni")


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (grpc.StatusCode.NOT_FOUND, "no such", NotFound),
        (grpc.StatusCode.UNAVAILABLE, "away", Unavailable),
        (grpc.StatusCode.UNKNOWN, "server is not initialized yet", Unavailable),
        (grpc.StatusCode.UNIMPLEMENTED, "never", NotSupported),
        (grpc.StatusCode.UNKNOWN, "broken", RuntimeFailure),
    ],
)
async def test_failures_have_a_type_and_name_the_operation(
    code: grpc.StatusCode, message: str, kind: type[RuntimeFailure]
) -> None:
    async with played() as (answers, runtime):
        answers.failure = (code, message)
        with pytest.raises(RuntimeFailure) as caught:
            await runtime.version()
        assert type(caught.value) is kind
        assert str(caught.value) == f"Version: {message}"


async def test_a_socket_where_nobody_listens_is_a_runtime_that_is_away(tmp_path: Path) -> None:
    runtime = CriRuntime(tmp_path / "nobody.sock")
    with pytest.raises(Unavailable):
        await runtime.version()
    await runtime.close()


async def test_stopping_what_is_gone_succeeds() -> None:
    async with played() as (answers, runtime):
        answers.failure = (grpc.StatusCode.NOT_FOUND, "gone")
        await runtime.stop_container("x", grace_period=1)
        assert answers.asked[0].timeout == 1


async def test_failures_about_images_are_told_apart() -> None:
    async with played() as (answers, runtime):
        assert await runtime.image_status("busybox") is None
        answers.failure = (grpc.StatusCode.NOT_FOUND, 'failed to resolve image "x": not found')
        with pytest.raises(ImageNotPresent):
            await runtime.create_container("s", ContainerConfig("c", "x"), SandboxConfig("p", "n", "u"))
        answers.failure = (grpc.StatusCode.NOT_FOUND, "sandbox not found")
        with pytest.raises(NotFound) as caught:
            await runtime.create_container("s", ContainerConfig("c", "x"), SandboxConfig("p", "n", "u"))
        assert type(caught.value) is NotFound
        answers.failure = (grpc.StatusCode.UNKNOWN, "failed to pull: 401 Unauthorized")
        with pytest.raises(PullFailed):
            await runtime.pull_image("x", credentials=Credentials(username="u", password="p"))
        assert (answers.asked[-1].auth.username, answers.asked[-1].auth.password) == ("u", "p")
        answers.failure = (grpc.StatusCode.UNKNOWN, "failed to parse image reference: invalid reference format")
        with pytest.raises(InvalidImageName):
            await runtime.pull_image("X!")


def _container(identifier: str, uid: str) -> pb.Container:
    return pb.Container(id=identifier, state=pb.CONTAINER_RUNNING, labels={POD_UID: uid})


async def test_a_runtime_without_events_is_listed_instead() -> None:
    async with played() as (answers, runtime):
        answers.containers = [_container("a", "uid-a"), _container("b", "uid-b")]
        told: asyncio.Queue[str] = asyncio.Queue()
        assert runtime.on_change(told.put_nowait)
        await answers.listed.wait()
        answers.containers = [_container("b", "uid-b")]
        assert await told.get() == "uid-a"


# ---- translation (pure) --------------------------------------------------------------------------------------------


def test_a_sandbox_is_described_in_full() -> None:
    config = SandboxConfig(
        name="web",
        namespace="default",
        uid="u",
        attempt=2,
        hostname="web",
        log_directory="/logs",
        dns=DnsConfig(("10.0.0.10",), ("svc.cluster.local",), ("ndots:5",)),
        ports=(PortMapping(80, 8080, "UDP", "1.2.3.4"),),
        labels={"a": "b"},
        cgroup_parent="/kubepods/pod1",
        sysctls={"kernel.shm_rmid_forced": "1"},
        security=SandboxSecurity(run_as_user=0, supplemental_groups=(5,), selinux=SELinuxOptions(level="s0")),
    )
    message = cri_convert.sandbox_config(config)
    assert (message.metadata.name, message.metadata.attempt, message.hostname) == ("web", 2, "web")
    assert (message.port_mappings[0].protocol, message.port_mappings[0].host_ip) == (pb.UDP, "1.2.3.4")
    assert list(message.dns_config.searches) == ["svc.cluster.local"]
    security = message.linux.security_context
    assert security.HasField("run_as_user")
    assert security.run_as_user.value == 0
    assert not security.HasField("run_as_group")
    assert security.selinux_options.level == "s0"
    assert message.linux.sysctls == {"kernel.shm_rmid_forced": "1"}


def test_on_the_nodes_network_no_hostname_is_asked_for() -> None:
    security = SandboxSecurity(namespaces=NamespaceOptions(network=NamespaceMode.NODE))
    assert cri_convert.sandbox_config(SandboxConfig("a", "b", "c", hostname="a", security=security)).hostname == ""


def test_a_container_is_described_in_full() -> None:
    config = ContainerConfig(
        name="main",
        image="sha256:1",
        attempt=3,
        user_image="busybox",
        command=("a",),
        args=("b", "c"),
        env=(("K", "V"),),
        mounts=(Mount("/h", "/c", read_only=True, propagation=MountPropagation.BIDIRECTIONAL),),
        devices=(Device("/dev/a", "/dev/b"),),
        resources=Resources(cpu_shares=2, hugepages=(HugepageLimit("2MB", 4),), unified={"memory.high": "1"}),
        security=ContainerSecurity(
            namespaces=NamespaceOptions(pid=NamespaceMode.TARGET, target="other"),
            capabilities=Capabilities(add=("NET_ADMIN",), drop=("ALL",)),
            seccomp=SeccompProfile("Localhost", "/profile.json"),
            apparmor=SeccompProfile("RuntimeDefault"),
            no_new_privileges=True,
        ),
    )
    message = cri_convert.container_config(config)
    assert (list(message.command), list(message.args)) == (["a"], ["b", "c"])
    assert (message.image.image, message.image.user_specified_image) == ("sha256:1", "busybox")
    assert message.mounts[0].propagation == pb.PROPAGATION_BIDIRECTIONAL
    security = message.linux.security_context
    assert (security.namespace_options.pid, security.namespace_options.target_id) == (pb.TARGET, "other")
    assert list(security.capabilities.drop_capabilities) == ["ALL"]
    assert (security.seccomp.profile_type, security.seccomp.localhost_ref) == (
        pb.SecurityProfile.Localhost,
        "/profile.json",
    )
    assert "/proc/kcore" in security.masked_paths
    assert message.linux.resources.unified == {"memory.high": "1"}


def test_paths_are_unmasked_when_that_is_asked_for() -> None:
    security = ContainerSecurity(masked_paths=(), read_only_paths=())
    message = cri_convert.container_config(ContainerConfig("a", "b", security=security))
    assert not message.linux.security_context.masked_paths
    assert not message.linux.security_context.readonly_paths


def test_a_container_that_never_ran_has_no_times() -> None:
    status = cri_convert.container_status(pb.ContainerStatus(id="a", created_at=1_000_000_000))
    assert (status.started_at, status.finished_at) == (None, None)
    assert status.created_at.timestamp() == 1.0


def test_a_container_that_ended_before_it_ran_began_at_the_epoch() -> None:
    status = cri_convert.container_status(
        pb.ContainerStatus(id="a", state=pb.CONTAINER_EXITED, finished_at=2_000_000_000, exit_code=128)
    )
    assert status.started_at == datetime(1970, 1, 1, tzinfo=UTC)
    assert status.finished_at == datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)


def test_what_a_runtime_can_is_read_from_its_status_and_not_guessed() -> None:
    silent = cri_convert.runtime_status(pb.StatusResponse(runtime_handlers=[pb.RuntimeHandler(name="runc")]))
    assert silent.strict_groups is None
    assert silent.handlers == (RuntimeHandler("runc"),)
    features = pb.RuntimeHandlerFeatures(recursive_read_only_mounts=True)
    able = pb.StatusResponse(
        runtime_handlers=[pb.RuntimeHandler(name="", features=features)],
        features=pb.RuntimeFeatures(supplemental_groups_policy=True),
    )
    assert cri_convert.runtime_status(able).strict_groups is True
    assert cri_convert.runtime_status(able).handlers == (RuntimeHandler("", True, False),)


def test_strict_groups_and_recursive_mounts_are_asked_for() -> None:
    security = ContainerSecurity(supplemental_groups=(7,), strict_groups=True)
    mount = Mount("/a", "/b", read_only=True, recursive_read_only=True)
    message = cri_convert.container_config(ContainerConfig("a", "b", security=security, mounts=(mount,)))
    assert message.linux.security_context.supplemental_groups_policy == pb.Strict
    assert message.mounts[0].recursive_read_only
    plain = cri_convert.sandbox_config(SandboxConfig("a", "b", "c"))
    assert plain.linux.security_context.supplemental_groups_policy == pb.Merge


def test_who_a_container_runs_as_is_told_where_the_runtime_says_so() -> None:
    user = pb.ContainerUser(linux=pb.LinuxContainerUser(uid=1, gid=2, supplemental_groups=[3]))
    assert cri_convert.container_status(pb.ContainerStatus(id="a", user=user)).user == ContainerUser(1, 2, (3,))
    assert cri_convert.container_status(pb.ContainerStatus(id="a")).user is None
