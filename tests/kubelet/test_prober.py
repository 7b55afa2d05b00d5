"""The probes of a pod's containers, each in its own rhythm."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from kubelet.observations import declared, observed, seen
from kubelet.worlds import LoopClock
from pybernetes.api.models.core_v1 import ExecAction, Pod, Probe
from pybernetes.kubelet.prober import Prober
from pybernetes.kubelet.runtime import ExecResult
from pybernetes.kubelet.runtime.hollow import HollowRuntime

pytestmark = pytest.mark.virtual_time


class Sick(HollowRuntime):
    """Every command fails; which containers were asked, in order."""

    def __init__(self) -> None:
        super().__init__(LoopClock())
        self.asked: list[str] = []

    async def exec_sync(self, container_id: str, *arguments: object, **more: object) -> ExecResult:
        self.asked.append(container_id)
        return ExecResult(b"", b"gone", 1)


def probed(**probes: Probe) -> Pod:
    pod = declared()
    for name, probe in probes.items():
        setattr(pod.spec.containers[0], name, probe)
    return pod


def asking(threshold: int) -> Probe:
    return Probe(exec=ExecAction(command=["true"]), period_seconds=1, failure_threshold=threshold)


@pytest.mark.parametrize("kind", ["liveness_probe", "startup_probe"])
async def test_a_container_that_has_failed_is_asked_again_when_it_is_a_new_one(kind: str) -> None:
    runtime = Sick()
    prober = Prober(runtime, LoopClock(), Random(0), lambda *said: None, lambda: None)
    pod = probed(**{kind: asking(2)})
    prober.follow(pod, observed(seen("main")))
    await asyncio.sleep(60)
    assert runtime.asked == ["main-0"] * 2
    prober.follow(pod, observed(seen("main", restarts=1)))
    await asyncio.sleep(60)
    assert runtime.asked == ["main-0"] * 2 + ["main-1"] * 2
    prober.close()


async def test_a_container_that_is_not_ready_is_asked_on() -> None:
    runtime = Sick()
    prober = Prober(runtime, LoopClock(), Random(0), lambda *said: None, lambda: None)
    prober.follow(probed(readiness_probe=asking(1)), observed(seen("main")))
    await asyncio.sleep(10.5)
    assert len(runtime.asked) >= 10
    prober.close()
