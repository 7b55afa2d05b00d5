"""What is on the machine: to be compared before a cluster came and after it went."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Inventory:
    processes: frozenset[str]
    mounts: frozenset[str]
    namespaces: frozenset[str]
    links: frozenset[str]
    tables: frozenset[str]
    routes: frozenset[str]
    cgroups: frozenset[str]
    attachments: frozenset[str]

    def beyond(self, before: Inventory) -> dict[str, set[str]]:
        """What is here and was not there before."""
        found = {one.name: set(getattr(self, one.name) - getattr(before, one.name)) for one in fields(self)}
        return {name: items for name, items in found.items() if items}


def take(data_dir: Path) -> Inventory:
    return Inventory(
        processes=frozenset(_processes(str(data_dir))),
        mounts=frozenset(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        namespaces=_names(Path("/run/netns")),
        links=_names(Path("/sys/class/net")),
        tables=_lines("nft", "list", "tables"),
        routes=_lines("ip", "route", "show", "table", "all"),
        cgroups=frozenset(str(path) for path in Path("/sys/fs/cgroup").glob("*/*/")),
        attachments=_names(Path("/var/lib/cni/results")),
    )


def _processes(data_dir: str) -> list[str]:
    """Those that name the cluster's directory in their command line or environment, and containers' shims."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if data_dir.encode() in words and "pytest" not in command:
                found.append(f"{entry.name} {command}")
    return found


def _names(directory: Path) -> frozenset[str]:
    return frozenset(entry.name for entry in directory.iterdir()) if directory.exists() else frozenset()


def _lines(*command: str) -> frozenset[str]:
    return frozenset(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())
