"""Up, down, killed, half gone: what a cluster with real containers leaves, and what it brings back."""

from __future__ import annotations

import os
import signal

import pytest

from e2e import machine
from e2e.cluster import UserCluster

pytestmark = pytest.mark.node

POD = """
apiVersion: v1
kind: Pod
metadata: {name: talker, labels: {app: talker}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: talker
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "echo $HOSTNAME is here; while :; do sleep 1; done"]
    volumeMounts: [{name: memory, mountPath: /memory}]
  volumes:
  - name: memory
    emptyDir: {medium: Memory}
"""


def with_a_pod(cluster: UserCluster) -> None:
    cluster.up()
    cluster.p8s("image", "build", "busybox")
    cluster.kubectl("apply", "-f", "-", text=POD)
    cluster.wait("--for=condition=Ready", "pod/talker")


def container_of(cluster: UserCluster) -> str:
    """The container that runs now, or nothing while none does."""
    pod = cluster.get("pod", "talker")
    statuses = pod["status"].get("containerStatuses") or [{}]
    return str(statuses[0].get("containerID", "")) if statuses[0].get("ready") else ""


def wait_for_another(cluster: UserCluster, container: str) -> None:
    """What the API server remembers from before is not what runs now."""
    cluster.until("a new container", lambda: container_of(cluster) not in ("", container))


def test_down_leaves_nothing_and_up_brings_the_pod_back(cluster: UserCluster) -> None:
    with_a_pod(cluster)
    traces = machine.traces_of(cluster)
    assert machine.kinds(traces) == machine.ALL_KINDS
    uid, container = cluster.get("pod", "talker")["metadata"]["uid"], container_of(cluster)
    cluster.p8s("down")
    assert machine.still_there(traces, cluster) == set()
    cluster.p8s("up")
    wait_for_another(cluster, container)
    assert cluster.get("pod", "talker")["metadata"]["uid"] == uid
    assert "is here" in cluster.kubectl("logs", "talker")


def test_after_everything_was_killed_up_brings_the_pod_back_and_down_still_leaves_nothing(cluster: UserCluster) -> None:
    with_a_pod(cluster)
    traces = machine.traces_of(cluster)
    container = container_of(cluster)
    machine.kill_everything(cluster)
    cluster.p8s("up")
    wait_for_another(cluster, container)
    traces |= machine.traces_of(cluster)
    machine.kill_everything(cluster)
    cluster.p8s("down", "--purge")
    assert machine.still_there(traces, cluster) == set()
    assert not cluster.data_dir.exists()


def test_a_restart_of_the_parts_leaves_containers_running(cluster: UserCluster) -> None:
    with_a_pod(cluster)
    started, pids = container_of(cluster), cluster.pids()
    for part in ("node", "controllers", "apiserver"):
        os.kill(pids[part], signal.SIGKILL)
    cluster.p8s("up")
    cluster.until("the parts", lambda: cluster.p8s("status", check=False).stdout.count("running") >= 4)
    assert container_of(cluster) == started
