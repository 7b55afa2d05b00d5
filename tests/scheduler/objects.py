"""Nodes and pods for scheduler tests, with only what a test cares about."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import msgspec

from pybernetes.api.models import core_v1
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.evaluation import Evaluator
from pybernetes.scheduler.pod_info import PodInfo, pod_info
from pybernetes.scheduler.profiles import default_profile
from pybernetes.scheduler.workloads import Workloads


def node(
    name: str,
    *,
    cpu: str = "4",
    memory: str = "8Gi",
    pods: str = "110",
    labels: Mapping[str, str] | None = None,
    **spec: Any,
) -> core_v1.Node:
    return msgspec.convert(
        {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
            "spec": spec,
            "status": {"allocatable": {"cpu": cpu, "memory": memory, "pods": pods}},
        },
        core_v1.Node,
    )


def pod(
    name: str,
    *,
    cpu: str = "",
    memory: str = "",
    labels: Mapping[str, str] | None = None,
    namespace: str = "default",
    ports: list[dict[str, Any]] | None = None,
    requests: Mapping[str, str] | None = None,
    **spec: Any,
) -> PodInfo:
    wanted = {**({"cpu": cpu} if cpu else {}), **({"memory": memory} if memory else {}), **(requests or {})}
    container = {"name": "main", "image": "x", "ports": ports or [], "resources": {"requests": wanted}}
    document = {
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": dict(labels or {})},
        "spec": {"containers": [container], **spec},
    }
    return pod_info(msgspec.convert(document, core_v1.Pod))


class World:
    """A cluster state with the default plugins over it."""

    def __init__(self, *nodes: core_v1.Node) -> None:
        self.state = ClusterState()
        self.workloads = Workloads()
        self.evaluator = Evaluator(self.state, default_profile(self.state, self.workloads), Random(1))
        for one in nodes:
            self.state.set_node(one)

    def place(self, one: PodInfo, on: str) -> None:
        self.state.set_pod(one, on)
