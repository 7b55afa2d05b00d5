"""Real containers, in a containerd of the tests' own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from pybernetes.kubelet import containerd_remains as remains
from pybernetes.kubelet.containerd import (
    Containerd,
    ContainerdConfiguration,
    ContainerdFailure,
    Host,
    render,
)
from pybernetes.kubelet.images import ImageStore
from pybernetes.kubelet.runtime import (
    ContainerConfig,
    ContainerState,
    ExecTimeout,
    ExitStatus,
    ImageNotPresent,
    Mount,
    NamespaceMode,
    NamespaceOptions,
    NotFound,
    PullFailed,
    Resources,
    RuntimeFailure,
    SandboxConfig,
    SandboxSecurity,
    SandboxState,
    Session,
    Stream,
    Unavailable,
)
from pybernetes.kubelet.runtime.cri import CriRuntime
from pybernetes.kubelet.runtime.labels import container_labels, sandbox_labels

TAG = secrets.token_hex(3)
BRIDGE, CGROUP = f"p8st{TAG}", f"p8stest-{TAG}"
PREFIX = f"10.213.{secrets.randbelow(250)}."
SUBNET = f"{PREFIX}0/24"


def configuration(directory: Path) -> ContainerdConfiguration:
    return ContainerdConfiguration(directory / "containerd", directory / "cni")


def write_cni(directory: Path) -> None:
    folder = directory / "cni"
    folder.mkdir(parents=True, exist_ok=True)
    ipam = {"type": "host-local", "dataDir": str(directory / "ipam"), "ranges": [[{"subnet": SUBNET}]]}
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "ipMasq": False, "ipam": ipam}
    document = {"cniVersion": "0.4.0", "name": "test", "plugins": [bridge]}
    (folder / "10-test.conflist").write_text(json.dumps(document))


# ---- the configuration (pure) --------------------------------------------------------------------------------------


def test_the_configuration_names_only_places_of_our_own() -> None:
    text = render(configuration(Path("/d")), Host(can_lower_oom_score=True, overlay=True))
    assert 'root = "/d/containerd/root"' in text
    assert 'address = "/d/containerd/containerd.sock"' in text
    assert "restrict_oom_score_adj = false" in text
    assert 'snapshotter = "overlayfs"' in text


def test_the_configuration_follows_what_the_machine_can() -> None:
    text = render(configuration(Path("/d")), Host(can_lower_oom_score=False, overlay=False))
    assert "restrict_oom_score_adj = true" in text
    assert 'snapshotter = "native"' in text


def test_a_long_directory_gets_a_short_socket_path() -> None:
    long = configuration(Path("/") / ("x" * 120))
    assert len(str(long.socket)) < 100
    assert long.socket != replace(long, directory=Path("/") / ("y" * 120)).socket


# ---- with containers -----------------------------------------------------------------------------------------------


@dataclass
class Node:
    """A running containerd with its images."""

    directory: Path
    containerd: Containerd

    @asynccontextmanager
    async def pod(self, name: str, config: SandboxConfig | None = None) -> AsyncIterator[Pod]:
        runtime = CriRuntime(self.containerd.configuration.socket)
        uid = f"uid-{name}"
        config = replace(
            config or SandboxConfig("", "", ""),
            name=name,
            namespace="test",
            uid=uid,
            hostname=name,
            log_directory=str(self.directory / "logs" / name),
            labels=sandbox_labels(name, "test", uid, {"app": name}),
            cgroup_parent=f"/{CGROUP}/pod{uid}",
        )
        sandbox = await runtime.run_sandbox(config)
        try:
            yield Pod(runtime, config, sandbox)
        finally:
            await runtime.stop_sandbox(sandbox)
            await runtime.remove_sandbox(sandbox)
            await runtime.close()


@dataclass
class Pod:
    runtime: CriRuntime
    config: SandboxConfig
    sandbox: str

    async def run(self, name: str, *command: str, config: ContainerConfig | None = None) -> str:
        image = await self.runtime.image_status("busybox")
        assert image is not None
        config = replace(
            config or ContainerConfig("", ""),
            name=name,
            image=image.id,
            command=command,
            log_path=f"{name}/0.log",
            labels=container_labels(self.config.name, "test", self.config.uid, name),
        )
        container = await self.runtime.create_container(self.sandbox, config, self.config)
        await self.runtime.start_container(container)
        return container

    async def ended(self, container: str) -> tuple[int, str]:
        while True:
            status = await self.runtime.container_status(container)
            if status.state is ContainerState.EXITED:
                return status.exit_code, status.reason
            await asyncio.sleep(0.02)

    async def output(self, container: str, *command: str) -> str:
        result = await self.runtime.exec_sync(container, command, timeout=300)
        return (result.stdout + result.stderr).decode()


@pytest.fixture(scope="module", autouse=True)
def nothing_left() -> Iterator[None]:
    """The bridge and the control groups that the pods' configurations named are the tests' to remove."""
    yield
    subprocess.run(("ip", "link", "delete", BRIDGE), capture_output=True, check=False)
    for parent in Path("/sys/fs/cgroup").glob(f"**/{CGROUP}"):
        for child in filter(Path.is_dir, parent.iterdir()):
            child.rmdir()
        parent.rmdir()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    directory = tmp_path_factory.mktemp("node")
    write_cni(directory)
    containerd = Containerd(configuration(directory))

    async def start() -> None:
        await containerd.start()
        await ImageStore(containerd, directory / "images").ensure(["pause", "busybox"])

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(start())
        yield Node(directory, containerd)
        runner.run(containerd.purge())


real = pytest.mark.node


@real
async def test_containers_of_a_pod_share_network_hostname_and_ipc(node: Node) -> None:
    async with node.pod("shared") as pod:
        one = await pod.run("one", "httpd", "-f", "-p", "127.0.0.1:8080", "-h", "/etc")
        two = await pod.run("two", "sleep", "1000")
        ask = "until wget -qO- http://127.0.0.1:8080/passwd; do usleep 50000; done"
        assert "root:x:0:0" in await pod.output(two, "sh", "-c", ask)
        assert await pod.output(two, "hostname") == "shared\n"
        links = [await pod.output(each, "readlink", "/proc/self/ns/net", "/proc/self/ns/ipc") for each in (one, two)]
        assert links[0] == links[1]
        status = await pod.runtime.sandbox_status(pod.sandbox)
        assert status.ip.startswith(PREFIX)
        assert status.ip in await pod.output(two, "ip", "addr", "show", "eth0")


@real
async def test_what_was_given_at_creation_comes_back(node: Node, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mounted")
    config = ContainerConfig(
        "",
        "",
        env=(("A", "1"), ("B", "two words")),
        working_dir="/tmp",
        mounts=(Mount(str(tmp_path), "/data", read_only=True),),
        annotations={"io.kubernetes.container.restartCount": "4"},
        attempt=4,
    )
    async with node.pod("given") as pod:
        container = await pod.run("main", "sleep", "1000", config=config)
        assert (
            await pod.output(container, "sh", "-c", "echo $A $B; pwd; cat /data/file") == "1 two words\n/tmp\nmounted"
        )
        assert "Read-only" in await pod.output(container, "touch", "/data/new")
        (listed,) = await pod.runtime.list_containers(pod_uid="uid-given")
        assert (listed.name, listed.attempt, listed.sandbox_id) == ("main", 4, pod.sandbox)
        assert listed.annotations == {"io.kubernetes.container.restartCount": "4"}
        assert listed.labels["io.kubernetes.container.name"] == "main"
        (sandbox,) = await pod.runtime.list_sandboxes(pod_uid="uid-given")
        assert (sandbox.name, sandbox.namespace, sandbox.labels["app"]) == ("given", "test", "given")


@real
async def test_ends_of_containers_are_told_with_their_reason(node: Node) -> None:
    async with node.pod("ends") as pod:
        done = await pod.run("done", "true")
        failed = await pod.run("failed", "sh", "-c", "exit 3")
        assert await pod.ended(done) == (0, "Completed")
        assert await pod.ended(failed) == (3, "Error")
        limits = ContainerConfig("", "", resources=Resources(memory_limit=16 << 20, memory_swap_limit=16 << 20))
        greedy = await pod.run("greedy", "tail", "/dev/zero", config=limits)
        assert await pod.ended(greedy) == (137, "OOMKilled")


@real
async def test_the_end_of_a_container_is_told_at_once(node: Node) -> None:
    async with node.pod("told") as pod:
        told: asyncio.Queue[str] = asyncio.Queue()
        assert pod.runtime.on_change(told.put_nowait)
        # The subscription stands when the first end is told; ends before that are only listed.
        for number in itertools.count():
            await pod.ended(await pod.run(f"try-{number}", "true"))
            with contextlib.suppress(TimeoutError):
                assert await asyncio.wait_for(told.get(), 0.5) == "uid-told"
                return


@real
async def test_a_command_that_is_not_there_fails_to_start(node: Node) -> None:
    async with node.pod("nocommand") as pod:
        with pytest.raises(RuntimeFailure, match="no such file or directory"):
            await pod.run("main", "/not/there")
        (container,) = await pod.runtime.list_containers(pod_uid="uid-nocommand")
        assert (await pod.runtime.container_status(container.id)).reason == "StartError"


@real
async def test_a_container_has_its_grace_period_to_end(node: Node) -> None:
    async with node.pod("grace") as pod:
        stays = "touch /tmp/trapped; while :; do sleep 0.05; done"
        polite = await pod.run("polite", "sh", "-c", f'trap "exit 5" TERM; {stays}')
        stubborn = await pod.run("stubborn", "sh", "-c", f'trap "" TERM; {stays}')
        for one in (polite, stubborn):
            await pod.output(one, "sh", "-c", "until [ -e /tmp/trapped ]; do usleep 20000; done")
        await pod.runtime.stop_container(polite, grace_period=300)
        assert await pod.ended(polite) == (5, "Error")
        await pod.runtime.stop_container(stubborn, grace_period=1)
        assert (await pod.ended(stubborn))[0] == 137
        await pod.runtime.stop_container(stubborn, grace_period=1)


@real
async def test_commands_run_in_containers_for_a_limited_time(node: Node) -> None:
    async with node.pod("execs") as pod:
        container = await pod.run("main", "sleep", "1000")
        result = await pod.runtime.exec_sync(container, ["sh", "-c", "echo out; echo err >&2; exit 4"], timeout=300)
        assert (result.stdout, result.stderr, result.exit_code) == (b"out\n", b"err\n", 4)
        with pytest.raises(ExecTimeout):
            await pod.runtime.exec_sync(container, ["sleep", "100"], timeout=1)


async def outcome(session: Session) -> tuple[bytes, bytes, ExitStatus]:
    got: dict[Stream, bytes] = {Stream.STDOUT: b"", Stream.STDERR: b""}
    async for output in session.output():
        got[output.stream] += output.data
    status = await session.status()
    await session.close()
    return got[Stream.STDOUT], got[Stream.STDERR], status


@real
async def test_streams_reach_containers_both_ways(node: Node) -> None:
    async with node.pod("streams") as pod:
        container = await pod.run("main", "sleep", "1000")
        session = await pod.runtime.exec(container, ["sh", "-c", "cat; echo err >&2; exit 7"], stdin=True)
        await session.write(b"in")
        await session.close_stdin()
        assert await outcome(session) == (b"in", b"err\n", ExitStatus(exit_code=7))

        wait = 'until [ "$(stty size 2>&1)" = "50 120" ]; do sleep 0.05; done; echo resized'
        session = await pod.runtime.exec(container, ["sh", "-c", wait], tty=True)
        await session.resize(120, 50)
        output, _, _ = await outcome(session)
        assert output == b"resized\r\n"

        reader = await pod.run("reader", "cat", config=ContainerConfig("", "", stdin=True, stdin_once=True))
        session = await pod.runtime.attach(reader, stdin=True)
        await session.write(b"attached")
        await session.close_stdin()
        assert (await outcome(session))[0] == b"attached"
        assert await pod.ended(reader) == (0, "Completed")


@real
async def test_ports_of_a_pod_are_forwarded(node: Node) -> None:
    async with node.pod("ports") as pod:
        server = await pod.run("main", "httpd", "-f", "-p", "8080", "-h", "/etc")
        await pod.output(server, "sh", "-c", "until wget -qO- http://127.0.0.1:8080/passwd; do sleep 0.05; done")
        forward = await pod.runtime.port_forward(pod.sandbox)
        connection = await forward.connect(8080)
        await connection.write(b"GET /passwd HTTP/1.0\r\n\r\n")
        answer = b""
        while chunk := await connection.read():
            answer += chunk
        assert b"root:x:0:0" in answer
        refused = await forward.connect(9)
        assert await refused.read() == b""
        assert "refused" in await refused.error()
        await forward.close()


@real
async def test_output_is_logged_and_goes_on_in_a_new_file_when_told(node: Node) -> None:
    async with node.pod("logged") as pod:
        container = await pod.run(
            "main", "sh", "-c", "while read x; do echo $x; done", config=ContainerConfig("", "", stdin=True)
        )
        log = Path(pod.config.log_directory) / "main/0.log"
        session = await pod.runtime.attach(container, stdin=True)
        output = session.output()
        await session.write(b"one\n")
        await anext(output)
        log.rename(log.with_suffix(".old"))
        await pod.runtime.reopen_log(container)
        await session.write(b"two\n")
        await anext(output)
        await session.close()
        await pod.runtime.stop_container(container, grace_period=0)
        assert log.with_suffix(".old").read_text().endswith("stdout F one\n")
        assert log.read_text().endswith("stdout F two\n")


@real
async def test_a_pod_can_be_on_the_nodes_network_and_share_processes(node: Node) -> None:
    namespaces = NamespaceOptions(network=NamespaceMode.NODE, pid=NamespaceMode.POD)
    config = SandboxConfig("", "", "", security=SandboxSecurity(namespaces=namespaces))
    async with node.pod("hosts", config) as pod:
        security = replace(ContainerConfig("", "").security, namespaces=namespaces)
        container = await pod.run("main", "sleep", "1000", config=ContainerConfig("", "", security=security))
        assert (await pod.runtime.sandbox_status(pod.sandbox)).ips == ()
        assert await pod.output(container, "readlink", "/proc/self/ns/net") == os.readlink("/proc/self/ns/net") + "\n"
        assert "sleep 1000" in await pod.output(container, "ps")
        assert "pause" in await pod.output(container, "ps")


@real
async def test_limits_reach_the_control_group_and_can_be_changed(node: Node) -> None:
    async with node.pod("limits") as pod:
        limits = ContainerConfig(
            "", "", resources=Resources(cpu_period=100_000, cpu_quota=50_000, memory_limit=64 << 20)
        )
        container = await pod.run("main", "sleep", "1000", config=limits)
        read = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true"
        assert await pod.output(container, "sh", "-c", read) == f"{64 << 20}\n"
        await pod.runtime.update_resources(container, Resources(memory_limit=96 << 20))
        assert await pod.output(container, "sh", "-c", read) == f"{96 << 20}\n"
        stats = {stats.id: stats for stats in await pod.runtime.list_container_stats()}[container]
        assert stats.memory_working_set_bytes is not None
        assert stats.labels["io.kubernetes.pod.name"] == "limits"


@real
async def test_images_are_found_by_their_short_names_and_missing_ones_are_told(node: Node) -> None:
    async with node.pod("images") as pod:
        image = await pod.runtime.image_status("busybox:latest")
        assert image is not None
        assert image.repo_tags == ("docker.io/library/busybox:latest",)
        assert await pod.runtime.image_status("localhost:1/none:1") is None
        with pytest.raises(PullFailed):
            await pod.runtime.pull_image("localhost:1/none:1")
        with pytest.raises(ImageNotPresent):
            await pod.runtime.create_container(pod.sandbox, ContainerConfig("x", "localhost:1/none:1"), pod.config)
        with pytest.raises(NotFound):
            await pod.runtime.container_status("none")


@real
async def test_containers_outlive_the_daemon_and_are_found_again(node: Node) -> None:
    async with node.pod("outlives") as pod:
        container = await pod.run("main", "sleep", "1000")
        before = node.containerd.running_pid()
        assert before is not None
        os.kill(before, signal.SIGKILL)
        psutil.Process(before).wait(300)
        with pytest.raises(Unavailable):
            await pod.runtime.version()
        await node.containerd.start()
        adopted = Containerd(node.containerd.configuration)
        assert await adopted.start() == node.containerd.running_pid() != before
        status = await pod.runtime.container_status(container)
        assert status.state is ContainerState.RUNNING
        assert await pod.output(container, "echo", "here") == "here\n"


async def killed_node(directory: Path) -> ContainerdConfiguration:
    """A node with one pod, of which every process was killed at once."""
    write_cni(directory)
    containerd = Containerd(configuration(directory))
    await containerd.start()
    await ImageStore(containerd, directory / "images").ensure(["pause", "busybox"])
    runtime = CriRuntime(containerd.configuration.socket)
    config = SandboxConfig("killed", "test", "uid-killed", hostname="killed", cgroup_parent=f"/{CGROUP}/killed")
    sandbox = await runtime.run_sandbox(config)
    assert (await runtime.sandbox_status(sandbox)).sandbox.state is SandboxState.READY
    await runtime.close()
    ours = processes_of(directory)
    assert len(ours) >= 2, "containerd and a shim"
    for process in ours:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _, alive = psutil.wait_procs(ours, timeout=300)
    assert alive == []
    return containerd.configuration


def processes_of(directory: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if str(directory) in " ".join(_command_of(process))]


def addresses_in_use(directory: Path) -> list[str]:
    return [file.name for file in (directory / "ipam" / "test").iterdir() if file.name.startswith("10.")]


@real
async def test_nothing_remains_when_everything_was_killed(tmp_path: Path) -> None:
    settings = await killed_node(tmp_path)
    assert len(addresses_in_use(tmp_path)) == 1
    await Containerd(settings).purge()
    assert not (tmp_path / "containerd").exists()
    assert str(tmp_path) not in _mounts()
    assert processes_of(tmp_path) == []
    assert addresses_in_use(tmp_path) == []


@real
async def test_after_a_reboot_pods_are_known_as_ended_and_can_be_removed(tmp_path: Path) -> None:
    settings = await killed_node(tmp_path)
    remains.sweep(settings.state, settings.root)
    settings.boot_file.write_text("an earlier boot")
    containerd = Containerd(settings)
    await containerd.start()
    runtime = CriRuntime(settings.socket)
    (sandbox,) = await runtime.list_sandboxes()
    assert sandbox.state is SandboxState.NOT_READY
    await runtime.stop_sandbox(sandbox.id)
    await runtime.remove_sandbox(sandbox.id)
    assert await runtime.list_sandboxes() == []
    assert addresses_in_use(tmp_path) == []
    assert await runtime.image_status("busybox") is not None
    await runtime.close()
    await containerd.purge()


def _mounts() -> str:
    return Path("/proc/self/mountinfo").read_text()


def _command_of(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


@real
async def test_a_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(ContainerdFailure, match="install containerd and runc"):
        await Containerd(configuration(tmp_path)).start()
