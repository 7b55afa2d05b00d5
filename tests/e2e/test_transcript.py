"""A user's day with kubectl, from the first pod to draining the node, in real containers.

The steps share one cluster and go from top to bottom; each leaves behind only what it says.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster import PROGRAMS, UserCluster, free_port
from e2e.space import Space

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def user(shared_cluster: UserCluster) -> UserCluster:
    return shared_cluster


def container(name: str, script: str, **more: Any) -> dict[str, Any]:
    command = ["sh", "-c", script]
    return {"name": name, "image": "busybox", "imagePullPolicy": "IfNotPresent", "command": command, **more}


def loop(words: str) -> str:
    """A script that says so and stays, and goes at once when asked to."""
    return f"trap 'exit 0' TERM; {words}; while :; do sleep 1 & wait $!; done"


def pod(name: str, *containers: dict[str, Any], labels: dict[str, str] | None = None, **spec: Any) -> str:
    metadata = {"name": name, "labels": labels or {"name": name}}
    content = {"containers": list(containers), "terminationGracePeriodSeconds": 5, **spec}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": content})


def workload(kind: str, name: str, script: str, **spec: Any) -> str:
    version = "v1" if kind == "ReplicationController" else "apps/v1"
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container("main", script)], "terminationGracePeriodSeconds": 2},
    }
    selector = labels if kind == "ReplicationController" else {"matchLabels": labels}
    content = {"selector": selector, "template": template, **spec}
    return json.dumps({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": content})


def refusal(user: UserCluster, manifest: str) -> str:
    environment = {**os.environ, "KUBECONFIG": str(user.data_dir / "kubeconfig")}
    command = [str(PROGRAMS / "kubectl"), "create", "-f", "-"]
    done = subprocess.run(command, input=manifest, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode != 0, done.stdout
    return done.stderr


def test_a_pod_of_two_containers_is_created_listed_and_read(user: UserCluster, tmp_path: Path) -> None:
    serving = "while :; do echo pong | nc -l -p 6379; done"
    master1 = container("master1", f"echo one is up; echo shared > /shared/word; {serving}")
    master2 = container("master2", loop("echo two is up"))
    for one in (master1, master2):
        one["volumeMounts"] = [{"name": "shared", "mountPath": "/shared"}]
    manifest = pod(
        "podtest", master1, master2, labels={"name": "redis-master"}, volumes=[{"name": "shared", "emptyDir": {}}]
    )
    (tmp_path / "pod.json").write_text(manifest)
    assert user.kubectl("create", "-f", str(tmp_path / "pod.json")) == "pod/podtest created\n"
    user.wait("--for=condition=Ready", "pod/podtest")
    listing = user.kubectl("get", "pods", "-l", "name=redis-master")
    assert re.search(r"NAME +READY +STATUS +RESTARTS +AGE\npodtest +2/2 +Running +0 ", listing)
    address = user.get("pod", "podtest")["status"]["podIP"]
    wide = user.kubectl("get", "pods", "-o", "wide")
    assert address in wide
    assert wide.split("\n")[0].split()[5:] == ["IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES"]
    user.until("its words", lambda: user.kubectl("logs", "podtest", "master1").startswith("one is up\n"))
    timed = ("logs", "podtest", "-c", "master2", "--timestamps")
    user.until("its words", lambda: user.kubectl(*timed).strip().endswith("two is up"))


def test_the_containers_share_address_host_name_and_volume(user: UserCluster) -> None:
    assert user.kubectl("exec", "podtest", "-c", "master2", "--", "cat", "/shared/word") == "shared\n"
    ask = "until nc -w 60 127.0.0.1 6379 </dev/null; do sleep 0.1; done"
    assert user.kubectl("exec", "podtest", "-c", "master2", "--", "sh", "-c", ask) == "pong\n"
    names = {user.kubectl("exec", "podtest", "-c", name, "--", "hostname") for name in ("master1", "master2")}
    assert names == {"podtest\n"}
    uid = user.get("pod", "podtest")["metadata"]["uid"]
    volume = user.kubelet_root / "pods" / uid / "volumes" / "kubernetes.io~empty-dir" / "shared"
    assert (volume / "word").read_text() == "shared\n"


def test_describe_tells_the_pod_and_its_events(user: UserCluster) -> None:
    wanted = ("Successfully assigned default/podtest to", "Container created", "Container started", "QoS Class:")

    def described() -> bool:
        text = user.kubectl("describe", "pod", "podtest")
        return all(words in text for words in wanted)

    user.until(f"all of {wanted}", described)


def test_exec_passes_input_output_and_the_exit_code(user: UserCluster) -> None:
    assert user.kubectl("exec", "-i", "podtest", "-c", "master2", "--", "cat", text="through\n") == "through\n"
    environment = {**os.environ, "KUBECONFIG": str(user.data_dir / "kubeconfig")}
    command = [str(PROGRAMS / "kubectl"), "exec", "podtest", "-c", "master2", "--", "sh", "-c", "exit 7"]
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 7


def test_the_cgroup_is_read_from_inside_a_container(user: UserCluster) -> None:
    limits = {"limits": {"memory": "64Mi", "cpu": "500m"}}
    user.kubectl("create", "-f", "-", text=pod("limited", container("main", loop("true"), resources=limits)))
    user.wait("--for=condition=Ready", "pod/limited")
    script = (
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max;"
        "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max"
    )
    assert user.kubectl("exec", "limited", "--", "sh", "-c", script).split() == [str(64 << 20), "50000"]
    user.kubectl("delete", "pod", "limited")


def test_a_replication_controller_replaces_a_deleted_pod_and_scales(user: UserCluster) -> None:
    user.kubectl("create", "-f", "-", text=workload("ReplicationController", "frontend", loop("true"), replicas=2))
    user.wait("--for=jsonpath={.status.readyReplicas}=2", "rc/frontend")
    first = user.get("pods", "-l", "app=frontend")["items"][0]["metadata"]["name"]
    user.kubectl("delete", "pod", first)
    user.wait("--for=jsonpath={.status.readyReplicas}=2", "rc/frontend")
    names = [one["metadata"]["name"] for one in user.get("pods", "-l", "app=frontend")["items"]]
    assert first not in names
    listed = ("get", "replicationcontroller", "-o", "wide")
    user.until("another pod", lambda: re.search(r"frontend +2 +2 +2 ", user.kubectl(*listed)) is not None)
    assert user.kubectl("scale", "rc/frontend", "--replicas=3") == "replicationcontroller/frontend scaled\n"
    user.wait("--for=jsonpath={.status.readyReplicas}=3", "rc/frontend")
    user.kubectl("delete", "rc", "frontend")


def test_a_deployment_is_changed_by_apply_and_edit_and_rolled_back(user: UserCluster, tmp_path: Path) -> None:
    manifest = tmp_path / "deployment.json"
    manifest.write_text(workload("Deployment", "web", loop("echo first"), replicas=2))
    assert user.kubectl("apply", "-f", str(manifest)) == "deployment.apps/web created\n"
    user.kubectl("rollout", "status", "deployment/web", "--timeout=240s")
    manifest.write_text(workload("Deployment", "web", loop("echo second"), replicas=2))
    assert user.kubectl("apply", "-f", str(manifest)) == "deployment.apps/web configured\n"
    assert "successfully rolled out" in user.kubectl("rollout", "status", "deployment/web", "--timeout=240s")
    assert user.kubectl("apply", "-f", str(manifest)) == "deployment.apps/web unchanged\n"

    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/echo second/echo third/" "$1"\n')
    editor.chmod(0o755)
    environment = {**os.environ, "KUBECONFIG": str(user.data_dir / "kubeconfig"), "EDITOR": str(editor)}
    command = [str(PROGRAMS / "kubectl"), "edit", "deployment/web"]
    edited = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert edited.stdout == "deployment.apps/web edited\n", edited.stderr
    user.kubectl("rollout", "status", "deployment/web", "--timeout=240s")
    user.until("its words", lambda: said(user, "web") == {"third\n"})

    history = user.kubectl("rollout", "history", "deployment/web")
    assert [line.split()[0] for line in history.splitlines()[2:5]] == ["1", "2", "3"]
    user.kubectl("rollout", "undo", "deployment/web", "--to-revision=1")
    user.kubectl("rollout", "status", "deployment/web", "--timeout=240s")
    user.until("its words", lambda: said(user, "web") == {"first\n"})
    revisions = user.kubectl("rollout", "history", "deployment/web").splitlines()[2:5]
    assert [line.split()[0] for line in revisions] == ["2", "3", "4"]

    user.kubectl("rollout", "pause", "deployment/web")
    user.kubectl("set", "env", "deployment/web", "MODE=paused")
    assert len(user.get("rs", "-l", "app=web")["items"]) == 3
    user.kubectl("rollout", "resume", "deployment/web")
    user.kubectl("rollout", "status", "deployment/web", "--timeout=240s")
    assert len(user.get("rs", "-l", "app=web")["items"]) == 4
    user.kubectl("delete", "deployment", "web")


def said(user: UserCluster, app: str) -> set[str]:
    """What the pods that are to stay have logged."""
    pods = [one["metadata"] for one in user.get("pods", "-l", f"app={app}")["items"]]
    return {user.kubectl("logs", one["name"]) for one in pods if "deletionTimestamp" not in one}


def test_an_exposed_deployment_is_reached_by_its_service(user: UserCluster) -> None:
    script = "while :; do hostname | nc -l -p 8080; done"
    user.kubectl("apply", "-f", "-", text=workload("Deployment", "named", script, replicas=2))
    user.kubectl("rollout", "status", "deployment/named", "--timeout=240s")
    exposed = user.kubectl("expose", "deployment", "named", "--port=80", "--target-port=8080")
    assert exposed == "service/named exposed\n"
    service = user.get("service", "named")
    assert service["spec"]["clusterIP"].startswith("10.")
    pods = {one["metadata"]["name"] for one in user.get("pods", "-l", "app=named")["items"]}
    Space(user, "default").until_endpoints("named", 2)
    script = "for n in 1 2 3 4; do until nc -w 10 named 80 </dev/null; do sleep 0.1; done; done"
    answers = user.kubectl("exec", "podtest", "-c", "master2", "--", "sh", "-c", script).split()
    assert set(answers) <= pods
    assert len(answers) == 4
    user.kubectl("delete", "deployment,service", "named")


def test_config_maps_and_secrets_become_environment(user: UserCluster, tmp_path: Path) -> None:
    (tmp_path / "prop.properties").write_text("property.1=value-1\nproperty.2=value-2\n")
    user.kubectl(
        "create", "configmap", "prop", f"--from-file={tmp_path}/prop.properties", "--from-literal=example.key=hello"
    )
    yaml = user.kubectl("get", "configmaps", "prop", "-o", "yaml")
    assert "  prop.properties: |\n    property.1=value-1\n    property.2=value-2\n" in yaml
    user.kubectl("create", "secret", "generic", "credentials", "--from-literal=password=s3cret")
    from_map = {"name": "SPECIAL_KEY", "valueFrom": {"configMapKeyRef": {"name": "prop", "key": "example.key"}}}
    from_secret = {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "credentials", "key": "password"}}}
    main = container("main", "env", env=[from_map, from_secret])
    user.kubectl("create", "-f", "-", text=pod("env", main, restartPolicy="Never"))
    user.wait("--for=jsonpath={.status.phase}=Succeeded", "pod/env")
    lines = user.kubectl("logs", "env").splitlines()
    assert "SPECIAL_KEY=hello" in lines
    assert "PASSWORD=s3cret" in lines
    user.kubectl("delete", "pod/env", "configmap/prop", "secret/credentials")


def test_a_daemon_set_runs_on_the_node_and_a_job_to_its_end(user: UserCluster) -> None:
    user.kubectl("create", "-f", "-", text=workload("DaemonSet", "agent", loop("true")))
    user.kubectl("rollout", "status", "daemonset/agent", "--timeout=240s")
    assert re.search(r"agent +1 +1 +1 +1 +1 ", user.kubectl("get", "daemonset"))
    user.kubectl("delete", "daemonset", "agent")
    job = json.loads(
        user.kubectl(
            "create", "job", "migrate", "--image=busybox", "--dry-run=client", "-o", "json", "--", "echo", "migrated"
        )
    )
    job["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "IfNotPresent"
    user.kubectl("create", "-f", "-", text=json.dumps(job))
    user.wait("--for=condition=Complete", "job/migrate")
    assert user.kubectl("logs", "job/migrate") == "migrated\n"
    assert re.search(r"migrate +Complete +1/1 ", user.kubectl("get", "jobs"))
    user.kubectl("delete", "job", "migrate")


def test_a_second_namespace_keeps_its_own(user: UserCluster) -> None:
    user.kubectl("create", "namespace", "myspace")
    user.wait("--for=create", "serviceaccount/default", "-n", "myspace")
    assert "No resources found" not in user.kubectl("get", "namespace", "myspace")
    user.kubectl("create", "-f", "-", "-n", "myspace", text=pod("podtest", container("main", loop("true"))))
    user.wait("--for=condition=Ready", "pod/podtest", "-n", "myspace")
    assert len(user.kubectl("get", "pods", "-A", "--field-selector=metadata.name=podtest").splitlines()) == 3
    user.kubectl("delete", "namespace", "myspace")
    assert user.kubectl("get", "pods", "-n", "myspace").strip() == ""


def test_port_forward_carries_bytes_both_ways(user: UserCluster) -> None:
    main = container("main", "mkdir /www; echo forwarded > /www/index.html; exec httpd -f -p 8080 -h /www")
    main["readinessProbe"] = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    user.kubectl("create", "-f", "-", text=pod("page", main))
    user.wait("--for=condition=Ready", "pod/page")
    port = free_port()
    environment = {**os.environ, "KUBECONFIG": str(user.data_dir / "kubeconfig")}
    command = [str(PROGRAMS / "kubectl"), "port-forward", "pod/page", f"{port}:8080"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as forwarding:
        try:
            assert forwarding.stdout is not None
            assert "Forwarding from 127.0.0.1" in forwarding.stdout.readline()
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            pages = [opener.open(f"http://127.0.0.1:{port}/", timeout=120).read() for _ in range(3)]
            assert pages == [b"forwarded\n"] * 3
        finally:
            forwarding.terminate()


def test_cp_brings_files_in_and_out(user: UserCluster, tmp_path: Path) -> None:
    content = os.urandom(300_000)
    (tmp_path / "in").write_bytes(content)
    user.kubectl("cp", str(tmp_path / "in"), "page:/tmp/there")
    user.kubectl("cp", "page:/tmp/there", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == content
    user.kubectl("delete", "pod", "page")


def test_attach_follows_a_running_container(user: UserCluster) -> None:
    main = container("main", "read word; echo got $word; sleep 10000", stdin=True, stdinOnce=True)
    user.kubectl("create", "-f", "-", text=pod("listener", main, restartPolicy="Never"))
    user.wait("--for=condition=Ready", "pod/listener")
    environment = {**os.environ, "KUBECONFIG": str(user.data_dir / "kubeconfig")}
    command = [str(PROGRAMS / "kubectl"), "attach", "-i", "listener"]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as attached:
        timer = threading.Timer(300, attached.kill)
        timer.start()
        assert attached.stdin is not None
        assert attached.stdout is not None
        attached.stdin.write("hello\n")
        attached.stdin.flush()
        assert "got hello" in attached.stdout.readline()
        attached.kill()
        timer.cancel()
    user.kubectl("delete", "pod", "listener", "--grace-period=0", "--force")


def test_top_shows_what_pods_and_nodes_use(user: UserCluster) -> None:
    """Usage is a rate: it is known once the kubelet has looked twice."""
    for words, shown in (
        (("pod",), r"NAME +CPU\(cores\) +MEMORY\(bytes\)"),
        (("pod", "podtest"), r"podtest +\d+m +\d+Mi"),
        (("node",), r"CPU\(%\) .*\n\S+ +\d+m +\d+% +\d+Mi +\d+%"),
    ):
        _until_shown(user, shown, "top", *words)


def _until_shown(user: UserCluster, pattern: str, *words: str) -> None:
    user.until(pattern, lambda: re.search(pattern, user.kubectl(*words, check=False)) is not None)


def test_a_node_is_drained_and_taken_back(user: UserCluster) -> None:
    node = user.get("nodes")["items"][0]["metadata"]["name"]
    user.kubectl("create", "-f", "-", text=workload("Deployment", "moving", loop("true"), replicas=1))
    user.kubectl("rollout", "status", "deployment/moving", "--timeout=240s")
    drained = user.kubectl("drain", node, "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=240s")
    assert "evicting pod default/podtest" in drained
    assert f"node/{node} drained" in drained
    assert "SchedulingDisabled" in user.kubectl("get", "nodes")

    def phases() -> list[str]:
        return [one["status"]["phase"] for one in user.get("pods", "-l", "app=moving")["items"]]

    user.until("a pod without a node", lambda: phases() == ["Pending"])
    assert user.kubectl("uncordon", node) == f"node/{node} uncordoned\n"
    user.kubectl("rollout", "status", "deployment/moving", "--timeout=240s")
    events = ("get", "events", "--field-selector=reason=FailedScheduling")
    _until_shown(user, r"0/1 nodes are available: 1 node\(s\) were unschedulable\.", *events)
    user.kubectl("delete", "deployment", "moving")


def test_classic_mistakes_get_upstreams_errors(user: UserCluster) -> None:
    comma = refusal(user, pod("podtest,", container("main", "true"), labels={"app": "x"}))
    assert 'The Pod "podtest," is invalid: metadata.name: Invalid value: "podtest,": a lowercase RFC 1123' in comma
    wrong_field = container("main", "true", port=[{"containerPort": 6379}])
    assert 'strict decoding error: unknown field "spec.containers[0].port"' in refusal(user, pod("port", wrong_field))
    imageless = container("main", "true")
    del imageless["image"]
    assert "spec.containers[0].image: Required value" in refusal(user, pod("imageless", imageless))
    unmatched = json.loads(workload("Deployment", "unmatched", "true"))
    unmatched["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    message = refusal(user, json.dumps(unmatched))
    assert 'The Deployment "unmatched" is invalid: spec.template.metadata.labels: Invalid value: ' in message
    assert "`selector` does not match template `labels`" in message
