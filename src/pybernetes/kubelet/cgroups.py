"""Control groups of pods: `<root>/kubepods[/burstable|/besteffort]/pod<uid>`, on version 1 and version 2.

Guarantees  A pod's group exists in every hierarchy with its limits set before its sandbox is made, and is removed
            after it. `remove` answers False while processes are still inside.
Assumes     The cgroupfs driver: the runtime gets the path as it is.
Follows     pkg/kubelet/cm (cgroup_manager_linux.go, pod_container_manager_linux.go,
            qos_container_manager_linux.go).
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .resources import MIN_SHARES, QUOTA_PERIOD, PodResources, Qos, cpu_shares

MOUNT = Path("/sys/fs/cgroup")
KUBEPODS = "kubepods"
_V1_CONTROLLERS = (
    "cpu",
    "cpuacct",
    "cpuset",
    "memory",
    "pids",
    "devices",
    "freezer",
    "blkio",
    "hugetlb",
    "systemd",
    "unified",
)
_V2_CONTROLLERS = ("cpu", "memory", "pids", "cpuset", "io", "hugetlb")


class CgroupFailure(Exception):
    """A control group could not be made or set."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One value in one file; on version 1 the controller says in which hierarchy."""

    controller: str
    file: str
    value: str


def weight(shares: int) -> int:
    """cpu.weight of version 2 for cpu.shares of version 1."""
    return 1 + ((shares - 2) * 9999) // 262_142


def settings_v1(resources: PodResources) -> tuple[Setting, ...]:
    quota = -1 if resources.cpu_quota is None else resources.cpu_quota
    found = [
        Setting("cpu", "cpu.shares", str(cpu_shares(resources.cpu_milli))),
        Setting("cpu", "cpu.cfs_period_us", str(QUOTA_PERIOD)),
        Setting("cpu", "cpu.cfs_quota_us", str(quota)),
        Setting("memory", "memory.limit_in_bytes", str(resources.memory_limit or -1)),
    ]
    return tuple(found)


def settings_v2(resources: PodResources) -> tuple[Setting, ...]:
    quota = "max" if resources.cpu_quota is None else str(resources.cpu_quota)
    return (
        Setting("cpu", "cpu.weight", str(weight(cpu_shares(resources.cpu_milli)))),
        Setting("cpu", "cpu.max", f"{quota} {QUOTA_PERIOD}"),
        Setting("memory", "memory.max", str(resources.memory_limit or "max")),
    )


def path_of(root: str, uid: str, qos: Qos) -> str:
    """The pod's group as the runtime is told it: absolute below the mount."""
    tier = "" if qos is Qos.GUARANTEED else f"/{qos.value.lower()}"
    return f"{root.rstrip('/')}/{KUBEPODS}{tier}/pod{uid}"


