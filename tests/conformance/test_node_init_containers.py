"""Init containers: they run before the others, one after another, and hold the pod back when they fail."""

from __future__ import annotations

import pytest

from conformance.pods_client import Pods, condition, state
from e2e.space import Manifest, Space, container, pod, stay

pytestmark = pytest.mark.node

WELL = [container("true", "init1"), container("true", "init2")]


def inits(found: Manifest) -> list[Manifest]:
    statuses: list[Manifest] = found["status"].get("initContainerStatuses", [])
    return statuses


@pytest.mark.conformance(
    "init-container-starts-app-restartalways-pod",
    "init-container-starts-app-restartnever-pod",
    "init-container-fails-stops-app-restartnever-pod",
)
def test_the_others_start_after_all_init_containers_have_ended_well(space: Space) -> None:
    pods = Pods(space)
    broken = [container("true", "init1"), container("false", "init2")]
    limits = {"resources": {"limits": {"cpu": "100m"}}}
    pods.create(pod("never", container("true", "run1"), initContainers=WELL, restartPolicy="Never"))
    pods.create(pod("always", container(stay(), "run1", **limits), initContainers=WELL, restartPolicy="Always"))
    pods.create(pod("broken", container("true", "run1"), initContainers=broken, restartPolicy="Never"))
    for found in (pods.ended("never"), pods.until("always", lambda pod: state(pod).get("ready"))):
        assert condition(found, "Initialized")["status"] == "True"
        assert [one["name"] for one in inits(found)] == ["init1", "init2"]
        for one in inits(found):
            assert one["ready"]
            assert one["state"]["terminated"]["exitCode"] == 0
    assert "running" in state(found)["state"]
    failed = pods.ended("broken", "Failed")
    initialized = condition(failed, "Initialized")
    assert (initialized["status"], initialized["reason"]) == ("False", "ContainersNotInitialized")
    assert initialized["message"] == "containers with incomplete status: [init2]"
    first, second = inits(failed)
    assert first["state"]["terminated"]["exitCode"] == 0
    assert second["state"]["terminated"]["exitCode"] == 1
    assert state(failed)["state"]["waiting"]["reason"] == "PodInitializing"
    assert not state(failed)["started"]
