"""A cluster state under a configuration of a test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from pybernetes.api.models import core_v1
from pybernetes.scheduler.assumed_volumes import AssumedVolumes
from pybernetes.scheduler.configuration.loading import read
from pybernetes.scheduler.evaluation import Evaluator
from pybernetes.scheduler.profiles import build_profiles
from pybernetes.scheduler.registry import ROWS, Parts, Row, argument_types
from pybernetes.scheduler.scheduler import Scheduler
from pybernetes.testing.cluster import Cluster
from scheduler.objects import World


def configuration(*profiles: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    kind = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}
    return {**kind, "profiles": list(profiles), **fields}


def policy(predicates: str = "", **priorities: int) -> dict[str, Any]:
    """Names of predicates, and weights of priorities."""
    return {
        "apiVersion": "v1",
        "kind": "Policy",
        "predicates": [{"name": name} for name in predicates.split()],
        "priorities": [{"name": name, "weight": weight} for name, weight in priorities.items()],
    }


class ConfiguredWorld(World):
    """``evaluator`` is that of the first profile."""

    def __init__(self, document: Mapping[str, Any], *nodes: core_v1.Node, rows: Mapping[str, Row] = ROWS) -> None:
        super().__init__(*nodes)
        parts = Parts(self.state, self.workloads, AssumedVolumes(self.state.storage))
        self.profiles = build_profiles(read(document, argument_types(rows)), parts, rows)
        self.evaluators = {name: Evaluator(self.state, one, Random(1)) for name, one in self.profiles.items()}
        self.evaluator = next(iter(self.evaluators.values()))


@asynccontextmanager
async def scheduled(document: Mapping[str, Any], rows: Mapping[str, Row] = ROWS) -> AsyncIterator[Cluster]:
    async with Cluster(nodes=2, scheduler=False) as cluster:
        chosen = read(document, argument_types(rows))
        running = asyncio.create_task(Scheduler(cluster.client, cluster.clock, Random(1), chosen, rows).run())
        try:
            yield cluster
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
