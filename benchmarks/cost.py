"""What a process costs, together with the processes that it has started: of an API server, its committer."""

from __future__ import annotations

import psutil


def cpu_seconds(pid: int) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in _family(pid))


def resident(pid: int) -> float:
    """MB."""
    return sum(one.memory_info().rss for one in _family(pid)) / 1e6


def peak(pid: int) -> float:
    """What they had resident at most, in MB, by /proc/PID/status."""
    return sum(_peak(one.pid) for one in _family(pid))


def _peak(pid: int) -> float:
    with open(f"/proc/{pid}/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def _family(pid: int) -> list[psutil.Process]:
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]
