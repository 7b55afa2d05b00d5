"""The cluster inside a test: from nothing to three running hollow pods, and what more pods cost."""

from __future__ import annotations

import asyncio
import logging
import time

import structlog

from benchmarks.report import Figure
from pybernetes.api.models.apps_v1 import Deployment, DeploymentSpec
from pybernetes.api.models.core_v1 import Container, PodSpec, PodTemplateSpec
from pybernetes.api.models.meta_v1 import LabelSelector, ObjectMeta
from pybernetes.testing.cluster import Cluster
from pybernetes.testing.loop import VirtualLoop

RUNS = 5
MANY = 400


def measure() -> list[Figure]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    _seconds(3)  # imports and caches
    few = min(_seconds(3) for _ in range(RUNS))
    many = _seconds(MANY, nodes=5)
    return [
        Figure("fixture: nothing to three running pods", few, "s", goal=0.5, at_most=True, note=f"best of {RUNS}"),
        Figure(f"fixture: {MANY} pods on five nodes", MANY / many, "pods/s", note="in one process, virtual time"),
    ]


def _seconds(replicas: int, nodes: int = 1) -> float:
    began = time.perf_counter()
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(_run(replicas, nodes))
    return time.perf_counter() - began


async def _run(replicas: int, nodes: int) -> None:
    async with Cluster(nodes=nodes) as cluster:
        deployment = await cluster.apply(_deployment(replicas))
        await cluster.pods_of(deployment, ready=replicas)


def _deployment(replicas: int) -> Deployment:
    labels = {"app": "web"}
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels=labels), spec=PodSpec(containers=[Container(name="web", image="nginx")])
    )
    return Deployment(
        metadata=ObjectMeta(name="web", namespace="default"),
        spec=DeploymentSpec(replicas=replicas, selector=LabelSelector(match_labels=labels), template=template),
    )
