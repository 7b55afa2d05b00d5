"""What a containerd can leave behind, and how it is removed: shims, containers' processes, mounts, cgroups, sockets.

Only what can be told to be ours by its place is touched: shims that were started for a socket in our directory, the
processes that containers' bundles name, mounts under our directories, network namespaces that our sandboxes used.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_CGROUPS = Path("/sys/fs/cgroup")


def running(pid_file: Path, config_file: str) -> int | None:
    """The process in `pid_file`, if it lives and really is a containerd with that configuration."""
    try:
        pid = int(pid_file.read_text())
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or config_file not in process.cmdline():
            return None
    except (FileNotFoundError, ValueError, psutil.Error):
        return None
    return pid


def end_process(pid: int, timeout: float) -> None:
    """SIGTERM, then SIGKILL after `timeout` seconds."""
    try:
        process = psutil.Process(pid)
        process.terminate()
        try:
            process.wait(timeout)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(timeout)
    except psutil.NoSuchProcess:
        return


def forget_before_reboot(boot_file: Path, state: Path) -> None:
    """Runtime state from before a reboot names processes and sockets that are no more: remove it."""
    boot = _BOOT_ID.read_text()
    if not boot_file.exists() or boot_file.read_text() != boot:
        shutil.rmtree(state, ignore_errors=True)
        boot_file.write_text(boot)


@dataclass(frozen=True, slots=True)
class Bundle:
    """One task of a shim as it lies on disk."""

    directory: Path
    address: str
    cgroup: str
    network_namespace: str


def bundles(state: Path) -> Iterator[Bundle]:
    for directory in sorted(state.glob("io.containerd.runtime.v2.task/*/*")):
        specification: dict[str, object] = {}
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            specification = json.loads((directory / "config.json").read_text())
        address = directory / "address"
        yield Bundle(
            directory=directory,
            address=address.read_text().removeprefix("unix://") if address.exists() else "",
            cgroup=_cgroup_of(specification),
            network_namespace=_network_namespace_of(specification),
        )


def sweep(state: Path, root: Path) -> None:
    """Remove by hand all that the bundles in `state` stand for. Nothing to do after a clean end."""
    found = list(bundles(state))
    for pid in _shims(state):
        end_process(pid, 1.0)
    for bundle in found:
        _kill_cgroup(bundle.cgroup)
    _unmount_under(state, root)
    for bundle in found:
        _remove_namespace(bundle.network_namespace)
        if bundle.address:
            Path(bundle.address).unlink(missing_ok=True)
    shutil.rmtree(state, ignore_errors=True)


def _shims(state: Path) -> Iterator[int]:
    """Shims work in their bundle's directory and were told the socket: either tells that they are ours."""
    for process in psutil.process_iter(["name"]):
        if not process.info["name"].startswith("containerd-shim"):
            continue
        with contextlib.suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(state):
                yield process.pid


def _cgroup_of(specification: dict[str, object]) -> str:
    linux = specification.get("linux")
    return str(linux.get("cgroupsPath", "")) if isinstance(linux, dict) else ""


def _network_namespace_of(specification: dict[str, object]) -> str:
    linux = specification.get("linux")
    namespaces = linux.get("namespaces", []) if isinstance(linux, dict) else []
    return next((n.get("path", "") for n in namespaces if n.get("type") == "network"), "")


def cgroup_directories(path: str) -> Iterator[Path]:
    """Where the cgroup of that path lies: one directory with v2, one per controller with v1."""
    if not path.strip("/"):
        return
    for hierarchy in (_CGROUPS, *sorted(_CGROUPS.iterdir())):
        directory = hierarchy / path.strip("/")
        if (directory / "cgroup.procs").exists():
            yield directory


def _kill_cgroup(path: str) -> None:
    for directory in cgroup_directories(path):
        _kill_processes(directory)
        for child in sorted((p for p in directory.rglob("*") if p.is_dir()), reverse=True):
            with contextlib.suppress(OSError):
                child.rmdir()
        with contextlib.suppress(OSError):
            directory.rmdir()


def _kill_processes(directory: Path, *, attempts: int = 50) -> None:
    for _ in range(attempts):
        pids = [int(line) for file in directory.rglob("cgroup.procs") for line in file.read_text().split()]
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _unmount_under(*directories: Path) -> None:
    """Deepest first; lazily, so that a mount in use goes when its last user does."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in sorted(points, key=len, reverse=True):
        decoded = Path(point.encode().decode("unicode_escape"))
        if any(decoded.is_relative_to(directory) for directory in directories):
            subprocess.run(("umount", "--lazy", str(decoded)), check=False, capture_output=True)


def _remove_namespace(path: str) -> None:
    """Only those that the container runtime made: `cni-<uuid>` in the directory of named namespaces."""
    namespace = Path(path)
    if not namespace.name.startswith("cni-") or not namespace.exists():
        return
    subprocess.run(("umount", "--lazy", path), check=False, capture_output=True)
    with contextlib.suppress(OSError):
        namespace.unlink()
