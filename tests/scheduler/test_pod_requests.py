"""What a pod counts for on a node: containers, sidecars, init steps, the pod's own word, overhead and resizes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pybernetes.api.models import core_v1
from pybernetes.scheduler.pod_info import DEFAULT_MEMORY, pod_info

GI = 2**30


def container(name: str, cpu: str = "", memory: str = "", **more: Any) -> dict[str, Any]:
    wanted = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    return {"name": name, "resources": {"requests": wanted}, **more}


def requests(spec: dict[str, Any], status: dict[str, Any] | None = None) -> dict[str, int]:
    document = {"metadata": {"name": "p", "namespace": "default"}, "spec": spec, "status": status or {}}
    return dict(pod_info(msgspec.convert(document, core_v1.Pod)).requests)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"containers": [container("a", "1", "1Gi"), container("b", "500m")]}, {"cpu": 1500, "memory": GI}),
        (
            {"containers": [container("a", "1")], "initContainers": [container("i", "3"), container("j", "2")]},
            {"cpu": 3000},
        ),
        (
            {
                "containers": [container("a", "1")],
                "initContainers": [container("s", "1", restartPolicy="Always"), container("i", "4")],
            },
            {"cpu": 5000},
        ),
        ({"containers": [container("a", "1")], "overhead": {"cpu": "250m"}}, {"cpu": 1250}),
        (
            {
                "containers": [container("a", "1", "1Gi")],
                "resources": {"requests": {"cpu": "3", "example.com/gpu": "1"}},
                "overhead": {"cpu": "1"},
            },
            {"cpu": 4000, "memory": GI},
        ),
    ],
)
def test_what_a_pod_needs_free(spec: dict[str, Any], expected: dict[str, int]) -> None:
    assert requests(spec) == expected


@pytest.mark.parametrize(("reason", "expected"), [("Deferred", 4000), ("Infeasible", 2000)])
def test_a_resize_that_has_not_come_down_counts_while_it_may(reason: str, expected: int) -> None:
    held = {"name": "a", "resources": {"requests": {"cpu": "1"}}, "allocatedResources": {"cpu": "2"}}
    condition = {"type": "PodResizePending", "status": "True", "reason": reason}
    status = {"containerStatuses": [held], "conditions": [condition]}
    assert requests({"containers": [container("a", "4")]}, status) == {"cpu": expected}


def test_scoring_takes_silent_containers_for_a_little() -> None:
    spec = {"containers": [container("a", "1"), container("b")], "overhead": {"cpu": "1"}}
    made = pod_info(msgspec.convert({"metadata": {"name": "p"}, "spec": spec}, core_v1.Pod))
    assert (made.scored_cpu, made.scored_memory) == (2100, 2 * DEFAULT_MEMORY)
