"""How containers end: their last words, their restarts, and what the pod's status says of them."""

from __future__ import annotations

import pytest

from conformance.pods_client import Pods, state
from e2e.space import Manifest, Space, container, pod

pytestmark = pytest.mark.node

FALLBACK = {"terminationMessagePolicy": "FallbackToLogsOnError"}


def last_words(pods: Pods, name: str) -> Manifest:
    found = pods.until(name, lambda pod: pod["status"]["phase"] in ("Succeeded", "Failed"))
    ended: Manifest = state(found)["state"]["terminated"]
    return ended


@pytest.mark.conformance(
    "Container Runtime, TerminationMessage, from log output of succeeding container",
    "Container Runtime, TerminationMessage, from file of succeeding container",
    "Container Runtime, TerminationMessage, from container's log output of failing container",
    "Container Runtime, TerminationMessagePath, non-root user and non-default path",
)
def test_the_termination_message_comes_from_the_file_or_after_a_failure_from_the_log(space: Space) -> None:
    pods = Pods(space)
    path = "/dev/termination-custom-log"
    user = {"runAsUser": 1000}
    for name, one in {
        "log": container("echo -n DONE", **FALLBACK),
        "file": container("echo -n OK > /dev/termination-log; echo -n DONE", **FALLBACK),
        "failed": container("echo -n DONE; exit 1", **FALLBACK),
        "user": container(f"echo -n DONE > {path}", terminationMessagePath=path, securityContext=user),
        "both": container("echo log; echo -n words > /dev/termination-log; exit 3", **FALLBACK),
        "long": container("yes 1234567 | head -c 9000; exit 1", **FALLBACK),
        "longer": container("yes 1234567 | head -c 9000 > /dev/termination-log"),
        "silent": container("echo DONE; exit 1"),
    }.items():
        pods.create(pod(name, one, restartPolicy="Never"))
    assert last_words(pods, "log").get("message", "") == ""
    assert last_words(pods, "file")["message"] == "OK"
    assert last_words(pods, "failed")["message"] == "DONE"
    assert last_words(pods, "user")["message"] == "DONE"
    assert last_words(pods, "both")["message"] == "words"
    assert len(last_words(pods, "long")["message"]) <= 2048
    assert len(last_words(pods, "longer")["message"]) == 4096
    silent = last_words(pods, "silent")
    assert (silent["exitCode"], silent["reason"], silent.get("message", "")) == (1, "Error", "")
    assert silent["startedAt"] <= silent["finishedAt"]
    assert silent["containerID"].startswith("containerd://")


@pytest.mark.conformance(
    "Kubelet, failed pod, terminated reason", "Kubelet, failed pod, delete", "Kubelet, log output, default"
)
def test_a_command_that_always_fails_says_why_and_can_be_deleted(space: Space) -> None:
    pods = Pods(space)
    watching = pods.watch()
    failing = {**container(""), "command": ["/bin/false"]}
    pods.create(pod("bin-false", failing, restartPolicy="Always"))
    found = watching.until("MODIFIED", lambda pod: state(pod).get("state", {}).get("terminated"))
    assert len(found["status"]["containerStatuses"]) == 1
    ended = state(found)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (1, "Error")
    waits = watching.until("MODIFIED", lambda pod: state(pod).get("state", {}).get("waiting", {}).get("message"))
    assert state(waits)["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert state(waits)["lastState"]["terminated"]["exitCode"] == 1
    pods.create(pod("speaks", container("echo out; echo err >&2"), restartPolicy="Never"))
    pods.delete("bin-false")
    pods.gone("bin-false")
    pods.ended("speaks")
    assert sorted(pods.logs("speaks").split()) == ["err", "out"]
