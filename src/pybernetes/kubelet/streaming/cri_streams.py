"""Exec, attach and port-forward over a CRI streaming server's SPDY endpoints."""

from __future__ import annotations

from dataclasses import dataclass

from pybernetes.kubelet.runtime import NotSupported, PortForward, Session


@dataclass(frozen=True, slots=True)
class Wanted:
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


async def open_session(operation: str, url: str, wanted: Wanted) -> Session:
    raise NotSupported(operation, f"streaming from {url} is not built yet")


async def open_port_forward(url: str) -> PortForward:
    raise NotSupported("PortForward", f"streaming from {url} is not built yet")
