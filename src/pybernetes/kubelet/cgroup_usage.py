"""What a control group has used, from the kernel's files, in versions 1 and 2.

Guarantees  A group or a file that is not there (any more) is None, never an error.
The working set is the usage without inactive file pages, as everyone who decides about memory counts it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60


@dataclass(frozen=True, slots=True)
class Memory:
    usage: int
    working_set: int
    rss: int
    page_faults: int
    major_page_faults: int
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class _Names:
    """Where each fact is in one version."""

    inactive_file: str
    rss: str
    page_faults: str
    major_page_faults: str


_V1 = _Names("total_inactive_file", "total_rss", "total_pgfault", "total_pgmajfault")
_V2 = _Names("inactive_file", "anon", "pgfault", "pgmajfault")


class CgroupUsage:
    """Reads groups by their path, such as `/kubepods/burstable/pod…`; `/` is the machine."""

    def __init__(self, mount: Path = MOUNT) -> None:
        self._mount = mount
        self._unified = (mount / "cgroup.controllers").exists()

    def cpu_nanoseconds(self, path: str) -> int | None:
        if self._unified:
            microseconds = _table(self._directory("", path) / "cpu.stat").get("usage_usec")
            return None if microseconds is None else microseconds * 1000
        return _number(self._directory("cpuacct", path) / "cpuacct.usage")

    def memory(self, path: str) -> Memory | None:
        if self._unified:
            directory = self._directory("", path)
            usage, limit = _number(directory / "memory.current"), _number(directory / "memory.max")
            if usage is None and not path.strip("/"):
                usage = _used_of_machine()
        else:
            directory = self._directory("memory", path)
            usage = _number(directory / "memory.usage_in_bytes")
            limit = _number(directory / "memory.limit_in_bytes")
        if usage is None:
            return None
        names = _V2 if self._unified else _V1
        facts = _table(directory / "memory.stat")
        return Memory(
            usage=usage,
            working_set=max(0, usage - facts.get(names.inactive_file, 0)),
            rss=facts.get(names.rss, 0),
            page_faults=facts.get(names.page_faults, 0),
            major_page_faults=facts.get(names.major_page_faults, 0),
            limit=limit if limit is not None and limit < _NO_LIMIT else None,
        )

    def processes(self, path: str) -> list[int]:
        """Those directly in the group."""
        try:
            text = (self._directory("pids", path) / "cgroup.procs").read_text()
        except OSError:
            return []
        return [int(line) for line in text.split()]

    def _directory(self, controller: str, path: str) -> Path:
        base = self._mount if self._unified else self._mount / controller
        return base / path.strip("/")


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _table(file: Path) -> dict[str, int]:
    try:
        text = file.read_text()
    except OSError:
        return {}
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _used_of_machine() -> int | None:
    facts = {name: int(rest.split()[0]) * 1024 for name, rest in meminfo().items()}
    return facts["MemTotal"] - facts["MemFree"] if "MemFree" in facts else None


def meminfo() -> dict[str, str]:
    lines = (line.partition(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return {name: rest.strip() for name, _, rest in lines}


# ---- network -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Interface:
    name: str
    rx_bytes: int
    rx_errors: int
    tx_bytes: int
    tx_errors: int


def interfaces(process: int | str = "self") -> list[Interface]:
    """The counters of the network namespace of a process, without its loopback."""
    try:
        lines = Path(f"/proc/{process}/net/dev").read_text().splitlines()[2:]
    except OSError:
        return []
    found = []
    for line in lines:
        name, _, rest = line.partition(":")
        numbers = [int(value) for value in rest.split()]
        if name.strip() != "lo" and len(numbers) >= 11:
            found.append(Interface(name.strip(), numbers[0], numbers[2], numbers[8], numbers[10]))
    return found


def default_interface(process: int | str = "self") -> str:
    """The interface of the default route, or ""."""
    try:
        lines = Path(f"/proc/{process}/net/route").read_text().splitlines()[1:]
    except OSError:
        return ""
    return next((fields[0] for fields in map(str.split, lines) if fields[1] == "00000000"), "")
