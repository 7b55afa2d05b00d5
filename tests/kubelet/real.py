"""A kubelet over a real containerd, with an API server in the same process. Needs root."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from kubelet.worlds import api
from pybernetes.api.clock import SystemClock
from pybernetes.api.models.core_v1 import Pod
from pybernetes.client import Client
from pybernetes.kubelet.configuration import NodeConfiguration
from pybernetes.kubelet.containerd import Containerd, ContainerdConfiguration
from pybernetes.kubelet.images import ImageStore
from pybernetes.kubelet.kubelet import Kubelet
from pybernetes.kubelet.runtime.cri import CriRuntime
from pybernetes.network import cni


@dataclass
class Machine:
    """A node with real containers; `start` begins another kubelet over the same containers."""

    client: Client
    daemon: Containerd
    runtime: CriRuntime
    node: NodeConfiguration
    kubelet: Kubelet
    task: asyncio.Task[None]

    def start(self) -> None:
        self.kubelet = Kubelet(self.client, self.runtime, self.node, SystemClock(), Random(1))
        self.task = asyncio.create_task(self.kubelet.run())

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


@asynccontextmanager
async def machine() -> AsyncIterator[Machine]:
    missing = [name for name in ("containerd", "runc", "ip") if shutil.which(name) is None]
    if os.geteuid() != 0 or missing:
        raise RuntimeError(f"needs root, and {missing or 'nothing else'}")
    root = Path(tempfile.mkdtemp(prefix="p8s-kubelet-"))
    tag = secrets.token_hex(3)
    bridge = f"p8sk{tag}"
    octet = secrets.randbelow(200) + 20
    pods = cni.PodNetwork(f"p8s-{tag}", bridge, f"10.231.{octet}.0/24", str(root / "cni-state"))
    cni.write(pods, root / "cni")
    daemon = Containerd(ContainerdConfiguration(root / "containerd", root / "cni"))
    runtime: CriRuntime | None = None
    try:
        await daemon.start()
        await ImageStore(daemon, Path("/var/tmp/p8s-test-images")).ensure(["pause", "busybox"])
        runtime = CriRuntime(daemon.configuration.socket)
        node = NodeConfiguration(
            "node-1",
            addresses=("127.0.0.1",),
            root=root / "kubelet",
            pod_logs=root / "pod-logs",
            container_logs=root / "container-logs",
            cgroup_root=f"/p8s-{tag}",
            relist_period=0.2,
        )
        async with api(SystemClock()) as client:
            kubelet = Kubelet(client, runtime, node, SystemClock(), Random(1))
            found = Machine(client, daemon, runtime, node, kubelet, asyncio.create_task(kubelet.run()))
            try:
                yield found
            finally:
                await found.stop()
    finally:
        if runtime is not None:
            await runtime.close()
        await daemon.purge()
        _clean(root, bridge, f"/p8s-{tag}")


def _clean(root: Path, bridge: str, cgroup_root: str) -> None:
    from pybernetes.kubelet.cgroups import Cgroups
    from pybernetes.kubelet.volumes.mounter import SystemMounter

    subprocess.run(["ip", "link", "delete", bridge], check=False, capture_output=True)
    SystemMounter().unmount_below(root)
    cgroups = Cgroups(cgroup_root)
    cgroups.remove_all()
    cgroups.remove_root()
    shutil.rmtree(root)


async def until(question: Callable[[], Awaitable[Any]], seconds: float = 240) -> Any:
    async with asyncio.timeout(seconds):
        while not (answer := await question()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return answer


async def phase(node: Machine, name: str, wanted: str) -> Pod:
    async def question() -> Pod | None:
        found = await node.client.get(Pod, name, "default")
        ready = all(s.ready for s in found.status.container_statuses) or wanted != "Running"
        return found if found.status.phase == wanted and ready else None

    found: Pod = await until(question)
    return found


async def output(node: Machine, found: Pod, name: str, *command: str) -> str:
    (wanted,) = [s for s in found.status.container_statuses if s.name == name]
    result = await node.runtime.exec_sync(wanted.container_id.partition("://")[2], list(command))
    return (result.stdout + result.stderr).decode()


async def gone(node: Machine, name: str) -> None:
    async def question() -> bool:
        return all(p.metadata.name != name for p in (await node.client.list(Pod, "default")).items)

    await until(question)
