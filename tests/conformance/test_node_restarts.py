"""Containers that end and are started again, by their pod's policy; those that wait for them."""

from __future__ import annotations

import pytest

from conformance.pods_client import Pods, condition, state
from e2e.space import Manifest, Space, container, mount, pod, stay

pytestmark = pytest.mark.node

FAILS_THEN_ENDS_THEN_STAYS = """
    echo run >> /restart-count/log
    case $(wc -l < /restart-count/log) in
      1) exit 1 ;;
      2) exit 0 ;;
    esac
    sleep 10000
"""


@pytest.mark.conformance(
    "Container Runtime, Restart Policy, Pod Phases", "init-container-fails-stops-app-restartalways-pod"
)
def test_containers_are_restarted_by_their_pods_policy(space: Space) -> None:
    """One story for both, as both wait for the back-off."""
    pods = Pods(space)
    create_held_back(pods)
    volumes = [{"name": "count", "emptyDir": {}}]
    for policy in ("Always", "OnFailure", "Never"):
        main = container(FAILS_THEN_ENDS_THEN_STAYS, volumeMounts=[mount("count", "/restart-count")])
        pods.create(pod(policy.lower(), main, restartPolicy=policy, volumes=volumes))

    def seen(name: str, phase: str, restarts: int) -> Manifest:
        found = pods.until(
            name, lambda pod: pod["status"]["phase"] == phase and state(pod).get("restartCount") == restarts
        )
        return {**state(found), "condition": condition(found, "Ready")}

    never = seen("never", "Failed", 0)
    assert (never["state"]["terminated"]["exitCode"], never["ready"]) == (1, False)
    assert (never["condition"]["status"], never["condition"]["reason"]) == ("False", "PodFailed")
    on_failure = seen("onfailure", "Succeeded", 1)
    assert on_failure["state"]["terminated"]["reason"] == "Completed"
    assert on_failure["condition"]["reason"] == "PodCompleted"
    always = seen("always", "Running", 2)
    assert always["lastState"]["terminated"]["exitCode"] == 0
    pods.until("always", lambda pod: state(pod)["ready"] and "running" in state(pod)["state"])
    assert_held_back(pods)
    for name in ("always", "onfailure", "never", "held"):
        pods.delete(name, gracePeriodSeconds=0)
        pods.gone(name)


def create_held_back(pods: Pods) -> None:
    first = [container("false", "init1"), container("true", "init2")]
    pods.create(pod("held", container(stay(), "run1"), initContainers=first, restartPolicy="Always"))


def assert_held_back(pods: Pods) -> None:
    def inits(pod: Manifest) -> list[Manifest]:
        statuses: list[Manifest] = pod["status"].get("initContainerStatuses", [])
        return statuses

    held = pods.until("held", lambda pod: inits(pod) and inits(pod)[0]["restartCount"] >= 2)
    assert held["status"]["phase"] == "Pending"
    initialized = condition(held, "Initialized")
    assert (initialized["status"], initialized["reason"]) == ("False", "ContainersNotInitialized")
    assert initialized["message"] == "containers with incomplete status: [init1 init2]"
    one, two = inits(held)
    assert one["lastState"]["terminated"]["exitCode"] == 1
    assert two["state"]["waiting"]["reason"] == "PodInitializing"
    assert two["restartCount"] == 0
    assert state(held)["state"]["waiting"]["reason"] == "PodInitializing"
    assert state(held).get("imageID", "") == ""
