"""Containers that are added to a pod that runs."""

from __future__ import annotations

import pytest

from conformance.pods_client import Pods, Refused, state
from e2e.space import Manifest, Space, container, pod, stay

pytestmark = pytest.mark.node
KEPT_OPEN = {"stdin": True, "tty": True}


def added(name: str, **more: object) -> Manifest:
    found: Manifest = {**container("", name), "terminationMessagePolicy": "File", **more}
    return found


def ephemeral(pod: Manifest, number: int) -> Manifest:
    return state(pod, number, "ephemeralContainerStatuses")


@pytest.mark.conformance("Ephemeral Container, update ephemeral containers", "Ephemeral Container Creation")
def test_ephemeral_containers_run_in_a_pod_and_more_are_added(space: Space) -> None:
    pods = Pods(space)
    pods.create(pod("debugged", container(stay())))
    pods.ready("debugged")
    shell = added("debugger", command=["/bin/sh"], **KEPT_OPEN)
    patch = {"spec": {"ephemeralContainers": [shell]}}
    patched = pods.patch("debugged", patch, subresource="ephemeralcontainers")
    assert len(patched["spec"]["ephemeralContainers"]) == 1
    pods.until("debugged", lambda pod: "running" in ephemeral(pod, 0).get("state", {}))
    assert space.run("debugged", "echo polo", "debugger") == "polo\n"
    more = added("second", command=["sh", "-c", stay("echo marco")])
    adds = lambda pod: pod["spec"]["ephemeralContainers"].append(more)  # noqa: E731
    updated = pods.change("debugged", adds, "ephemeralcontainers")
    assert [one["name"] for one in updated["spec"]["ephemeralContainers"]] == ["debugger", "second"]
    found = pods.until("debugged", lambda pod: "running" in ephemeral(pod, 1).get("state", {}))
    assert len(found["status"]["ephemeralContainerStatuses"]) == 2
    assert state(found)["restartCount"] == 0
    space.cluster.until("its output", lambda: pods.logs("debugged", container="second") == "marco\n")
    with pytest.raises(Refused, match=r"existing ephemeral containers .* may not be removed"):
        pods.change("debugged", lambda pod: pod["spec"]["ephemeralContainers"].pop(), "ephemeralcontainers")
