"""A containerd of our own: its own root, state and socket under one directory, started and stopped by us.

Guarantees
  containerd outlives the process that started it; a later `start` adopts the one that runs, with its containers.
  After `tear_down` nothing of it remains: no process, mount, network namespace, cgroup, socket; after `purge` no file.
Assumes
  Root; the programs `containerd`, `containerd-shim-runc-v2`, `runc`, `ctr`; CNI configuration written by someone else.
Versions from 1.6 on are known to understand this configuration; cgroups v1 and v2 both work (driver cgroupfs).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import structlog

from pybernetes.kubelet import containerd_remains as remains
from pybernetes.kubelet.runtime import RuntimeFailure, Unavailable
from pybernetes.kubelet.runtime.cri import CriRuntime

log = structlog.get_logger(__name__)

SANDBOX_IMAGE = "localhost/pybernetes/pause:1"
NAMESPACE = "k8s.io"
_CAP_SYS_RESOURCE = 24
_SOCKET_PATH_LIMIT = 100
_LOG_LIMIT = 10 * 1024 * 1024


class ContainerdFailure(Exception):
    """containerd could not be started or stopped; the text says what to look at."""


@dataclass(frozen=True, slots=True)
class ContainerdConfiguration:
    """Where it lives and what it is told. `network_namespace` is a file such as /var/run/netns/node2, or None."""

    directory: Path
    cni_configuration: Path
    cni_programs: Path = Path("/usr/lib/cni")
    sandbox_image: str = SANDBOX_IMAGE
    network_namespace: Path | None = None
    log_level: str = "warn"

    @property
    def root(self) -> Path:
        return self.directory / "root"

    @property
    def state(self) -> Path:
        return self.directory / "state"

    @property
    def socket(self) -> Path:
        """In the directory, or, as the kernel allows only short socket paths, under /run by the directory's hash."""
        path = self.directory / "containerd.sock"
        if len(str(path)) <= _SOCKET_PATH_LIMIT:
            return path
        return Path("/run") / f"pybernetes-{hashlib.sha256(bytes(self.directory)).hexdigest()[:12]}.sock"

    @property
    def ttrpc_socket(self) -> Path:
        return self.socket.with_name(f"{self.socket.name}.ttrpc")

    @property
    def file(self) -> Path:
        return self.directory / "config.toml"

    @property
    def log_file(self) -> Path:
        return self.directory / "containerd.log"

    @property
    def pid_file(self) -> Path:
        return self.directory / "containerd.pid"

    @property
    def boot_file(self) -> Path:
        return self.directory / "boot_id"


@dataclass(frozen=True, slots=True)
class Host:
    """What about this machine changes the configuration."""

    can_lower_oom_score: bool
    overlay: bool

    @classmethod
    def inspect(cls, directory: Path) -> Host:
        return cls(can_lower_oom_score=_has_capability(_CAP_SYS_RESOURCE), overlay=_overlay_works_on(directory))

    @property
    def snapshotter(self) -> str:
        return "overlayfs" if self.overlay else "native"


def render(configuration: ContainerdConfiguration, host: Host) -> str:
    """The text of containerd's configuration file."""
    c = configuration
    return f"""\
version = 2
root = "{c.root}"
state = "{c.state}"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
  address = "{c.socket}"

[debug]
  level = "{c.log_level}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{c.directory / "opt"}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{c.sandbox_image}"
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  stream_idle_timeout = "4h0m0s"
  restrict_oom_score_adj = {_toml(not host.can_lower_oom_score)}
  tolerate_missing_hugetlb_controller = true
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{host.snapshotter}"
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{c.cni_programs}"
    conf_dir = "{c.cni_configuration}"

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{c.directory / "certs.d"}"
"""


