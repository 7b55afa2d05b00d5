"""Statistics: control groups of both versions, rates, and the summary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pybernetes.api.models.core_v1 import (
    Container,
    ContainerState,
    ContainerStateRunning,
    ContainerStatus,
    Pod,
    PodSpec,
    PodStatus,
)
from pybernetes.api.models.meta_v1 import ObjectMeta
from pybernetes.kubelet.cgroup_usage import CgroupUsage, Memory
from pybernetes.kubelet.runtime import ContainerConfig, ContainerStats, SandboxConfig
from pybernetes.kubelet.runtime import ContainerState as RunState
from pybernetes.kubelet.runtime.hollow import HollowRuntime
from pybernetes.kubelet.runtime.labels import container_labels
from pybernetes.kubelet.stats import Rates, Stats
from pybernetes.kubelet.stats_cadvisor import cadvisor_metrics
from pybernetes.kubelet.stats_metrics import resource_metrics, running_metrics

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    files = {
        "cpuacct/kubepods/pod1/cpuacct.usage": "5000000000\n",
        "memory/kubepods/pod1/memory.usage_in_bytes": "1000\n",
        "memory/kubepods/pod1/memory.limit_in_bytes": "9223372036854771712\n",
        "memory/kubepods/pod1/memory.stat": "total_inactive_file 100\ntotal_rss 600\n"
        "total_pgfault 7\ntotal_pgmajfault 1\n",
        "pids/kubepods/pod1/cgroup.procs": "12\n13\n",
    }
    write(tmp_path, **files)
    return tmp_path


@pytest.fixture
def version_2(tmp_path: Path) -> Path:
    files = {
        "cgroup.controllers": "cpu memory pids\n",
        "kubepods/pod1/cpu.stat": "usage_usec 5000000\nuser_usec 4000000\n",
        "kubepods/pod1/memory.current": "1000\n",
        "kubepods/pod1/memory.max": "2000\n",
        "kubepods/pod1/memory.stat": "anon 600\ninactive_file 100\npgfault 7\npgmajfault 1\n",
        "kubepods/pod1/cgroup.procs": "12\n13\n",
    }
    write(tmp_path, **files)
    return tmp_path


@pytest.mark.parametrize(("version", "limit"), [("version_1", None), ("version_2", 2000)])
def test_both_versions_of_control_groups_tell_the_same(
    version: str, limit: int | None, request: pytest.FixtureRequest
) -> None:
    usage = CgroupUsage(request.getfixturevalue(version))
    assert usage.cpu_nanoseconds("/kubepods/pod1") == 5_000_000_000
    assert usage.memory("/kubepods/pod1") == Memory(1000, 900, 600, 7, 1, limit)
    assert usage.processes("/kubepods/pod1") == [12, 13]


@pytest.mark.parametrize("version", ["version_1", "version_2"])
def test_a_group_that_is_gone_is_nothing(version: str, request: pytest.FixtureRequest) -> None:
    usage = CgroupUsage(request.getfixturevalue(version))
    assert usage.cpu_nanoseconds("/gone") is None
    assert usage.memory("/gone") is None
    assert usage.processes("/gone") == []


def test_a_rate_is_what_was_added_between_two_observations() -> None:
    rates = Rates()
    assert rates.observe("a", 0.0, 1000) is None
    assert rates.observe("a", 10.0, 3000) == 200
    assert rates.observe("a", 10.5, 9000) == 200, "too soon for a new rate"
    assert rates.observe("a", 20.0, 3000) == 0
    assert rates.observe("a", 30.0, 10) is None, "a counter that went back has begun anew"


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time


class BusyRuntime(HollowRuntime):
    """Every container has used two seconds of processor time and a little memory."""

    counter = 2_000_000_000

    async def list_container_stats(self) -> list[ContainerStats]:
        return [
            ContainerStats(
                id=container.id,
                name=container.name,
                timestamp=self._clock.now(),
                labels=container.labels,
                cpu_usage_core_nanoseconds=self.counter,
                memory_working_set_bytes=4096,
                memory_usage_bytes=8192,
            )
            for container in await self.list_containers()
        ]


async def measured(tmp_path: Path) -> tuple[Stats, BusyRuntime, Clock, Pod]:
    clock = Clock()
    runtime = BusyRuntime(clock)
    sandbox = SandboxConfig("web", "default", "uid-1")
    image = await runtime.pull_image("busybox")
    identifier = await runtime.run_sandbox(sandbox)
    for name in ("main", "side"):
        config = ContainerConfig(name, image, labels=container_labels("web", "default", "uid-1", name))
        await runtime.start_container(await runtime.create_container(identifier, config, sandbox))
    running = ContainerState(running=ContainerStateRunning(started_at=NOW - timedelta(seconds=4)))
    pod = Pod(
        metadata=ObjectMeta(name="web", namespace="default", uid="uid-1"),
        spec=PodSpec(containers=[Container(name="main"), Container(name="side")]),
        status=PodStatus(
            start_time=NOW - timedelta(seconds=5),
            container_statuses=[ContainerStatus(name=name, state=running) for name in ("main", "side")],
        ),
    )
    return Stats("node-1", runtime, clock, usage=CgroupUsage(tmp_path), directory=tmp_path), runtime, clock, pod


async def test_a_pod_without_a_group_of_its_own_is_the_sum_of_its_containers(tmp_path: Path) -> None:
    stats, _, _, pod = await measured(tmp_path)
    (told,) = (await stats.summary([pod]))["pods"]
    assert told["podRef"] == {"name": "web", "namespace": "default", "uid": "uid-1"}
    assert [container["name"] for container in told["containers"]] == ["main", "side"]
    assert told["cpu"]["usageCoreNanoSeconds"] == 4_000_000_000
    assert told["memory"]["workingSetBytes"] == 8192


async def test_rates_are_told_from_the_first_time_on(tmp_path: Path) -> None:
    stats, runtime, clock, pod = await measured(tmp_path)
    first = await stats.summary([pod])
    assert first["pods"][0]["containers"][0]["cpu"]["usageNanoCores"] == 500_000_000, "over the container's life"
    clock.time += timedelta(seconds=10)
    runtime.counter += 1_000_000_000
    second = await stats.summary([pod])
    assert second["pods"][0]["containers"][0]["cpu"]["usageNanoCores"] == 100_000_000, "since the last time"


async def test_the_node_tells_its_memory_filesystem_and_network(tmp_path: Path) -> None:
    stats, _, _, _ = await measured(tmp_path)
    node = (await stats.summary([]))["node"]
    assert node["nodeName"] == "node-1"
    assert node["fs"]["capacityBytes"] > 0
    assert {"cpu", "memory", "network", "rlimit", "runtime", "startTime"} <= node.keys()
    brief = (await stats.summary([], only_cpu_and_memory=True))["node"]
    assert brief.keys() == {"nodeName", "startTime", "cpu", "memory"}


async def test_the_summary_is_also_told_as_metrics(tmp_path: Path) -> None:
    stats, _, _, pod = await measured(tmp_path)
    text = resource_metrics(await stats.summary([pod], only_cpu_and_memory=True)).decode()
    assert 'pod_memory_working_set_bytes{namespace="default",pod="web"} 8192.0' in text
    assert 'container_cpu_usage_seconds_total{container="main",namespace="default",pod="web"} 2.0' in text
    assert "resource_scrape_error 0.0" in text


async def test_dashboards_find_their_usual_series(tmp_path: Path) -> None:
    stats, _, _, pod = await measured(tmp_path)
    images = {("default", "web", "main"): ("abc", "busybox")}
    text = cadvisor_metrics(await stats.summary([pod]), images).decode()
    labels = 'container="main",cpu="total",id="abc",image="busybox",name="abc",namespace="default",pod="web"'
    assert f"container_cpu_usage_seconds_total{{{labels}}} 2.0" in text
    assert 'container_memory_working_set_bytes{container="",id="poduid-1"' in text
    assert "machine_cpu_cores" in text


def test_what_runs_is_counted_by_state() -> None:
    text = running_metrics([RunState.RUNNING, RunState.RUNNING, RunState.EXITED], 2).decode()
    assert 'kubelet_running_containers{container_state="running"} 2.0' in text
    assert 'kubelet_running_containers{container_state="exited"} 1.0' in text
    assert "kubelet_running_pods 2.0" in text
