"""Jobs whose programs decide how they end: real containers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from e2e.space import Manifest, Space, container, mount

pytestmark = pytest.mark.node

DATA = [mount("data", "/data")]


def job(name: str, script: str, policy: str, volume: Manifest, **spec: Any) -> Manifest:
    pod = {
        "restartPolicy": policy,
        "terminationGracePeriodSeconds": 1,
        "containers": [container(script, volumeMounts=DATA)],
        "volumes": [{"name": "data", **volume}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {**spec, "template": {"metadata": {"labels": {"job": name}}, "spec": pod}},
    }


def pods_of(space: Space, name: str) -> list[Manifest]:
    items: list[Manifest] = space.get("pods", f"--selector=job={name}")["items"]
    return items


@pytest.mark.conformance(
    "Jobs, completion after task failure",
    "Ensure pod failure policy allows to ignore failure matching on the DisruptionTarget condition",
)
def test_tasks_that_fail_once_are_restarted_and_evicted_ones_replaced_without_counting(
    space: Space, tmp_path: Path
) -> None:
    once = "if [ -r /data/ran ]; then exit 0; else touch /data/ran; exit 1; fi"
    again = 'if [ -r "/data/$JOB_COMPLETION_INDEX" ]; then exit 0; fi; touch "/data/$JOB_COMPLETION_INDEX"; sleep 10000'
    rules = [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [0]}},
    ]
    ignoring = {"completionMode": "Indexed", "backoffLimit": 0, "podFailurePolicy": {"rules": rules}}
    host = {"hostPath": {"path": str(tmp_path), "type": "Directory"}}
    space.apply(
        job("flaky", once, "OnFailure", {"emptyDir": {}}, parallelism=2, completions=4),
        job("evicted", again, "Never", host, completions=1, **ignoring),
    )
    space.cluster.until("the marker of the index", (tmp_path / "0").exists)
    (pod,) = pods_of(space, "evicted")
    _evict(space, pod["metadata"]["name"])
    for name in ("evicted", "flaky"):
        space.wait("--for=condition=Complete", f"job/{name}")

    status = space.get("job", "evicted")["status"]
    assert (status["succeeded"], status.get("failed", 0), status["completedIndexes"]) == (1, 0, "0")
    status = space.get("job", "flaky")["status"]
    assert (status["succeeded"], status.get("failed", 0)) == (4, 0)
    flaky = pods_of(space, "flaky")
    assert [pod["status"]["phase"] for pod in flaky] == ["Succeeded"] * 4
    assert [pod["status"]["containerStatuses"][0]["restartCount"] for pod in flaky] == [1] * 4


def _evict(space: Space, pod: str) -> None:
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": space.name}}
    path = f"/api/v1/namespaces/{space.name}/pods/{pod}/eviction"
    space.kubectl("create", f"--raw={path}", "-f", "-", text=json.dumps(eviction))
