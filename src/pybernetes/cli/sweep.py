"""Taking a cluster off the machine, whatever state it is in.

Guarantees  Works after a clean stop, after `kill -9` of everything, when half is gone, twice in a row. What it removes
            is found by the cluster's own names and directories, never by what it looks like, so that another cluster
            or another program's containers beside it are left alone.
Order       Our processes first, because they would bring things back; then containers through their runtime; then by
            hand what is left of them, from processes to files.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from pybernetes.cli import claims, neighbours, processes
from pybernetes.cli.layout import PARTS, Layout, Settings, default_directory

PATIENCE = 12.0
LAST_PATIENCE = 3.0
"""For those whom the supervisor has asked already."""
CGROUPS = Path("/sys/fs/cgroup")


def stop_parts(layout: Layout) -> int:
    """The supervisor ends its parts; those that outlived it are ended by their pid files and their environment."""
    supervisor = processes.read(layout.pid_file("supervisor"))
    parts = parts_of(layout)
    known = [processes.read(layout.pid_file(part)) for part in reversed(parts)]
    count = sum(one is not None for one in (supervisor, *known))
    if supervisor is not None:
        processes.end([supervisor], patience=PATIENCE)
    patience = PATIENCE if supervisor is None else LAST_PATIENCE
    processes.end([one for one in known if one is not None], patience=patience)
    rest = [one for one in processes.marked(layout.root) if _is_part(one.pid)]
    processes.end(rest, patience=2.0)
    for part in ("supervisor", *parts):
        layout.pid_file(part).unlink(missing_ok=True)
    return count + len(rest)


def parts_of(layout: Layout) -> Sequence[str]:
    """Those that can have been started, whatever was chosen since."""
    return (*PARTS, *sorted(file.stem for file in layout.run.glob("node-*.pid")))


def nodes_of(layout: Layout) -> Sequence[int]:
    """The numbers of the nodes that have files: the first, and the further ones that were ever started."""
    names = (entry.name for entry in layout.nodes.iterdir()) if layout.nodes.is_dir() else ()
    return (1, *sorted(int(name) for name in names if name.isdecimal()))


def _is_part(pid: int) -> bool:
    words = processes.command_line(pid).split(b"\0")
    return b"pybernetes.cli.parts" in words or b"pybernetes.cli.supervisor" in words


def sweep_containers(layout: Layout, settings: Settings, *, purge: bool) -> None:
    asyncio.run(_sweep_containers(layout, settings, nodes_of(layout), purge=purge))


async def _sweep_containers(layout: Layout, settings: Settings, numbers: Iterable[int], *, purge: bool) -> None:
    from pybernetes.cli.parts.running import configure_logs
    from pybernetes.cli.parts.runtime import containerd_of

    configure_logs(quiet=True)
    daemons = [containerd_of(layout, settings, number) for number in numbers]
    present = [one for one in daemons if one.configuration.directory.exists()]
    await asyncio.gather(*(one.purge() if purge else one.tear_down() for one in present))


def sweep_nodes(layout: Layout, settings: Settings, *, beyond: int) -> None:
    """Takes away for good the nodes whose numbers are higher. Their processes have ended."""
    from pybernetes.kubelet.cgroups import Cgroups
    from pybernetes.network import node_bridge

    numbers = [number for number in nodes_of(layout) if number > beyond]
    if not numbers:
        return
    asyncio.run(_sweep_containers(layout, settings, numbers, purge=True))
    for number in numbers:
        node_bridge.leave(settings.name, number)
        unmount_under(layout.of_node(number).root)
        Cgroups(settings.cgroup_root_of(number)).remove_all()
        remove_cgroup_root(settings.cgroup_root_of(number))
        shutil.rmtree(layout.of_node(number).root, ignore_errors=True)
    if beyond == 1:
        node_bridge.remove(settings.name)


def sweep_machine(layout: Layout, settings: Settings) -> None:
    """Network, mounts, cgroups and the last processes, all found by the cluster's own names."""
    from pybernetes.kubelet.cgroups import Cgroups
    from pybernetes.network import cni, host, node_bridge
    from pybernetes.network.names import NetworkNames

    names = NetworkNames.of(settings.name)
    processes.end(processes.marked(layout.root), patience=2.0)
    for attachment in cni.cached_attachments(names.cni_network):
        _remove_namespace(attachment.namespace)
        for file in attachment.files:
            file.unlink(missing_ok=True)
    for device in reversed(host.devices_of(names)):
        host.remove_device(device)
    host.remove(names)
    node_bridge.remove(settings.name)
    unmount_under(layout.root, settings.pods_directory)
    for number in reversed(nodes_of(layout)):
        Cgroups(settings.cgroup_root_of(number)).remove_all()
        shutil.rmtree(layout.of_node(number).cni_state, ignore_errors=True)
    remove_cgroup_root(settings.cgroup_root)


def purge_files(layout: Layout, settings: Settings) -> None:
    if settings.runtime == "containerd":
        claims.release(settings, layout.root)
    neighbours.strike(layout.root)
    unmount_under(layout.root)
    shutil.rmtree(layout.root, ignore_errors=True)
    if layout.root == default_directory(layout.root.name):
        with contextlib.suppress(OSError):
            layout.root.parent.rmdir()  # only when the last cluster has gone


def unmount_under(*directories: Path) -> None:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    ours = [
        point
        for point in (Path(text.encode().decode("unicode_escape")) for text in points)
        if any(point.is_relative_to(directory) for directory in directories)
    ]
    for point in sorted(ours, key=lambda p: len(p.parts), reverse=True):
        subprocess.run(("umount", "--lazy", str(point)), check=False, capture_output=True)


def remove_cgroup_root(name: str) -> None:
    """The cluster's own group, in the one hierarchy of version 2 or in each of version 1."""
    hierarchies = (CGROUPS, *(entry for entry in CGROUPS.iterdir() if entry.is_dir()))
    for directory in (hierarchy / name.strip("/") for hierarchy in hierarchies):
        for inner in sorted(directory.rglob("*/"), reverse=True):
            with contextlib.suppress(OSError):
                inner.rmdir()
        with contextlib.suppress(OSError):
            directory.rmdir()


def _remove_namespace(path: str) -> None:
    namespace = Path(path)
    if not namespace.name.startswith("cni-") or not namespace.exists():
        return
    subprocess.run(("umount", "--lazy", path), check=False, capture_output=True)
    namespace.unlink(missing_ok=True)
