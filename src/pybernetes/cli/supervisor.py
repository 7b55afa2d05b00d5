"""The supervisor of one cluster: starts its processes, and starts again those that end.

Run as `python -m pybernetes.cli.supervisor DIR`; imports little but the standard library, because it stays in memory.
Guarantees  The API server starts alone; the others follow when it listens, so that it gets ready sooner.
            A part that ends is started again after 0.2 s, 0.4 s … at most 30 s; one that ran for a minute begins anew.
            On SIGTERM every part is asked to end (the nodes first, the API server last), then killed; nothing remains
            of the supervisor but its log.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pybernetes.cli import processes
from pybernetes.cli.layout import Layout, Settings
from pybernetes.network.names import namespace_of

FIRST_DELAY = 0.2
LONGEST_DELAY = 30.0
HEALTHY_AFTER = 60.0
GATE_INTERVAL = 0.03
GATE_PATIENCE = 10.0
PATIENCE = 10.0


@dataclass(slots=True)
class Part:
    name: str
    command: list[str]
    pid: int = 0
    started_at: float = 0.0
    starts: int = 0
    delay: float = 0.0
    due: float = 0.0
    last_exit: str = ""
    ended_at: float = 0.0


def command_of(part: str, layout: Layout) -> list[str]:
    return [sys.executable, "-m", "pybernetes.cli.parts", part, str(layout.root)]


def place_of(part: str, settings: Settings) -> list[str]:
    """What comes before the command: a further node is born in its network, and may give itself a host name."""
    number = part.removeprefix("node-")
    if number == part:
        return []
    return ["nsenter", f"--net={namespace_of(settings.name, int(number))}", "unshare", "--uts"]


def delay_after(previous: float, ran_for: float) -> float:
    """How long to wait before the next start."""
    if ran_for >= HEALTHY_AFTER or not previous:
        return FIRST_DELAY
    return min(previous * 2, LONGEST_DELAY)


def record_of(layout: Layout) -> Path:
    return layout.run / "supervisor.json"


def read_record(layout: Layout) -> dict[str, Any]:
    """What the supervisor last wrote about each part: pid, starts, lastExit, endedAt. Empty before the first time."""
    try:
        found = json.loads(record_of(layout).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class Supervisor:
    def __init__(self, layout: Layout, settings: Settings, parts: Sequence[str] = ()) -> None:
        self._layout = layout
        self._parts = [
            Part(name, [*place_of(name, settings), *command_of(name, layout)]) for name in parts or settings.parts
        ]
        self._port = settings.port
        self._gate_ends = 0.0
        self._stopping = False
        marker, _, value = processes.environment_marker(layout.root).partition("=")
        lean = {"MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1", "GRPC_ENABLE_FORK_SUPPORT": "0"}
        self._environment = {**os.environ, **lean, marker: value}

    def run(self) -> None:
        wake_read, wake_write = os.pipe()
        for end in (wake_read, wake_write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake_write)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        processes.write(self._layout.pid_file("supervisor"), os.getpid())
        self._gate_ends = time.monotonic() + GATE_PATIENCE
        while not self._stopping:
            now = time.monotonic()
            self._reap(now)
            self._start_due(now)
            self._record()
            select.select([wake_read], [], [], self._nap(time.monotonic()))
            _drain(wake_read)
        self._end_all()

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _gate_open(self, now: float) -> bool:
        """Whether the parts that only talk to the API server may start."""
        if self._gate_ends and (now >= self._gate_ends or _listens(self._port)):
            self._gate_ends = 0.0
        return not self._gate_ends

    def _start_due(self, now: float) -> None:
        for part in self._parts:
            if not part.pid and part.due <= now:
                if part is not self._parts[0] and not self._gate_open(now):
                    part.due = now + GATE_INTERVAL
                    continue
                part.pid = processes.start_detached(part.command, self._layout.log_of(part.name), self._environment)
                part.started_at = now
                part.starts += 1
                processes.write(self._layout.pid_file(part.name), part.pid)

    def _reap(self, now: float) -> None:
        for part in self._parts:
            if part.pid:
                pid, status = os.waitpid(part.pid, os.WNOHANG)
                if pid:
                    part.last_exit = _describe(os.waitstatus_to_exitcode(status))
                    part.ended_at = time.time()
                    part.delay = delay_after(part.delay, now - part.started_at)
                    part.due = now + part.delay
                    part.pid = 0
                    self._layout.pid_file(part.name).unlink(missing_ok=True)
                    print(f"{part.name} {part.last_exit}; it is started again in {part.delay:.1f} s", flush=True)

    def _nap(self, now: float) -> float | None:
        waits = [max(0.0, part.due - now) for part in self._parts if not part.pid]
        return min(waits) if waits else None

    def _record(self) -> None:
        state = {
            part.name: {
                "pid": part.pid,
                "starts": part.starts,
                "lastExit": part.last_exit,
                "endedAt": part.ended_at,
            }
            for part in self._parts
        }
        target = record_of(self._layout)
        draft = target.with_suffix(".draft")
        draft.write_text(json.dumps(state))
        os.replace(draft, target)

    def _end_all(self) -> None:
        for part in reversed(self._parts):
            if part.pid and (process := processes.of_pid(part.pid)):
                process.signal(signal.SIGTERM)
                deadline = time.monotonic() + PATIENCE
                while time.monotonic() < deadline and not os.waitpid(part.pid, os.WNOHANG)[0]:
                    time.sleep(0.02)
                process.signal(signal.SIGKILL)
            self._layout.pid_file(part.name).unlink(missing_ok=True)
        self._layout.pid_file("supervisor").unlink(missing_ok=True)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _describe(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def _drain(descriptor: int) -> None:
    try:
        os.read(descriptor, 512)
    except BlockingIOError:
        return


def main() -> None:
    layout = Layout(Path(sys.argv[1]))
    settings = layout.read_settings()
    if settings is None:
        raise SystemExit(f"{layout.settings_file} is missing: start the cluster with `p8s up`.")
    Supervisor(layout, settings).run()


if __name__ == "__main__":
    main()
