"""What this machine is and has, read once. Follows pkg/kubelet/cadvisor and pkg/kubelet/nodestatus."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True, slots=True)
class Machine:
    cpus: int
    memory: int
    disk: int
    machine_id: str
    system_uuid: str
    boot_id: str
    kernel: str
    os_image: str
    architecture: str
    operating_system: str = "linux"


def measure(root: Path) -> Machine:
    """The machine under our feet; `root` is where pods' files are, so its disk is theirs."""
    existing = next(path for path in (root, *root.parents) if path.exists())
    return Machine(
        cpus=os.cpu_count() or 1,
        memory=psutil.virtual_memory().total,
        disk=shutil.disk_usage(existing).total,
        machine_id=_text("/etc/machine-id").replace("-", ""),
        system_uuid=_text("/sys/class/dmi/id/product_uuid") or _text("/etc/machine-id"),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
        kernel=platform.release(),
        os_image=_os_image(),
        architecture=architecture(),
    )


def architecture() -> str:
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _os_image() -> str:
    for line in _text("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return platform.platform()


HOLLOW = Machine(
    cpus=8,
    memory=32 << 30,
    disk=100 << 30,
    machine_id="",
    system_uuid="",
    boot_id="",
    kernel="",
    os_image="hollow",
    architecture="amd64",
)
