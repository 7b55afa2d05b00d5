"""What must be true before a cluster can start here. Each refusal is one sentence with what to do."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

from pybernetes.cli.layout import Settings
from pybernetes.cli.parts.nodes import FEW_NODES, is_loopback
from pybernetes.cli.problems import Problem

SMALLEST_DISK = 500 * 1024 * 1024
SMALLEST_DISK_HOLLOW = 50 * 1024 * 1024
PROGRAMS = {
    "containerd": "containerd",
    "containerd-shim-runc-v2": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "ip": "iproute2",
    "busybox": "busybox-static",
}
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}
"""What root is often left without in a container, by the numbers that the kernel knows them by."""
_ADMIN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def check(settings: Settings, data_dir: Path) -> None:
    check_store(settings)
    check_nodes(settings)
    if settings.runtime == "containerd":
        check_root()
        check_programs()
        check_kernel()
    check_disk(data_dir, SMALLEST_DISK if settings.runtime == "containerd" else SMALLEST_DISK_HOLLOW)
    check_port(settings.port)


def check_root() -> None:
    if os.geteuid() != 0:
        raise Problem(
            "real containers need root",
            "run `sudo p8s up`, or `p8s up --runtime hollow` for a cluster whose pods only pretend to run",
        )


def check_programs() -> None:
    from pybernetes.network import cni

    path = f"{os.environ.get('PATH', '')}:{_ADMIN_PATH}"
    missing = sorted({package for program, package in PROGRAMS.items() if shutil.which(program, path=path) is None})
    if cni.plugin_directory() is None:
        missing.append("containernetworking-plugins")
    if missing:
        raise Problem(
            f"{_listed(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            f"run scripts/up, or `apt-get install {' '.join(missing)}`; `--runtime hollow` needs none of it",
        )


def check_kernel(process: Path = Path("/proc/self/status"), cgroups: Path = Path("/sys/fs/cgroup")) -> None:
    """What containers and their network ask of the kernel, and what a container around us may keep back."""
    otherwise = "a container must be privileged for that; `--runtime hollow` needs none of it"
    held = next(line.split()[1] for line in process.read_text().splitlines() if line.startswith("CapEff:"))
    missing = [name for name, number in CAPABILITIES.items() if not int(held, 16) >> number & 1]
    if missing:
        raise Problem(f"root may not make networks and mounts here ({_listed(missing)} not granted)", otherwise)
    is_unified = (cgroups / "cgroup.controllers").exists()
    hierarchies = [cgroups] if is_unified else [one for one in cgroups.iterdir() if one.is_dir()]
    if not any(os.access(one, os.W_OK) for one in hierarchies):
        raise Problem(f"control groups cannot be made below {cgroups}", otherwise)
    asked = subprocess.run(("nft", "list", "tables"), capture_output=True, text=True, check=False)
    if asked.returncode:
        raise Problem(
            f"the kernel has no nftables ({asked.stderr.strip()})",
            "load them with `modprobe nf_tables`, or use `--runtime hollow`, which needs none",
        )


def check_store(settings: Settings) -> None:
    if settings.store.startswith("etcd"):
        raise Problem("etcd as the store is not built yet", "leave --store away to use the embedded one")
    if settings.store != "sqlite":
        raise Problem(f"there is no store {settings.store!r}", "leave --store away to use the embedded one, sqlite")


def check_nodes(settings: Settings) -> None:
    if settings.nodes < 1:
        raise Problem("a cluster needs a node", "give --nodes 1 or more")
    if not settings.further_nodes:
        return
    if settings.nodes > FEW_NODES:
        raise Problem(
            f"{settings.nodes} nodes with real containers are too many for one machine",
            f"give --nodes {FEW_NODES} or less, or --runtime hollow with as many as you like",
        )
    if is_loopback(settings.bind):
        raise Problem(
            f"further nodes do not reach an API server on {settings.bind}",
            "leave --bind-address away, or use --nodes 1",
        )


def check_disk(data_dir: Path, smallest: int) -> None:
    existing = next(path for path in (data_dir, *data_dir.parents) if path.exists())
    try:
        free = shutil.disk_usage(existing).free
    except OSError as error:
        raise Problem(
            f"{existing} cannot be read ({error.strerror})", "name another directory with --data-dir"
        ) from error
    if not os.access(existing, os.W_OK):
        raise Problem(f"{existing} is not writable", "name another directory with --data-dir, or run as its owner")
    if free < smallest:
        raise Problem(
            f"the disk of {existing} is full ({free // 2**20} MiB are free, {smallest // 2**20} MiB are needed)",
            "make room, or name a directory on another disk with --data-dir",
        )


def check_port(port: int) -> None:
    if not 0 < port < 65536:
        raise Problem(f"{port} is not a port", "give --port a number from 1 to 65535")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except PermissionError as error:
            raise Problem(f"port {port} is reserved for root", "choose one above 1023 with --port") from error
        except OSError as error:
            raise Problem(
                f"port {port} is taken by another program",
                f"stop that program (`ss -ltnp 'sport = :{port}'` names it) or choose another port with --port",
            ) from error


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
