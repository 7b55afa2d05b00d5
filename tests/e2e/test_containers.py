"""More of what users ask of containers: images that cannot be had, sidecars, hooks, debugging, following logs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from e2e.cluster import PROGRAMS
from e2e.space import Space, config_map, container, mount, pod, secret, stay

pytestmark = pytest.mark.node

SCRATCH = [{"name": "scratch", "emptyDir": {}}]
AT_SCRATCH = [mount("scratch", "/scratch")]


def waiting_reason(space: Space, name: str) -> str:
    return str(space.status(name)["state"].get("waiting", {}).get("reason"))


def test_an_image_that_cannot_be_had_is_said_and_tried_again(space: Space) -> None:
    absent = container("true", image="localhost:1/none:v1")
    space.apply(
        pod("pull", absent),
        pod("never", {**absent, "imagePullPolicy": "Never"}),
        pod("wrong", container("true", image="UPPER/case")),
    )
    refusing = {"ErrImagePull", "ImagePullBackOff"}
    space.cluster.until("the failed pull", lambda: waiting_reason(space, "pull") in refusing)
    space.wait_for(".status.containerStatuses[0].state.waiting.reason", "ErrImageNeverPull", "never")
    space.wait_for(".status.containerStatuses[0].state.waiting.reason", "InvalidImageName", "wrong")
    pulling = space.wait_for(".status.containerStatuses[0].state.waiting.reason", "ImagePullBackOff", "pull")
    message = pulling["status"]["containerStatuses"][0]["state"]["waiting"]["message"]
    assert message.startswith('Back-off pulling image "localhost:1/none:v1"')
    space.until_told("pull", "Failed", 'Failed to pull image "localhost:1/none:v1"')


def test_a_command_that_does_not_exist_is_a_start_error(space: Space) -> None:
    wrong = container("")
    wrong["command"] = ["/no/such/program"]
    space.apply(pod("wrong", wrong, restartPolicy="Never"))
    space.wait_for(".status.phase", "Failed", "wrong")
    ended = space.status("wrong")["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("StartError", 128)
    assert "/no/such/program" in ended["message"]


def test_a_sidecar_runs_before_and_as_long_as_the_others(space: Space) -> None:
    sidecar = container(
        "nc -ll -p 7000 -e hostname",
        "sidecar",
        restartPolicy="Always",
        startupProbe={"tcpSocket": {"port": 7000}, "periodSeconds": 1},
    )
    main = container("nc -w 60 127.0.0.1 7000 </dev/null")
    space.apply(pod("pair", main, initContainers=[sidecar], restartPolicy="Never"))
    space.wait_for(".status.phase", "Succeeded", "pair")
    assert space.kubectl("logs", "pair", "-c", "main") == "pair\n"
    found = space.get("pod", "pair")["status"]
    assert found["initContainerStatuses"][0]["restartCount"] == 0
    assert "terminated" in found["initContainerStatuses"][0]["state"]


def test_a_post_start_hook_runs_before_the_container_counts_as_running(space: Space) -> None:
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "echo started > /scratch/hook"]}}}
    broken = {"postStart": {"exec": {"command": ["sh", "-c", "echo no luck; exit 9"]}}}
    space.start(pod("hooked", container(stay(), lifecycle=hook, volumeMounts=AT_SCRATCH), volumes=SCRATCH))
    assert space.run("hooked", "cat /scratch/hook") == "started\n"
    space.apply(pod("broken", container(stay(), lifecycle=broken)))
    space.until_told("broken", "FailedPostStartHook", "")


def test_processes_are_shared_when_asked_for(space: Space) -> None:
    space.start(
        pod("shared", container("exec sleep 12345", "other"), container(stay()), shareProcessNamespace=True),
        pod("apart", container("exec sleep 12345", "other"), container(stay())),
    )
    assert "sleep 12345" in space.run("shared", "ps")
    assert "sleep 12345" not in space.run("apart", "ps")


def test_a_running_pod_is_debugged_with_an_ephemeral_container(space: Space) -> None:
    space.start(pod("odd", container("exec sleep 12345")))
    space.kubectl(
        *("debug", "odd", "--image=busybox", "--image-pull-policy=IfNotPresent", "--container=look", "--target=main"),
        *("--profile=general", "--", "sh", "-c", "ps; sleep 10000"),
    )
    space.wait("--for=jsonpath={.status.ephemeralContainerStatuses[0].state.running.startedAt}", "pod/odd")
    space.cluster.until("its output", lambda: "sleep 12345" in space.kubectl("logs", "odd", "-c", "look"))


def test_a_pod_has_only_so_long_as_its_deadline_allows(space: Space) -> None:
    space.apply(pod("late", container(stay()), activeDeadlineSeconds=2))
    space.wait_for(".status.phase", "Failed", "late")
    status = space.get("pod", "late")["status"]
    assert (status["reason"], status["message"]) == (
        "DeadlineExceeded",
        "Pod was active on the node longer than the specified deadline",
    )


def test_logs_are_followed_to_the_end_of_the_container(space: Space) -> None:
    script = "echo one; until [ -e /tmp/go ]; do usleep 20000; done; echo two; echo three >&2"
    space.apply(pod("speaker", container(script), restartPolicy="Never"))
    space.wait("--for=condition=Ready", "pod/speaker")
    environment = {**os.environ, "KUBECONFIG": str(space.cluster.data_dir / "kubeconfig")}
    command = [str(PROGRAMS / "kubectl"), "-n", space.name, "logs", "-f", "speaker"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        assert following.stdout.readline() == "one\n"
        space.run("speaker", "touch /tmp/go")
        rest, _ = following.communicate(timeout=300)
    assert sorted(rest.split()) == ["three", "two"]
    assert following.returncode == 0
    assert space.kubectl("logs", "speaker", "--tail=1", "--timestamps").count("Z ") == 1


def test_one_volume_may_be_put_together_from_several_sources(space: Space) -> None:
    sources = [
        {"configMap": {"name": "map", "items": [{"key": "one", "path": "from/map"}]}},
        {"secret": {"name": "key"}},
        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 3600}},
    ]
    main = container(stay(), volumeMounts=[mount("all", "/all", readOnly=True)])
    space.apply(config_map("map", one="1"), secret("key", password="s3cret"))
    space.start(pod("mixed", main, volumes=[{"name": "all", "projected": {"sources": sources}}]))
    assert space.run("mixed", "cd /all; cat from/map password name") == "1s3cretmixed"
    token = space.run("mixed", "cat /all/token")
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    found = _review(space, {**review, "spec": {"token": token, "audiences": ["vault"]}})
    assert found == {"authenticated": True, "user": f"system:serviceaccount:{space.name}:default"}
    assert not _review(space, review)["authenticated"]


def _review(space: Space, review: dict[str, object]) -> dict[str, object]:
    answer = json.loads(space.kubectl("create", "--validate=ignore", "-f", "-", "-o", "json", text=json.dumps(review)))[
        "status"
    ]
    return {
        "authenticated": answer.get("authenticated", False),
        "user": answer.get("user", {}).get("username", ""),
    }


def test_sub_paths_are_parts_of_a_volume(space: Space) -> None:
    name = [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    mounts = [
        mount("scratch", "/whole"),
        mount("scratch", "/part", subPath="inner"),
        mount("scratch", "/own", subPathExpr="logs/$(POD)"),
    ]
    space.start(pod("parts", container(stay(), volumeMounts=mounts, env=name), volumes=SCRATCH))
    space.run("parts", "echo x > /part/a; echo y > /own/b")
    assert space.run("parts", "cat /whole/inner/a /whole/logs/parts/b") == "x\ny\n"


def test_a_pod_that_is_deleted_by_force_leaves_no_process(space: Space, tmp_path: Path) -> None:
    volumes = [{"name": "host", "hostPath": {"path": str(tmp_path)}}]
    main = container(
        "trap '' TERM; while :; do touch /host/alive; usleep 50000; done", volumeMounts=[mount("host", "/host")]
    )
    space.start(pod("forced", main, volumes=volumes, terminationGracePeriodSeconds=100))
    space.kubectl("delete", "pod", "forced", "--grace-period=0", "--force")

    def gone() -> bool:
        return not any(str(tmp_path) in text for text in _mount_tables())

    space.cluster.until("the end of its processes", gone)


def _mount_tables() -> list[str]:
    tables = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            tables.append((process / "mountinfo").read_text())
        except OSError:  # it has ended meanwhile
            continue
    return tables
