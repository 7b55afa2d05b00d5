"""A cluster's life: how long it takes to start, and what it costs while nothing happens."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.connection import Target, trusting
from benchmarks.report import Figure

P8S = str(Path(sys.executable).with_name("p8s"))
STARTS = 3
IDLE_SECONDS = 20.0
SETTLE_SECONDS = 8.0


def measure() -> list[Figure]:
    ready = min(_start_to_ready() for _ in range(STARTS))
    with hollow_cluster() as (directory, seconds):
        time.sleep(SETTLE_SECONDS)
        processes = processes_of(directory)
        before = cpu_of(processes)
        time.sleep(IDLE_SECONDS)
        share = (cpu_of(processes) - before) / IDLE_SECONDS * 100
        supervisor = sum(one.memory_info().rss for one in processes if _is_supervisor(one)) / 1e6
        resident = sum(one.memory_info().rss for one in processes) / 1e6 - supervisor
        unshared = sum(one.memory_full_info().uss for one in processes) / 1e6
    return [
        Figure("empty directory to /readyz", ready, "s", 1.0, at_most=True, note=f"API server alone, best of {STARTS}"),
        Figure("p8s up to node Ready", seconds, "s", 5, at_most=True, note="hollow node"),
        Figure(
            "idle memory",
            resident,
            "MB",
            220,
            at_most=True,
            note=f"three processes; with the supervisor {resident + supervisor:.0f}, of which {unshared:.0f} unshared",
        ),
        Figure("idle CPU", share, "% of a core", 3, at_most=True, note=f"over {IDLE_SECONDS:.0f} s"),
    ]


@contextmanager
def running_server(*beside: str) -> Iterator[tuple[Target, int]]:
    """An API server, and the named parts in a process of their own; the target and the server's pid.

    Never controllers, as scheduler_perf has it: they would declare nodes dead that have no kubelet.
    """
    with (
        tempfile.TemporaryDirectory(prefix="p8s-bench-", dir=roomy()) as text,
        server_in(Path(text), free_port(), *beside) as started,
    ):
        yield started.target, started.pid


class Started(NamedTuple):
    target: Target
    pid: int
    seconds: float
    """From its start until it was ready."""


@contextmanager
def server_in(directory: Path, port: int, *beside: str, patience: float = 60) -> Iterator[Started]:
    """The same on what a directory has stored already; ``patience`` is how long the start may take."""
    with ExitStack() as stack:
        log = stack.enter_context((directory / "bench.log").open("ab"))

        def start(parts: str) -> int:
            command = [P8S, "server", "--data-dir", str(directory), "--port", str(port), "--only", parts]
            process = subprocess.Popen(command, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process.pid

        began = time.perf_counter()
        server = start("apiserver")
        _wait_ready(port, patience)
        seconds = time.perf_counter() - began
        if beside:
            start(",".join(beside))
        token = subprocess.run(
            [P8S, "token", "create", "--admin", "--data-dir", str(directory)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        yield Started(Target(f"https://127.0.0.1:{port}", token, trusting()), server, seconds)


def _start_to_ready() -> float:
    with tempfile.TemporaryDirectory(prefix="p8s-bench-", dir=roomy()) as text:
        port = free_port()
        began = time.perf_counter()
        command = [P8S, "server", "--data-dir", text, "--port", str(port), "--only", "apiserver"]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_ready(port)
            return time.perf_counter() - began
        finally:
            server.terminate()
            server.wait()


@contextmanager
def hollow_cluster(nodes: int = 1, *further: str) -> Iterator[tuple[Path, float]]:
    """The three processes as `p8s up` runs them; and the seconds until it returned, when it waits all nodes Ready."""
    directory = Path(tempfile.mkdtemp(prefix="p8s-bench-", dir=roomy())) / "cluster"
    options = ["--name", f"bench{os.getpid()}", "--data-dir", str(directory)]
    began = time.perf_counter()
    up = [P8S, "up", *options, "--runtime", "hollow", "--nodes", str(nodes), "--port", str(free_port()), *further]
    started = subprocess.run(up, check=False, capture_output=True, text=True)
    if started.returncode:
        raise SystemExit(f"p8s up failed: {started.stderr}")
    seconds = time.perf_counter() - began
    try:
        yield directory, seconds
    finally:
        subprocess.run([P8S, "down", *options, "--purge"], check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(directory.parent, ignore_errors=True)


def processes_of(directory: Path) -> list[psutil.Process]:
    """The cluster's processes carry its directory in their command lines."""
    return [
        one
        for one in psutil.process_iter(["cmdline"])
        if one.pid != os.getpid() and any(str(directory) in part for part in one.info["cmdline"] or ())
    ]


def _is_supervisor(process: psutil.Process) -> bool:
    return any(part.endswith("supervisor") for part in process.cmdline())


def cpu_of(processes: list[psutil.Process]) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in processes)


def _wait_ready(port: int, patience: float = 60) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{port}/readyz", context=trusting(), timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.01)
    raise SystemExit(f"the API server did not become ready within {patience:.0f} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def roomy() -> str:
    """A directory on a disk: writes to memory would measure nothing."""
    return "/var/tmp"
