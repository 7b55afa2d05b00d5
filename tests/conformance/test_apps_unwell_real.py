"""What controllers and the scheduler make of pods that run, break, fail and are refused: real containers, their probes
and their kubelet, where the other tests have hollow ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from conformance.pods_client import JSON_PATCH, MERGE, Pods, condition, state
from e2e.cluster import free_port
from e2e.space import Manifest, Space, container, pod, service, stay

pytestmark = [pytest.mark.node, pytest.mark.nightly]

SELECTED = "app=ss"
BREAK, MEND = "mv /www/page /tmp/page", "mv /tmp/page /www/page"


def node_of(space: Space) -> str:
    return str(space.cluster.get("nodes")["items"][0]["metadata"]["name"])


def stateful_set(replicas: int, main: Manifest, **spec: object) -> Manifest:
    labels = {"app": "ss"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [main], **spec}}
    wanted = {"serviceName": "ss", "replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "ss"}, "spec": wanted}


def scale(space: Space, replicas: int) -> None:
    """Returns when the controller has seen it."""
    space.kubectl("scale", "statefulset", "ss", f"--replicas={replicas}")

    def is_seen() -> bool:
        found = space.get("statefulset", "ss")
        return bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])

    space.cluster.until("the new scale", is_seen)


def ordinals(pods: Pods) -> list[str]:
    return sorted(one["metadata"]["name"] for one in pods.list(SELECTED))


@pytest.mark.conformance("StatefulSet, Scaling")
def test_a_page_that_is_gone_halts_scaling_until_it_is_back(space: Space) -> None:
    pods = Pods(space)
    probe = {
        "httpGet": {"path": "/page", "port": 8080},
        "periodSeconds": 1,
        "failureThreshold": 1,
        "timeoutSeconds": 60,
    }
    serve = stay("mkdir /www; echo ok > /www/page; httpd -p 8080 -h /www")
    watching = pods.watch(SELECTED)
    space.apply(service("ss", "ss", clusterIP="None"), stateful_set(1, container(serve, readinessProbe=probe)))
    space.wait("--for=jsonpath={.status.readyReplicas}=1", "statefulset/ss")

    def become(name: str, well: bool) -> None:
        space.run(name, MEND if well else BREAK)
        pods.until(name, lambda pod: condition(pod, "Ready")["status"] == str(well))

    become("ss-0", False)
    scale(space, 3)
    assert ordinals(pods) == ["ss-0"]
    become("ss-0", True)
    space.wait("--for=jsonpath={.status.readyReplicas}=3", "statefulset/ss")
    assert [watching.until("ADDED")["metadata"]["name"] for _ in range(3)] == ["ss-0", "ss-1", "ss-2"]
    assert space.run("ss-1", "hostname -f") == f"ss-1.ss.{space.name}.svc.cluster.local\n"

    for name in ("ss-0", "ss-1", "ss-2"):
        become(name, False)
    scale(space, 0)
    assert ordinals(pods) == ["ss-0", "ss-1", "ss-2"]
    for name in ("ss-2", "ss-1"):
        space.run(name, MEND)
        pods.gone(name)
    pods.gone("ss-0")
    assert [watching.until("DELETED")["metadata"]["name"] for _ in range(3)] == ["ss-2", "ss-1", "ss-0"]


@pytest.mark.conformance("StatefulSet, Recreate Failed Pod")
def test_a_pod_that_the_kubelet_refuses_is_made_again(space: Space) -> None:
    pods, node = Pods(space), node_of(space)
    main = container(stay(), ports=[{"containerPort": 21017, "hostPort": free_port()}])
    pods.create(pod("first", main, nodeName=node))
    pods.ready("first")
    watching = pods.watch(SELECTED)
    space.apply(stateful_set(1, main, nodeName=node))
    failed = watching.until("MODIFIED", lambda pod: pod["status"]["phase"] == "Failed")
    assert failed["status"]["reason"] == "NodePorts"
    assert watching.until("DELETED")["metadata"]["name"] == "ss-0"
    pods.delete("first", gracePeriodSeconds=0)
    space.wait("--for=jsonpath={.status.readyReplicas}=1", "statefulset/ss")
    assert space.uid("ss-0") != failed["metadata"]["uid"]


@pytest.mark.conformance("Verify Pod Failure policy allows to fail job early on exit code.")
def test_a_program_that_ends_with_the_code_of_the_policy_fails_its_job(space: Space) -> None:
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}
    script = 'if [ "$JOB_COMPLETION_INDEX" = 0 ]; then exit 1; fi; ' + stay()
    template = {"spec": {"restartPolicy": "Never", "containers": [container(script)]}}
    spec = {"completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimit": 1}
    space.apply(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "early"},
            "spec": {**spec, "podFailurePolicy": {"rules": [rule]}, "template": template},
        }
    )
    space.wait("--for=condition=Failed", "job/early")
    status = space.get("job", "early")["status"]
    told = {one["type"]: one["reason"] for one in status["conditions"]}
    assert told == {"FailureTarget": "PodFailurePolicy", "Failed": "PodFailurePolicy"}
    assert (status.get("active", 0), status["ready"], status["terminating"], status["failed"]) == (0, 0, 0, 2)


FOO = "scheduling.k8s.io/foo"


@pytest.fixture
def one_foo(space: Space) -> Iterator[Manifest]:
    """The resources of a container that asks for all that the node has of something."""
    node = node_of(space)

    def provide(amount: str | None) -> None:
        change = json.dumps({"status": {"capacity": {FOO: amount}, "allocatable": {FOO: amount}}})
        space.cluster.kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p", change)

    provide("1")
    yield {"requests": {FOO: "1"}, "limits": {FOO: "1"}}
    provide(None)


@pytest.mark.conformance("Verify the DisruptionTarget condition is added to the preempted pod")
def test_containers_that_run_give_way_to_those_of_a_higher_priority(space: Space, one_foo: Manifest) -> None:
    pods = Pods(space)
    victim = pod("victim", container(stay(), resources=one_foo))
    victim["metadata"]["finalizers"] = ["example.com/test-finalizer"]
    pods.create(victim)
    pods.ready("victim")
    pods.create(pod("preemptor", container(stay(), resources=one_foo), priorityClassName="system-cluster-critical"))
    going = pods.until("victim", lambda pod: "deletionTimestamp" in pod["metadata"])
    target = condition(going, "DisruptionTarget")
    assert (target["status"], target["reason"]) == ("True", "PreemptionByScheduler")
    pods.ready("preemptor")
    pods.patch("victim", [{"op": "remove", "path": "/metadata/finalizers"}], JSON_PATCH)
    pods.gone("victim")


@pytest.mark.conformance("Pod Eviction, Toleration limits")
def test_containers_end_when_their_pod_has_tolerated_a_taint_for_long_enough(space: Space) -> None:
    pods, node = Pods(space), node_of(space)
    taint = {"key": f"example.com/{space.name}", "value": "evict", "effect": "NoExecute"}
    for name, seconds in (("b1", 2), ("b2", 4), ("stays", 600)):
        tolerated = [{**taint, "operator": "Equal", "tolerationSeconds": seconds}]
        pods.create(pod(name, container(stay()), tolerations=tolerated, labels={"group": "tainted"}))
        pods.ready(name)
    tainted = json.dumps([{"op": "add", "path": "/spec/taints", "value": [taint]}])
    space.cluster.kubectl("patch", "node", node, "--type=json", "-p", tainted)
    try:
        for name in ("b1", "b2"):
            pods.gone(name)
    finally:
        space.cluster.kubectl("taint", "node", node, f"{taint['key']}:NoExecute-")
    assert "deletionTimestamp" not in pods.get("stays")["metadata"]


@pytest.mark.conformance("Pods Generation, 500 updates")
def test_the_kubelet_catches_up_with_five_hundred_generations(space: Space) -> None:
    pods = Pods(space)
    pods.create(pod("often", container(stay())))
    pods.ready("often")
    for number in range(499):
        pods.patch("often", {"spec": {"activeDeadlineSeconds": 10_000 - number}}, MERGE)
    found = pods.until("often", lambda pod: pod["status"].get("observedGeneration") == 500)
    assert found["metadata"]["generation"] == 500
    assert found["status"]["phase"] == "Running"
    assert state(found)["restartCount"] == 0
