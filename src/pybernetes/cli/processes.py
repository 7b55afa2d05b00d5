"""Processes by pid file: started detached, recognised even when the kernel has given their pid to someone else.

A pid file holds the pid and the process's start time; both must match for the process to be ours.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    started: int  # in clock ticks after boot, as /proc has it

    @property
    def alive(self) -> bool:
        return start_time(self.pid) == self.started

    def signal(self, number: signal.Signals) -> None:
        if self.alive:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


def start_time(pid: int) -> int | None:
    """None: there is no such process, or only its entry waits for the parent."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    after_name = text.rpartition(")")[2].split()
    return None if after_name[0] in "ZX" else int(after_name[19])


def command_line(pid: int) -> bytes:
    """Its words, each ended by a zero byte; empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def of_pid(pid: int) -> Process | None:
    started = start_time(pid)
    return None if started is None else Process(pid, started)


def read(pid_file: Path) -> Process | None:
    """The living process that a pid file names."""
    try:
        pid, started = map(int, pid_file.read_text().split())
    except (FileNotFoundError, ValueError):
        return None
    process = Process(pid, started)
    return process if process.alive else None


def write(pid_file: Path, pid: int) -> None:
    process = of_pid(pid)
    if process is not None:
        pid_file.parent.mkdir(parents=True, exist_ok=True)
        draft = pid_file.with_suffix(".draft")
        draft.write_text(f"{process.pid} {process.started}\n")
        os.replace(draft, pid_file)


def start_detached(arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> int:
    """Starts a program in a session of its own with its output in `log`; it outlives us."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env=dict(environment) if environment is not None else None,
        )
    return child.pid


def end(processes: Iterable[Process], *, patience: float) -> None:
    """Asks politely, waits at most `patience` seconds, then kills."""
    mine = [one for one in processes if one.alive]
    for one in mine:
        one.signal(signal.SIGTERM)
    if not wait_gone(mine, patience):
        for one in mine:
            one.signal(signal.SIGKILL)
        wait_gone(mine, 60.0)


def wait_gone(processes: Iterable[Process], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    rest = list(processes)
    while rest := [one for one in rest if one.alive]:
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def environment_marker(root: Path) -> str:
    """In the environment of every process that a cluster starts: even orphans are found by it."""
    return f"PYBERNETES_DATA_DIR={root}"


def marked(root: Path) -> list[Process]:
    marker = environment_marker(root).encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if marker in environment.split(b"\0") and (process := of_pid(int(entry.name))) is not None:
                found.append(process)
    return found
