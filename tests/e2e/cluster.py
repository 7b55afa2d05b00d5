"""A cluster as its user has it: p8s and kubectl, nothing else."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAMS = Path(sys.executable).parent
PATIENCE = 240
"""Seconds for what takes one or two on a machine that has nothing else to do."""
_given: set[int] = set()


@dataclass(frozen=True)
class UserCluster:
    name: str
    data_dir: Path
    port: int

    def p8s(self, *words: str, check: bool = True, timeout: float = 400) -> subprocess.CompletedProcess[str]:
        which = ["--name", self.name, "--data-dir", str(self.data_dir)]
        return _run([str(PROGRAMS / "p8s"), *words, *which], check=check, timeout=timeout)

    def up(self, runtime: str = "containerd", *more: str) -> None:
        self.p8s("up", "--runtime", runtime, "--port", str(self.port), *more)

    def kubectl(self, *words: str, check: bool = True, text: str | None = None) -> str:
        environment = {**os.environ, "KUBECONFIG": str(self.data_dir / "kubeconfig")}
        return _run(
            [str(PROGRAMS / "kubectl"), *words], check=check, timeout=400, environment=environment, text=text
        ).stdout

    def get(self, *words: str) -> dict[str, Any]:
        found = json.loads(self.kubectl("get", *words, "-o", "json"))
        assert isinstance(found, dict)
        return found

    def wait(self, *words: str, seconds: int = PATIENCE) -> None:
        self.kubectl("wait", f"--timeout={seconds}s", *words)

    def until(self, what: str, holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Other processes are waited for, not slept for: looks again until it holds, and fails by name."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
            time.sleep(0.1)

    @property
    def kubelet_root(self) -> Path:
        """/var/lib/kubelet for the first cluster on a machine; another one keeps its pods apart."""
        return Path(json.loads((self.data_dir / "cluster.json").read_text())["kubelet_root"])

    def pids(self) -> dict[str, int]:
        status = json.loads(self.p8s("status", "-o", "json", check=False).stdout)
        return {one["name"]: one["pid"] for one in status["components"] if one["pid"]}


def free_port() -> int:
    """One that the kernel does not hand to clients in the meantime, and that nobody was given before."""
    for port in random.sample(range(20000, 29000), 1000):
        with socket.socket() as probe:
            if port not in _given and probe.connect_ex(("127.0.0.1", port)) != 0:
                _given.add(port)
                return port
    raise AssertionError("no port is free")


def _run(
    command: list[str],
    *,
    check: bool,
    timeout: float,
    environment: dict[str, str] | None = None,
    text: str | None = None,
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, env=environment, check=False, input=text
    )
    if check:
        assert done.returncode == 0, f"{' '.join(command[1:])}\n{done.stdout}\n{done.stderr}"
    return done
