"""Probes, hooks and volumes of a whole kubelet, over a runtime whose commands answer what a test tells them to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from kubelet.worlds import LoopClock, World, container, pod, world
from pybernetes.api.models import core_v1, meta_v1
from pybernetes.api.models.core_v1 import (
    ConfigMap,
    ExecAction,
    Lifecycle,
    LifecycleHandler,
    Pod,
    Probe,
    Volume,
    VolumeMount,
)
from pybernetes.kubelet.runtime import ExecResult, Version
from pybernetes.kubelet.runtime.hollow import HollowRuntime

pytestmark = pytest.mark.virtual_time


class Scripted(HollowRuntime):
    """Seems to run processes. `answers` says how a command ends, by its first word; `ran` is what was run, and when."""

    def __init__(self, clock: LoopClock) -> None:
        super().__init__(clock)
        self.clock = clock
        self.answers: dict[str, Callable[[], int]] = {}
        self.ran: list[tuple[str, float]] = []

    @property
    def runs_processes(self) -> bool:
        return True

    async def version(self) -> Version:
        return Version("scripted", "1")

    async def exec_sync(self, container_id: str, command: Sequence[str], *, timeout: float | None = None) -> ExecResult:
        self.ran.append((command[0], self.clock.monotonic()))
        code = self.answers.get(command[0], lambda: 0)()
        return ExecResult(b"", b"said no" if code else b"", code)

    def times(self, command: str) -> list[float]:
        return [when for what, when in self.ran if what == command]


def scripted(cluster: World) -> Scripted:
    assert isinstance(cluster.runtime, Scripted)
    return cluster.runtime


def probe(command: str, **more: int) -> Probe:
    settings = {"period_seconds": 5, "failure_threshold": 3, "success_threshold": 1, "timeout_seconds": 1, **more}
    return Probe(exec=ExecAction(command=[command]), **settings)  # type: ignore[arg-type]


async def is_ready(cluster: World, name: str, wanted: bool = True) -> Pod:
    async def question() -> Pod | None:
        found = await cluster.pod(name)
        statuses = found.status.container_statuses
        return found if statuses and all(s.ready is wanted for s in statuses) and statuses[0].state.running else None

    found: Pod = await cluster.until(question)
    return found


async def test_the_startup_probe_holds_the_others_back(tmp_path: Path) -> None:
    async with world(tmp_path, Scripted) as cluster:
        runtime = scripted(cluster)
        runtime.answers["started"] = lambda: 0 if len(runtime.times("started")) >= 3 else 1
        main = container(
            "main", startup_probe=probe("started"), readiness_probe=probe("ready"), liveness_probe=probe("alive")
        )
        await cluster.client.create(pod("slow", main))
        await is_ready(cluster, "slow")
        await asyncio.sleep(6)
        last = runtime.times("started")[2]
        assert len(runtime.times("started")) == 3
        assert min(runtime.times("ready")) >= last
        assert min(runtime.times("alive")) >= last


async def test_readiness_comes_and_goes_without_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path, Scripted) as cluster:
        runtime = scripted(cluster)
        await cluster.client.create(pod("web", container("main", readiness_probe=probe("ready"))))
        await is_ready(cluster, "web")
        runtime.answers["ready"] = lambda: 1
        found = await is_ready(cluster, "web", wanted=False)
        assert {c.type: c.status for c in found.status.conditions}["Ready"] == "False"
        runtime.answers["ready"] = lambda: 0
        found = await is_ready(cluster, "web")
        assert found.status.container_statuses[0].restart_count == 0

        async def told() -> bool:
            return any(e.message == "Readiness probe failed: said no" for e in await cluster.events("web"))

        await cluster.until(told)


async def test_a_container_that_fails_its_liveness_probe_is_restarted(tmp_path: Path) -> None:
    async with world(tmp_path, Scripted) as cluster:
        runtime = scripted(cluster)
        runtime.answers["alive"] = lambda: 1
        await cluster.client.create(
            pod("sick", container("main", liveness_probe=probe("alive", initial_delay_seconds=20)))
        )

        async def restarted() -> bool:
            return any(s.restart_count == 1 for s in (await cluster.pod("sick")).status.container_statuses)

        await cluster.until(restarted)
        first, *_ = runtime.times("alive")
        assert first >= 20

        async def told() -> bool:
            message = "Container main failed liveness probe, will be restarted"
            return any((e.reason, e.message) == ("Killing", message) for e in await cluster.events("sick"))

        await cluster.until(told)


async def test_hooks_run_at_both_ends(tmp_path: Path) -> None:
    async with world(tmp_path, Scripted) as cluster:
        runtime = scripted(cluster)
        hooks = Lifecycle(
            post_start=LifecycleHandler(exec=ExecAction(command=["hello"])),
            pre_stop=LifecycleHandler(exec=ExecAction(command=["bye"])),
        )
        await cluster.client.create(pod("polite", container("main", lifecycle=hooks)))
        await cluster.in_phase("polite", "Running")
        assert len(runtime.times("hello")) == 1
        assert not runtime.times("bye")
        await cluster.client.delete(Pod, "polite", "default")

        async def gone() -> bool:
            return not (await cluster.client.list(Pod, "default")).items

        await cluster.until(gone)
        assert len(runtime.times("bye")) == 1


async def test_a_restarted_kubelet_keeps_ready_what_was_ready(tmp_path: Path) -> None:
    async with world(tmp_path, Scripted) as cluster:
        await cluster.client.create(
            pod("web", container("main", readiness_probe=probe("ready", initial_delay_seconds=5)))
        )
        before = await is_ready(cluster, "web")
        await cluster.stop()
        cluster.start()
        await asyncio.sleep(3)
        after = await cluster.pod("web")
        assert after.status.conditions == before.status.conditions


async def test_a_pod_waits_for_its_volumes_and_then_follows_them(tmp_path: Path) -> None:
    async with world(tmp_path, Scripted) as cluster:
        mount = VolumeMount(name="conf", mount_path="/conf")
        volume = Volume(name="conf", config_map=core_v1.ConfigMapVolumeSource(name="later"))
        await cluster.client.create(pod("web", container("main", volume_mounts=[mount]), volumes=[volume]))

        async def told() -> bool:
            message = 'MountVolume.SetUp failed for volume "conf" : configmap "later" not found'
            return any((e.reason, e.message) == ("FailedMount", message) for e in await cluster.events("web"))

        await cluster.until(told)
        assert (await cluster.pod("web")).status.phase == "Pending"
        config = ConfigMap(metadata=meta_v1.ObjectMeta(name="later", namespace="default"), data={"key": "one"})
        await cluster.client.create(config)
        found = await cluster.in_phase("web", "Running")
        path = cluster.node.paths.volume(found.metadata.uid, "kubernetes.io/configmap", "conf") / "key"
        assert path.read_text() == "one"
        await cluster.client.patch(ConfigMap, "later", "default", {"data": {"key": "two"}})

        async def changed() -> bool:
            return path.read_text() == "two"

        await cluster.until(changed)
        await cluster.client.delete(Pod, "web", "default", grace_period=0)

        async def gone() -> bool:
            return not cluster.node.paths.pod(found.metadata.uid).exists()

        await cluster.until(gone)
