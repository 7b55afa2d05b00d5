"""What the node, its pods and their containers use: the document of /stats/summary.

Guarantees  Cumulative counters are the kernel's own. Rates are over the time since the last sample (about
            `SAMPLE_PERIOD`), and over a container's life before there are two. What cannot be measured is left out.
Follows staging/src/k8s.io/kubelet/pkg/apis/stats/v1alpha1 for the document's shape.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import structlog

from pybernetes.api.meta import format_time
from pybernetes.api.models.core_v1 import Pod
from pybernetes.kubelet.cgroup_usage import CgroupUsage, Interface, Memory, default_interface, interfaces, meminfo
from pybernetes.kubelet.logs import LogPlaces, WallClock
from pybernetes.kubelet.runtime import ContainerStats, FilesystemUsage, Runtime, RuntimeFailure, SandboxState
from pybernetes.kubelet.runtime.labels import CONTAINER_NAME, POD_UID, pod_log_directory

log = structlog.get_logger(__name__)

SAMPLE_PERIOD = 10.0
_SHORTEST_WINDOW = 1.0

Document = dict[str, Any]


@dataclass(slots=True)
class _Sample:
    time: float
    counter: int
    rate: int | None = None


class Rates:
    """Counters per second, between one observation of a key and the next."""

    def __init__(self) -> None:
        self._samples: dict[str, _Sample] = {}

    def observe(self, key: str, time: float, counter: int) -> int | None:
        """The rate per second, or None before there are two observations."""
        last = self._samples.get(key)
        if last is None or counter < last.counter:
            self._samples[key] = _Sample(time, counter)
            return None
        if time - last.time < _SHORTEST_WINDOW:
            return last.rate
        rate = round((counter - last.counter) / (time - last.time))
        self._samples[key] = _Sample(time, counter, rate)
        return rate

    def keep_only(self, keys: set[str]) -> None:
        self._samples = {key: sample for key, sample in self._samples.items() if key in keys}


class Stats:
    """Measures one node. `pod_cgroup` gives a pod's control group, "" when pods have none."""

    def __init__(
        self,
        node_name: str,
        runtime: Runtime,
        clock: WallClock,
        *,
        pod_cgroup: Callable[[Pod], str] = lambda pod: "",
        directory: Path = Path("/"),
        places: LogPlaces | None = None,
        usage: CgroupUsage | None = None,
    ) -> None:
        self._node_name = node_name
        self._runtime = runtime
        self._clock = clock
        self._pod_cgroup = pod_cgroup
        self._directory = directory
        self._places = places or LogPlaces()
        self._usage = usage or CgroupUsage()
        self._rates = Rates()
        self._started = datetime.fromtimestamp(psutil.boot_time(), UTC)

    async def run(self, pods: Callable[[], Sequence[Pod]]) -> None:
        """Keep the rates fresh, until cancelled."""
        while True:
            try:
                await self.summary(pods(), only_cpu_and_memory=True)
            except (RuntimeFailure, OSError) as error:
                log.warning("statistics could not be sampled", error=str(error))
            await asyncio.sleep(SAMPLE_PERIOD)

    async def summary(self, pods: Sequence[Pod], *, only_cpu_and_memory: bool = False) -> Document:
        containers = await self._runtime.list_container_stats()
        sandboxes = await self._runtime.list_sandboxes()
        filesystems = [] if only_cpu_and_memory else await self._runtime.image_filesystem()
        by_pod: dict[str, list[ContainerStats]] = {}
        for container in containers:
            by_pod.setdefault(container.labels.get(POD_UID, ""), []).append(container)
        sandbox_of = {s.uid: s.id for s in sandboxes if s.state is SandboxState.READY}
        measured = _Measurement(self, self._clock.now(), filesystems[0] if filesystems else None, only_cpu_and_memory)
        known = {f"container/{c.id}" for c in containers} | {f"pod/{uid}" for uid in sandbox_of} | {"node"}
        self._rates.keep_only(known)

        def measure() -> Document:
            return {
                "node": measured.node(),
                "pods": [
                    measured.pod(pod, by_pod.get(pod.metadata.uid, []), sandbox_of[pod.metadata.uid])
                    for pod in pods
                    if pod.metadata.uid in sandbox_of
                ],
            }

        return await asyncio.to_thread(measure)


