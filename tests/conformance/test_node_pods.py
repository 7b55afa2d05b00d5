"""The life of pods: created, found, changed, watched, deleted, alone and in collections."""

from __future__ import annotations

import ipaddress

import pytest

from conformance.pods_client import MERGE, STRATEGIC, Pods, condition, state
from e2e.space import Manifest, Space, container, pod, stay

pytestmark = pytest.mark.node


@pytest.mark.conformance(
    "Pods, assigned hostip", "Pods, patching status", "Pods, update", "Pods, ActiveDeadlineSeconds"
)
def test_a_running_pod_is_changed_in_its_labels_its_status_and_its_deadline(space: Space) -> None:
    pods = Pods(space)
    pods.create(pod("changed", container(stay()), labels={"name": "foo", "time": "one"}))
    found = pods.ready("changed")
    assert ipaddress.ip_address(found["status"]["hostIP"])
    assert found["status"]["hostIPs"] == [{"ip": found["status"]["hostIP"]}]
    assert [one["metadata"]["name"] for one in pods.list("time=one")] == ["changed"]
    pods.change("changed", lambda pod: pod["metadata"]["labels"].update(time="two"))
    assert [one["metadata"]["name"] for one in pods.list("time=two")] == ["changed"]
    assert pods.list("time=one") == []
    patch = {"status": {"message": "Patched by a test", "reason": "Test"}}
    patched = pods.patch("changed", patch, STRATEGIC, "status")["status"]
    assert (patched["message"], patched["reason"]) == ("Patched by a test", "Test")
    assert (patched["phase"], patched["podIP"]) == ("Running", found["status"]["podIP"])
    pods.change("changed", lambda pod: pod["spec"].update(activeDeadlineSeconds=2))
    late = pods.until("changed", lambda pod: pod["status"].get("reason") == "DeadlineExceeded")
    assert late["status"]["phase"] == "Failed" or pods.ended("changed", "Failed")


@pytest.mark.conformance(
    "Pods, lifecycle", "Pods, completes the lifecycle of a Pod and the PodStatus", "Pods, delete a collection"
)
def test_a_pod_is_watched_from_its_creation_to_its_end(space: Space) -> None:
    pods = Pods(space)
    assert pods.list("life=watched") == []
    watching = pods.watch("life=watched")
    pods.create(pod("watched", container(stay()), labels={"life": "watched", "test-pod-static": "true"}))
    for number in range(3):
        pods.create(pod(f"one-of-{number}", container(stay()), labels={"type": "Testing"}))
    assert watching.until("ADDED")["metadata"]["name"] == "watched"
    watching.until("MODIFIED", lambda pod: condition(pod, "Ready").get("status") == "True")
    patch = {
        "metadata": {"labels": {"test-pod": "patched"}},
        "spec": {"containers": [{"name": "main", "image": "busybox:latest"}]},
    }
    assert pods.patch("watched", patch)["spec"]["containers"][0]["image"] == "busybox:latest"
    assert watching.until("MODIFIED", lambda pod: "test-pod" in pod["metadata"]["labels"])
    restarted = pods.until("watched", lambda pod: state(pod).get("restartCount") == 1 and state(pod)["ready"])
    assert state(restarted)["image"].endswith("busybox:latest")

    def unready(pod: Manifest) -> None:
        for one in pod["status"]["conditions"]:
            if one["type"] in ("Ready", "ContainersReady"):
                one.update(status="False", reason="E2E", message="Set from a test")

    replaced = pods.change("watched", unready, "status")
    assert condition(replaced, "Ready")["status"] == "False"
    watching.until("MODIFIED", lambda pod: condition(pod, "Ready").get("reason") == "E2E")
    pods.delete_collection("test-pod-static=true", gracePeriodSeconds=1)
    going = watching.until("MODIFIED", lambda pod: "deletionTimestamp" in pod["metadata"])
    assert going["metadata"]["deletionGracePeriodSeconds"] == 1
    last = watching.until("DELETED")
    assert last["metadata"]["deletionTimestamp"]
    assert last["spec"]["terminationGracePeriodSeconds"] != 0
    assert pods.list("life=watched") == []
    assert len(pods.list("type=Testing")) == 3
    pods.delete_collection("type=Testing")
    for number in range(3):
        pods.gone(f"one-of-{number}")


@pytest.mark.conformance("Pods, QOS", "Pods Generation, graceful delete", "Pods Generation, updates")
def test_the_generation_counts_changes_of_the_spec_and_is_observed(space: Space) -> None:
    pods = Pods(space)
    equal = {"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": "100m", "memory": "32Mi"}}
    made = pod("counted", container(stay(), resources=equal), terminationGracePeriodSeconds=30)
    made["metadata"]["generation"] = 100
    found = pods.create(made)
    assert found["metadata"]["generation"] == 1
    assert found["status"]["qosClass"] == "Guaranteed"
    pods.ready("counted")

    def update(**spec: object) -> None:
        pods.change("counted", lambda pod: pod["spec"].update(spec))

    def observed(generation: int) -> None:
        found = pods.until("counted", lambda pod: pod["status"].get("observedGeneration") == generation)
        assert found["metadata"]["generation"] == generation
        assert condition(found, "Ready")["observedGeneration"] == generation

    observed(1)
    update()
    pods.patch("counted", {"metadata": {"labels": {"more": "labels"}}}, MERGE)
    observed(1)
    tolerations = pods.get("counted")["spec"]["tolerations"]
    update(tolerations=[*tolerations, {"key": "foo", "operator": "Exists", "effect": "NoExecute"}])
    observed(2)
    update(activeDeadlineSeconds=5000)
    observed(3)
    images = [{"name": "main", "image": "busybox:latest"}]
    pods.patch("counted", {"spec": {"containers": images}})
    observed(4)
    ephemeral = {"name": "more", "image": "busybox", "imagePullPolicy": "Never", "command": ["true"]}
    pods.patch("counted", {"spec": {"ephemeralContainers": [ephemeral]}}, STRATEGIC, "ephemeralcontainers")
    observed(5)
    deleted = pods.delete("counted")
    assert deleted["metadata"]["generation"] == 6
    assert deleted["metadata"]["deletionGracePeriodSeconds"] == 30
    pods.gone("counted")