class Cgroups:
    """The hierarchies of this machine, below one root for this node."""

    def __init__(self, root: str = "/", mount: Path = MOUNT) -> None:
        self.root = root
        self.mount = mount
        self.unified = (mount / "cgroup.controllers").exists()

    def path_of(self, uid: str, qos: Qos) -> str:
        return path_of(self.root, uid, qos)

    def set_up(self, node_cpu_milli: int, node_memory: int) -> None:
        """The node's tiers: everything for pods, and below it the two that may be starved first."""
        top = f"{self.root.rstrip('/')}/{KUBEPODS}"
        self._make(top)
        self._set(top, PodResources(node_cpu_milli, None, node_memory))
        for tier in (Qos.BURSTABLE, Qos.BEST_EFFORT):
            self._make(f"{top}/{tier.value.lower()}")
        self.share(0)

    def share(self, burstable_cpu_milli: int) -> None:
        """Processor shares of the tiers: burstable by what its pods request, best effort the least."""
        top = f"{self.root.rstrip('/')}/{KUBEPODS}"
        for tier, shares in ((Qos.BURSTABLE, cpu_shares(burstable_cpu_milli)), (Qos.BEST_EFFORT, MIN_SHARES)):
            path = f"{top}/{tier.value.lower()}"
            if self.unified:
                self._write(path, Setting("cpu", "cpu.weight", str(weight(shares))))
            else:
                self._write(path, Setting("cpu", "cpu.shares", str(shares)))

    def make_pod(self, uid: str, qos: Qos, resources: PodResources) -> str:
        path = self.path_of(uid, qos)
        self._make(path)
        self._set(path, resources)
        return path

    def update_pod(self, uid: str, qos: Qos, resources: PodResources) -> None:
        self._set(self.path_of(uid, qos), resources)

    def remove_pod(self, uid: str) -> bool:
        removed = [self._remove(self.path_of(uid, qos)) for qos in Qos]
        return all(removed)

    def pods(self) -> set[str]:
        """The uids that have a group."""
        top = f"{self.root.rstrip('/')}/{KUBEPODS}"
        found: set[str] = set()
        for tier in ("", "/burstable", "/besteffort"):
            for directory in self._directories(top + tier):
                found.update(entry.name[3:] for entry in _children(directory) if entry.name.startswith("pod"))
        return found

    def remove_all(self) -> bool:
        """Everything of this node; False while something still runs in it."""
        removed = [self.remove_pod(uid) for uid in self.pods()]
        top = f"{self.root.rstrip('/')}/{KUBEPODS}"
        tiers = [self._remove(f"{top}/{tier}") for tier in ("burstable", "besteffort")]
        return all([*removed, *tiers, self._remove(top)])

    def remove_root(self) -> bool:
        """The group under which this node's are, when it is the node's own."""
        return self.root.strip("/") == "" or self._remove(self.root)

    def _directories(self, path: str) -> list[Path]:
        relative = path.lstrip("/")
        if self.unified:
            return [self.mount / relative]
        return [self.mount / name / relative for name in _V1_CONTROLLERS if (self.mount / name).is_dir()]

    def _make(self, path: str) -> None:
        for directory in self._directories(path):
            try:
                directory.mkdir(parents=True, exist_ok=True)
                if not self.unified and directory.relative_to(self.mount).parts[0] == "cpuset":
                    self._inherit_cpuset(directory)
            except OSError as error:
                raise CgroupFailure(f"make control group {directory}: {error}") from error
        if self.unified:
            self._delegate(path)

    def _inherit_cpuset(self, directory: Path) -> None:
        """A new cpuset of version 1 is empty and takes no process before it has its parent's values."""
        top = self.mount / "cpuset"
        for at in reversed([directory, *directory.parents]):
            if top not in at.parents:
                continue
            for name in ("cpuset.cpus", "cpuset.mems"):
                if (at / name).exists() and not (at / name).read_text().strip():
                    (at / name).write_text((at.parent / name).read_text())

    def _delegate(self, path: str) -> None:
        """On version 2 each level must hand its controllers down."""
        parts = [part for part in path.split("/") if part]
        available = (self.mount / "cgroup.controllers").read_text().split()
        wanted = " ".join(f"+{name}" for name in _V2_CONTROLLERS if name in available)
        for depth in range(len(parts)):
            ancestor = self.mount / "/".join(parts[:depth])
            try:
                (ancestor / "cgroup.subtree_control").write_text(wanted)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise CgroupFailure(f"enable controllers in {ancestor}: {error}") from error
                self._evacuate(ancestor)
                (ancestor / "cgroup.subtree_control").write_text(wanted)

    def _evacuate(self, group: Path) -> None:
        """Inside a container the top group has processes itself, and such a group cannot hand controllers on."""
        refuge = group / "init"
        refuge.mkdir(exist_ok=True)
        for process in (group / "cgroup.procs").read_text().split():
            try:
                (refuge / "cgroup.procs").write_text(process)
            except ProcessLookupError:
                continue

    def _set(self, path: str, resources: PodResources) -> None:
        for setting in settings_v2(resources) if self.unified else settings_v1(resources):
            self._write(path, setting)

    def _write(self, path: str, setting: Setting) -> None:
        base = self.mount if self.unified else self.mount / setting.controller
        if not base.is_dir():
            return
        file = base / path.lstrip("/") / setting.file
        try:
            file.write_text(setting.value)
        except OSError as error:
            if error.errno == errno.ENOENT and self.unified and setting.controller not in self._enabled(path):
                return
            raise CgroupFailure(f"write {setting.value!r} to {file}: {error}") from error

    def _enabled(self, path: str) -> list[str]:
        """A controller that this machine does not give to control groups cannot be set."""
        file = self.mount / path.lstrip("/") / "cgroup.controllers"
        return file.read_text().split() if file.exists() else []

    def _remove(self, path: str) -> bool:
        removed = [_remove_tree(directory) for directory in self._directories(path)]
        return all(removed)


def _remove_tree(directory: Path) -> bool:
    try:
        removed = [_remove_tree(child) for child in _children(directory)]
        emptied = all(removed)
        if emptied and directory.exists():
            directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno == errno.EBUSY:
            return False
        raise CgroupFailure(f"remove control group {directory}: {error}") from error
    return emptied


def _children(directory: Path) -> Iterable[Path]:
    is_directory: Callable[[Path], bool] = Path.is_dir
    try:
        return [entry for entry in directory.iterdir() if is_directory(entry)]
    except (FileNotFoundError, NotADirectoryError):
        return []