class Containerd:
    """Starts, watches over and ends one containerd. Blocking work runs in threads."""

    def __init__(self, configuration: ContainerdConfiguration) -> None:
        self.configuration = configuration
        self._process: subprocess.Popen[bytes] | None = None
        self._host: Host | None = None

    @property
    def host(self) -> Host:
        if self._host is None:
            self._host = Host.inspect(self.configuration.directory)
        return self._host

    def running_pid(self) -> int | None:
        """The process id of our containerd, whoever started it."""
        if self._process is not None:
            if self._process.poll() is None:
                return self._process.pid
            self._process = None
        return remains.running(self.configuration.pid_file, str(self.configuration.file))

    async def start(self, *, timeout: float = 120.0) -> int:
        """Bring it up, or adopt the one that runs; return its process id once it answers."""
        pid = self.running_pid()
        if pid is None:
            pid = await asyncio.to_thread(self._spawn)
            log.info("containerd started", pid=pid, socket=str(self.configuration.socket))
        else:
            log.info("containerd adopted", pid=pid, socket=str(self.configuration.socket))
        await self._wait_until_it_answers(timeout)
        return pid

    async def supervise(self, *, interval: float = 1.0) -> None:
        """Start it again whenever it has died, until cancelled."""
        while True:
            await asyncio.sleep(interval)
            if self.running_pid() is None:
                log.warning("containerd has died and is started again", log=str(self.configuration.log_file))
                try:
                    await self.start()
                except ContainerdFailure as failure:
                    log.error("containerd does not start", error=str(failure))

    async def stop(self, *, timeout: float = 10.0) -> None:
        """End the daemon only: containers run on under their shims."""
        pid = self.running_pid()
        if pid is not None:
            await asyncio.to_thread(remains.end_process, pid, timeout)
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)
            self._process = None
        self.configuration.pid_file.unlink(missing_ok=True)

    async def tear_down(self) -> None:
        """End every container and the daemon, and remove what they leave outside the directory."""
        if self.configuration.state.exists():
            await self._remove_pods()
        await self.stop()
        await asyncio.to_thread(remains.sweep, self.configuration.state, self.configuration.root)
        for socket in (self.configuration.socket, self.configuration.ttrpc_socket):
            socket.unlink(missing_ok=True)

    async def purge(self) -> None:
        """`tear_down`, then remove the directory with all images."""
        await self.tear_down()
        await asyncio.to_thread(shutil.rmtree, self.configuration.directory, ignore_errors=True)

    async def import_archive(self, archive: Path) -> None:
        """Bring an OCI archive's images into the namespace in which the kubelet looks."""
        snapshotter = ("--snapshotter", self.host.snapshotter)
        await self._ctr("images", "import", *snapshotter, "--digests=false", str(archive))

    async def _ctr(self, *arguments: str) -> bytes:
        command = ("ctr", "--address", str(self.configuration.socket), "--namespace", NAMESPACE, *arguments)
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        output, errors = await process.communicate()
        if process.returncode != 0:
            raise ContainerdFailure(f"{' '.join(arguments[:2])} failed: {errors.decode(errors='replace').strip()}")
        return output

    async def _remove_pods(self) -> None:
        """Through the daemon, so that CNI gives back addresses and rules; started for it if it is not running."""
        try:
            await self.start()
        except ContainerdFailure as failure:
            log.warning("containerd does not start to remove its pods; removing by hand", error=str(failure))
            return
        runtime = CriRuntime(self.configuration.socket)
        try:
            sandboxes = await runtime.list_sandboxes()
            results = await asyncio.gather(
                *(_remove_pod(runtime, sandbox.id) for sandbox in sandboxes), return_exceptions=True
            )
            for problem in (result for result in results if isinstance(result, BaseException)):
                log.warning("a pod was not removed cleanly", error=str(problem))
        finally:
            await runtime.close()

    def _spawn(self) -> int:
        c = self.configuration
        for program in ("containerd", "containerd-shim-runc-v2", "ctr", "runc"):
            if shutil.which(program) is None:
                raise ContainerdFailure(f"the program {program} is missing: install containerd and runc")
        c.directory.mkdir(parents=True, exist_ok=True)
        remains.forget_before_reboot(c.boot_file, c.state)
        c.file.write_text(render(c, self.host))
        namespace = () if c.network_namespace is None else ("nsenter", f"--net={c.network_namespace}")
        if c.log_file.exists() and c.log_file.stat().st_size > _LOG_LIMIT:
            c.log_file.rename(c.log_file.with_suffix(".log.old"))
        with c.log_file.open("ab") as output:
            self._process = subprocess.Popen(
                (*namespace, "containerd", "--config", str(c.file)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd="/",
            )
        c.pid_file.write_text(f"{self._process.pid}\n")
        return self._process.pid

    async def _wait_until_it_answers(self, timeout: float) -> None:
        runtime = CriRuntime(self.configuration.socket)
        try:
            async with asyncio.timeout(timeout):
                while True:
                    if self.running_pid() is None:
                        raise ContainerdFailure(f"containerd ended at once; see {self.configuration.log_file}")
                    try:
                        await runtime.version()
                        return
                    except Unavailable:
                        await asyncio.sleep(0.02)
        except TimeoutError:
            raise ContainerdFailure(
                f"containerd does not answer after {timeout:g} s; see {self.configuration.log_file}"
            ) from None
        except RuntimeFailure as failure:
            raise ContainerdFailure(
                f"containerd answers wrongly ({failure}); see {self.configuration.log_file}"
            ) from failure
        finally:
            await runtime.close()


async def _remove_pod(runtime: CriRuntime, sandbox_id: str) -> None:
    containers = await runtime.list_containers(sandbox_id=sandbox_id)
    await asyncio.gather(*(runtime.stop_container(container.id, grace_period=0) for container in containers))
    await runtime.stop_sandbox(sandbox_id)
    await runtime.remove_sandbox(sandbox_id)


def _toml(value: bool) -> str:
    return "true" if value else "false"


def _has_capability(number: int) -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return bool(int(value, 16) >> number & 1)
    return False


def _overlay_works_on(directory: Path) -> bool:
    """The kernel knows overlayfs, and the directory is not itself on one (it cannot be stacked as an upper layer)."""
    if "overlay" not in Path("/proc/filesystems").read_text().split():
        return False
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    return _filesystem_of(existing) != "overlay"


def _filesystem_of(path: Path) -> str:
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        if left.split()[2] == wanted:
            return right.split()[0]
    return ""
