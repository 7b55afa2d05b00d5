"""The hollow runtime answers like a real one, without running anything."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from pybernetes.kubelet.runtime import (
    ContainerConfig,
    ContainerState,
    ImageNotPresent,
    InvalidImageName,
    NamespaceMode,
    NamespaceOptions,
    NotFound,
    NotSupported,
    PullFailed,
    Runtime,
    SandboxConfig,
    SandboxSecurity,
    SandboxState,
)
from pybernetes.kubelet.runtime.hollow import HollowRuntime
from pybernetes.kubelet.runtime.simulation import Ending, ending_of, ending_of_command

POD = SandboxConfig("web", "default", "uid-1")


class FixedClock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def runtime() -> HollowRuntime:
    return HollowRuntime(FixedClock(), pod_cidr="10.1.2.0/29")


async def started(runtime: HollowRuntime, *command: str) -> str:
    sandbox = await runtime.run_sandbox(POD)
    image = await runtime.pull_image("busybox")
    container = await runtime.create_container(sandbox, ContainerConfig("main", image, command=command), POD)
    await runtime.start_container(container)
    return container


def test_it_is_a_runtime(runtime: HollowRuntime) -> None:
    as_protocol: Runtime = runtime
    assert not as_protocol.runs_processes


async def test_a_container_without_a_known_command_runs_until_stopped(runtime: HollowRuntime) -> None:
    container = await started(runtime)
    assert (await runtime.container_status(container)).state is ContainerState.RUNNING
    await runtime.stop_container(container, grace_period=30)
    status = await runtime.container_status(container)
    assert (status.state, status.exit_code, status.reason) == (ContainerState.EXITED, 0, "Completed")
    assert status.finished_at is not None


async def test_a_container_that_ends_by_itself_tells_its_pod(runtime: HollowRuntime) -> None:
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    assert runtime.on_change(told.set_result)
    container = await started(runtime, "false")
    assert await told == "uid-1"
    status = await runtime.container_status(container)
    assert (status.state, status.exit_code, status.reason) == (ContainerState.EXITED, 1, "Error")


async def test_a_killed_container_reports_why(runtime: HollowRuntime) -> None:
    container = await started(runtime)
    runtime.kill(container, reason="OOMKilled")
    status = await runtime.container_status(container)
    assert (status.exit_code, status.reason) == (137, "OOMKilled")


async def test_addresses_are_unique_and_come_back_when_sandboxes_stop(runtime: HollowRuntime) -> None:
    sandboxes = [await runtime.run_sandbox(POD) for _ in range(5)]
    addresses = {(await runtime.sandbox_status(sandbox)).ip for sandbox in sandboxes}
    assert addresses == {f"10.1.2.{n}" for n in range(2, 7)}
    await runtime.stop_sandbox(sandboxes[1])
    again = await runtime.run_sandbox(POD)
    assert (await runtime.sandbox_status(again)).ip == "10.1.2.3"


async def test_a_pod_on_the_nodes_network_has_no_address_of_its_own(runtime: HollowRuntime) -> None:
    security = SandboxSecurity(namespaces=NamespaceOptions(network=NamespaceMode.NODE))
    sandbox = await runtime.run_sandbox(SandboxConfig("web", "default", "uid-1", security=security))
    assert (await runtime.sandbox_status(sandbox)).ips == ()


async def test_stopping_a_sandbox_ends_its_containers(runtime: HollowRuntime) -> None:
    container = await started(runtime)
    (sandbox,) = await runtime.list_sandboxes(pod_uid="uid-1")
    await runtime.stop_sandbox(sandbox.id)
    assert (await runtime.container_status(container)).exit_code == 137
    assert (await runtime.list_sandboxes())[0].state is SandboxState.NOT_READY


async def test_what_is_removed_is_gone_and_can_be_removed_again(runtime: HollowRuntime) -> None:
    container = await started(runtime)
    (sandbox,) = await runtime.list_sandboxes()
    await runtime.remove_sandbox(sandbox.id)
    await runtime.remove_sandbox(sandbox.id)
    await runtime.remove_container(container)
    assert not await runtime.list_containers(pod_uid="uid-1")
    with pytest.raises(NotFound):
        await runtime.container_status(container)


async def test_labels_and_annotations_come_back_as_given(runtime: HollowRuntime) -> None:
    sandbox = await runtime.run_sandbox(SandboxConfig("a", "b", "uid-2", labels={"x": "1"}, annotations={"y": "2"}))
    image = await runtime.pull_image("busybox")
    config = ContainerConfig("main", image, labels={"l": "3"}, annotations={"a": "4"})
    await runtime.create_container(sandbox, config, POD)
    (container,) = await runtime.list_containers(pod_uid="uid-2")
    assert (dict(container.labels), dict(container.annotations)) == ({"l": "3"}, {"a": "4"})
    (listed,) = await runtime.list_sandboxes(pod_uid="uid-2")
    assert (dict(listed.labels), dict(listed.annotations)) == ({"x": "1"}, {"y": "2"})


async def test_images_must_be_pulled_first(runtime: HollowRuntime) -> None:
    sandbox = await runtime.run_sandbox(POD)
    assert await runtime.image_status("nginx:1.27") is None
    with pytest.raises(ImageNotPresent):
        await runtime.create_container(sandbox, ContainerConfig("main", "nginx:1.27"), POD)
    await runtime.pull_image("nginx:1.27")
    image = await runtime.image_status("docker.io/library/nginx:1.27")
    assert image is not None
    assert image.repo_tags == ("docker.io/library/nginx:1.27",)


async def test_pulls_fail_where_they_would(runtime: HollowRuntime) -> None:
    with pytest.raises(PullFailed):
        await runtime.pull_image("registry.invalid/app:1")
    with pytest.raises(InvalidImageName):
        await runtime.pull_image("NGINX")


async def test_streams_say_plainly_that_there_are_none(runtime: HollowRuntime) -> None:
    container = await started(runtime)
    with pytest.raises(NotSupported, match="hollow"):
        await runtime.exec_sync(container, ["true"])


@pytest.mark.parametrize(
    ("command", "ending"),
    [
        (["true"], Ending(0.0)),
        (["/bin/false"], Ending(0.0, 1, "Error")),
        (["sleep", "5"], Ending(5.0)),
        (["sleep", "1h"], Ending(3600.0)),
        (["sh", "-c", "echo hi; sleep 2; exit 3"], Ending(2.0, 3, "Error")),
        (["/bin/sh", "-ec", "false && sleep 9"], Ending(0.0, 1, "Error")),
        (["sh", "-c", "sleep 1 && exit 0"], Ending(1.0)),
        (["sleep", "infinity"], None),
        (["sh", "-c", "while true; do sleep 1; done"], None),
        (["nginx"], None),
        ([], None),
    ],
)
def test_commands_tell_how_a_container_ends(command: list[str], ending: Ending | None) -> None:
    assert ending_of_command(command) == ending


def test_annotations_of_the_pod_win_over_the_command() -> None:
    annotations = {
        "hollow.pybernetes.io/exit-after": "3",
        "hollow.pybernetes.io/exit-code.main": "137",
        "hollow.pybernetes.io/reason.main": "OOMKilled",
    }
    assert ending_of(ContainerConfig("main", "x", command=("true",)), annotations) == Ending(3.0, 137, "OOMKilled")
    assert ending_of(ContainerConfig("side", "x"), annotations) == Ending(3.0, 0, "Completed")