@dataclass(frozen=True, slots=True)
class _Measurement:
    """One reading of everything, at one time."""

    of: Stats
    now: datetime
    images: FilesystemUsage | None
    only_cpu_and_memory: bool

    def node(self) -> Document:
        usage = self.of._usage
        document: Document = {
            "nodeName": self.of._node_name,
            "startTime": format_time(self.of._started),
            "cpu": self._cpu("node", self.now, usage.cpu_nanoseconds("/"), self.of._started),
            "memory": self._memory(usage.memory("/"), available_of=_total_memory()),
        }
        if not self.only_cpu_and_memory:
            document |= {
                "network": self._network("self"),
                "fs": self._filesystem(self.of._directory),
                "rlimit": self._processes(),
            }
            if self.images is not None:
                image_fs = self._filesystem(Path(self.images.mountpoint), self.images.used_bytes)
                document["runtime"] = {"imageFs": image_fs, "containerFs": image_fs}
        return document

    def pod(self, pod: Pod, containers: Sequence[ContainerStats], sandbox_id: str) -> Document:
        meta, group = pod.metadata, self.of._pod_cgroup(pod)
        started = pod.status.start_time or meta.creation_timestamp or self.now
        parts = [self._container(pod, container) for container in containers]
        document: Document = {
            "podRef": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
            "startTime": format_time(started),
            "containers": parts,
        }
        memory = self.of._usage.memory(group) if group else None
        nanoseconds = self.of._usage.cpu_nanoseconds(group) if group else None
        if memory is not None and nanoseconds is not None:
            document["cpu"] = self._cpu(f"pod/{meta.uid}", self.now, nanoseconds, started)
            document["memory"] = self._memory(memory)
        else:
            document["cpu"] = _sum(parts, "cpu", self.now)
            document["memory"] = _sum(parts, "memory", self.now)
        if not self.only_cpu_and_memory:
            processes = self.of._usage.processes(f"{group}/{sandbox_id}") if group else []
            if processes and not pod.spec.host_network:
                document["network"] = self._network(processes[0])
            document["ephemeral-storage"] = self._ephemeral(parts)
        return document

    def _container(self, pod: Pod, container: ContainerStats) -> Document:
        name = container.labels.get(CONTAINER_NAME, container.name)
        started = _started(pod, name) or self.now
        document: Document = {"name": name, "startTime": format_time(started)}
        counter = container.cpu_usage_core_nanoseconds
        document["cpu"] = self._cpu(f"container/{container.id}", container.timestamp, counter, started)
        document["memory"] = _without_none(
            {
                "time": format_time(container.timestamp),
                "availableBytes": container.memory_available_bytes or None,
                "usageBytes": container.memory_usage_bytes,
                "workingSetBytes": container.memory_working_set_bytes,
                "rssBytes": container.memory_rss_bytes,
                "pageFaults": container.memory_page_faults,
                "majorPageFaults": container.memory_major_page_faults,
            }
        )
        if not self.only_cpu_and_memory:
            layer = container.writable_layer
            if self.images is not None and layer is not None:
                document["rootfs"] = self._filesystem(Path(self.images.mountpoint), layer.used_bytes)
            meta = pod.metadata
            folder = pod_log_directory(meta.namespace, meta.name, meta.uid, self.of._places.root) / name
            document["logs"] = self._filesystem(folder, _size(folder)) if folder.exists() else None
        return _without_none(document)

    def _cpu(self, key: str, time: datetime, counter: int | None, started: datetime) -> Document:
        if counter is None:
            return {"time": format_time(time)}
        rate = self.of._rates.observe(key, time.timestamp(), counter)
        if rate is None:
            rate = round(counter / max(1.0, (time - started).total_seconds()))
        return {"time": format_time(time), "usageNanoCores": rate, "usageCoreNanoSeconds": counter}

    def _memory(self, memory: Memory | None, available_of: int | None = None) -> Document:
        if memory is None:
            return {"time": format_time(self.now)}
        limit = memory.limit if available_of is None else available_of
        return _without_none(
            {
                "time": format_time(self.now),
                "availableBytes": None if limit is None else max(0, limit - memory.working_set),
                "usageBytes": memory.usage,
                "workingSetBytes": memory.working_set,
                "rssBytes": memory.rss,
                "pageFaults": memory.page_faults,
                "majorPageFaults": memory.major_page_faults,
            }
        )

    def _network(self, process: int | str) -> Document | None:
        found = interfaces(process)
        default = default_interface(process)
        first = next((i for i in found if i.name == default), None)
        document: Document = {"time": format_time(self.now), "interfaces": [_interface(i) for i in found]}
        return document | _interface(first) if first is not None else document

    def _filesystem(self, path: Path, used: int | None = None) -> Document | None:
        try:
            status = os.statvfs(path)
        except OSError:
            return None
        return {
            "time": format_time(self.now),
            "availableBytes": status.f_bavail * status.f_frsize,
            "capacityBytes": status.f_blocks * status.f_frsize,
            "usedBytes": (status.f_blocks - status.f_bfree) * status.f_frsize if used is None else used,
            "inodesFree": status.f_ffree,
            "inodes": status.f_files,
            "inodesUsed": status.f_files - status.f_ffree,
        }

    def _ephemeral(self, containers: Sequence[Document]) -> Document | None:
        document = self._filesystem(self.of._directory)
        if document is not None:
            kinds = [c[kind] for c in containers for kind in ("rootfs", "logs") if kind in c]
            document["usedBytes"] = sum(kind["usedBytes"] for kind in kinds)
        return document

    def _processes(self) -> Document:
        maximum = int(Path("/proc/sys/kernel/pid_max").read_text())
        running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
        return {"time": format_time(self.now), "maxpid": maximum, "curproc": running}


def _interface(interface: Interface) -> Document:
    return {
        "name": interface.name,
        "rxBytes": interface.rx_bytes,
        "rxErrors": interface.rx_errors,
        "txBytes": interface.tx_bytes,
        "txErrors": interface.tx_errors,
    }


def _started(pod: Pod, name: str) -> datetime | None:
    for status in (*pod.status.container_statuses, *pod.status.init_container_statuses):
        if status.name == name and status.state.running is not None:
            return status.state.running.started_at
    return None


def _sum(parts: Sequence[Document], kind: str, now: datetime) -> Document:
    total: Document = {}
    for part in parts:
        for name, value in part[kind].items():
            if name not in ("time", "availableBytes"):
                total[name] = total.get(name, 0) + value
    return {"time": format_time(now), **total}


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


def _total_memory() -> int:
    return int(meminfo()["MemTotal"].split()[0]) * 1024


def _without_none(document: Document) -> Document:
    return {name: value for name, value in document.items() if value is not None}
