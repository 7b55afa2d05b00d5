"""What a scheduler at work remembers of its own decisions."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import msgspec
import pytest

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.scheduler.explaining.explanation import Outcome, Source
from pybernetes.scheduler.scheduler import Scheduler
from pybernetes.testing.cluster import Cluster

pytestmark = pytest.mark.virtual_time


def pod(name: str, cpu: str, **spec: Any) -> core_v1.Pod:
    container = {"name": "main", "image": "busybox", "resources": {"requests": {"cpu": cpu}}}
    document = {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": [container], **spec}}
    return msgspec.convert(document, core_v1.Pod)


async def test_decisions_are_told_as_they_were_taken() -> None:
    async with Cluster(nodes=2, scheduler=False) as cluster:
        scheduler = Scheduler(cluster.client, cluster.clock, Random(0))
        running = asyncio.create_task(scheduler.run())
        await cluster.apply(pod("web", "6"))
        await cluster.apply(pod("large", "9"))
        await cluster.settle()
        placed = scheduler.explainer.last(Key("default", "web"))
        pending = scheduler.explainer.last(Key("default", "large"))
        compared = scheduler.explainer.now(Key("default", "web"))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert (placed.source, placed.outcome, placed.attempt) == (Source.DECISION, Outcome.PLACED, 1)
    assert (compared.source, compared.node) == (Source.COMPARISON, placed.node)
    assert (pending.source, pending.outcome) == (Source.DECISION, Outcome.PENDING)
    assert sorted(change.changes[0].partition(" (")[0] for change in pending.changes) in (
        ["lacks 1 cpu", "lacks 1 cpu"],
        ["lacks 1 cpu", "lacks 7 cpu"],
    )
    assert pending.preemption is not None
    assert sum(pending.preemption.reasons.values()) == 2
