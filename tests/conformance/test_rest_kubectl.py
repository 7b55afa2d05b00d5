"""kubectl, unmodified, before a whole cluster with hollow nodes."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster import PROGRAMS, UserCluster
from e2e.space import Space

PAUSE = "registry.k8s.io/pause:3.10"
LABELS = {"app": "agnhost", "role": "primary"}


@pytest.fixture
def space(whole_cluster: UserCluster, namespace: str) -> Space:
    return Space(whole_cluster, namespace)


def controller(name: str, replicas: int = 1, labels: dict[str, str] = LABELS) -> dict[str, Any]:
    ports = [{"name": "agnhost-server", "containerPort": 6379}]
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": name, "image": PAUSE, "ports": ports}]},
    }
    return {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": replicas, "selector": labels, "template": template},
    }


def started(space: Space, *manifests: dict[str, Any], selector: str = "app=agnhost") -> list[str]:
    """Creates them; the names of the pods when all are running."""
    for manifest in manifests:
        space.kubectl("create", "-f", "-", text=json.dumps(manifest))
    space.wait("--for=create", "pod", "-l", selector)
    space.wait("--for=jsonpath={.status.phase}=Running", "pod", "-l", selector)
    return space.kubectl("get", "pods", "-l", selector, "-o", "jsonpath={.items[*].metadata.name}").split()


@pytest.mark.conformance("Kubectl, check version v1", "Kubectl, cluster info", "Kubectl, version")
def test_what_the_cluster_is(space: Space) -> None:
    assert "v1" in space.kubectl("api-versions").splitlines()
    info = re.sub(r"\x1b\[[\d;]*m", "", space.kubectl("cluster-info"))
    assert re.search(r"Kubernetes control plane is running at https://127\.0\.0\.1:\d+", info)
    plain = space.kubectl("version")
    assert re.search(r"Client Version: v1\.37\.\d+", plain)
    assert re.search(r"Server Version: v1\.36\.\d+", plain)
    versions = json.loads(space.kubectl("version", "-o", "json"))
    for side, minor in (("clientVersion", "37"), ("serverVersion", "36")):
        told = versions[side]
        assert (told["major"], told["minor"]) == ("1", minor)
        assert told["gitVersion"].startswith(f"v1.{minor}.")
        assert told.keys() >= {"gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"}


def says(output: str, *lines: tuple[str, ...]) -> None:
    """Each is found in order: a line that starts with the first word and has the others."""
    rest = iter(output.splitlines())
    for wanted in lines:
        assert any(line.strip().startswith(wanted[0]) and all(word in line for word in wanted) for line in rest), wanted


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "agnhost-primary", "labels": LABELS},
    "spec": {"selector": LABELS, "ports": [{"port": 6379, "targetPort": "agnhost-server"}]},
}


@pytest.mark.conformance("Kubectl, describe pod or rc")
def test_what_is_told_of_pods_their_controller_service_node_and_namespace(space: Space) -> None:
    [name] = started(space, controller("agnhost-primary"), SERVICE)
    describe: Callable[..., str] = lambda *words: space.kubectl("describe", *words)  # noqa: E731
    says(
        describe("pod", name),
        ("Name:", "agnhost-primary-"),
        ("Namespace:", space.name),
        ("Node:",),
        ("Labels:", "app=agnhost"),
        ("role=primary",),
        ("Annotations:",),
        ("Status:", "Running"),
        ("IP:",),
        ("Controlled By:", "ReplicationController/agnhost-primary"),
        ("Image:", PAUSE),
        ("State:", "Running"),
        ("QoS Class:", "BestEffort"),
    )
    says(
        describe("rc", "agnhost-primary"),
        ("Name:", "agnhost-primary"),
        ("Namespace:", space.name),
        ("Selector:", "app=agnhost,role=primary"),
        ("Labels:", "app=agnhost"),
        ("role=primary",),
        ("Annotations:",),
        ("Replicas:", "1 current", "1 desired"),
        ("Pods Status:", "1 Running", "0 Waiting", "0 Succeeded", "0 Failed"),
        ("Pod Template:",),
        ("Image:", PAUSE),
        ("Events:",),
    )
    says(
        describe("service", "agnhost-primary"),
        ("Name:", "agnhost-primary"),
        ("Namespace:", space.name),
        ("Labels:", "app=agnhost"),
        ("role=primary",),
        ("Annotations:",),
        ("Selector:", "app=agnhost", "role=primary"),
        ("Type:", "ClusterIP"),
        ("IP:",),
        ("Port:", "<unset>", "6379/TCP"),
        ("Endpoints:",),
        ("Session Affinity:", "None"),
    )
    node = space.get("pod", name)["spec"]["nodeName"]
    says(
        describe("node", node),
        ("Name:", node),
        ("Labels:",),
        ("Annotations:",),
        ("CreationTimestamp:",),
        ("Conditions:",),
        ("Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message"),
        ("Addresses:",),
        ("Capacity:",),
        ("System Info:",),
        ("Kernel Version:",),
        ("OS Image:",),
        ("Container Runtime Version:",),
        ("Kubelet Version:",),
        ("Non-terminated Pods:",),
    )
    says(
        describe("namespace", space.name), ("Name:", space.name), ("Labels:",), ("Annotations:",), ("Status:", "Active")
    )


@pytest.mark.conformance("Kubectl, diff Deployment")
def test_a_difference_of_images_is_shown(space: Space) -> None:
    labels = {"app": "httpd"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "httpd", "image": "httpd:2"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "httpd-deployment"}, "spec": spec}
    space.kubectl("create", "-f", "-", text=json.dumps(manifest))
    other = json.dumps(manifest).replace("httpd:2", "busybox:1")
    found = space.kubectl("diff", "-f", "-", text=other, check=False)
    assert re.search(r"^-\s+- image: httpd:2$", found, re.MULTILINE)
    assert re.search(r"^\+\s+- image: busybox:1$", found, re.MULTILINE)
    assert space.kubectl("diff", "-f", "-", text=json.dumps(manifest)) == ""


@pytest.mark.conformance("Kubectl, create service, replication controller")
def test_a_controller_and_then_its_service_are_exposed(space: Space) -> None:
    started(space, controller("agnhost-primary"))
    space.kubectl("expose", "rc", "agnhost-primary", "--name=rm2", "--port=1234", "--target-port=6379")
    space.kubectl("expose", "service", "rm2", "--name=rm3", "--port=2345", "--target-port=6379")
    for name, number in (("rm2", 1234), ("rm3", 2345)):
        [port] = space.get("service", name)["spec"]["ports"]
        assert (port["port"], port["targetPort"]) == (number, 6379)
        space.cluster.until(f"the endpoint of {name}", lambda: addressed(space, name) == [6379])  # noqa: B023


def addressed(space: Space, name: str) -> list[int]:
    """The ports of the primary's pod in the Endpoints object, once there is one."""
    [found] = json.loads(space.kubectl("get", "endpoints", "-o", "json", f"--field-selector=metadata.name={name}"))[
        "items"
    ] or [{}]
    return [
        port["port"]
        for subset in found.get("subsets") or ()
        for address in subset.get("addresses") or ()
        for port in subset["ports"]
        if address["targetRef"]["name"].startswith("agnhost-primary-")
    ]


@pytest.mark.conformance("Kubectl, label update", "Kubectl, patch to annotate")
def test_running_pods_are_labelled_and_annotated(space: Space) -> None:
    [name] = started(space, controller("agnhost-primary"))
    space.kubectl("label", "pods", name, "testing-label=testing-label-value")
    assert "testing-label-value" in space.kubectl("get", "pod", name, "-L", "testing-label")
    assert name in space.kubectl("get", "pod", "-l", "testing-label=testing-label-value")
    space.kubectl("label", "pods", name, "testing-label-")
    assert "testing-label-value" not in space.kubectl("get", "pod", name, "-L", "testing-label")
    assert name not in space.kubectl("get", "pod", "-l", "testing-label=testing-label-value")
    space.kubectl("patch", "pod", name, "-p", '{"metadata":{"annotations":{"x":"y"}}}')
    assert space.get("pod", name)["metadata"]["annotations"]["x"] == "y"


@pytest.mark.conformance("Kubectl, run pod", "Kubectl, replace", "Kubectl, server-side dry-run Pod")
def test_a_pod_is_run_patched_for_show_and_replaced(space: Space) -> None:
    space.kubectl("run", "never", "--restart=Never", "--image=httpd:2")
    once = space.get("pod", "never")
    assert [one["image"] for one in once["spec"]["containers"]] == ["httpd:2"]
    assert once["spec"]["restartPolicy"] == "Never"

    space.kubectl("run", "httpd", "--image=httpd:2", "--labels=run=httpd")
    patch = {"spec": {"containers": [{"name": "httpd", "image": "busybox:1"}]}}
    shown = json.loads(
        space.kubectl("patch", "pod", "httpd", "-p", json.dumps(patch), "--dry-run=server", "-o", "json")
    )
    assert shown["spec"]["containers"][0]["image"] == "busybox:1"
    assert space.get("pod", "httpd")["spec"]["containers"][0]["image"] == "httpd:2"

    space.wait("--for=jsonpath={.status.phase}=Running", "pod/httpd")
    before = space.get("pod", "httpd")
    del before["metadata"]["resourceVersion"]
    changed = json.dumps(before).replace("httpd:2", "busybox:1")
    space.kubectl("replace", "-f", "-", text=changed)
    after = space.get("pod", "httpd")
    assert after["spec"]["containers"][0]["image"] == "busybox:1"
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    space.kubectl("replace", "--force", "--grace-period=0", "-f", "-", text=changed.replace("busybox:1", "httpd:3"))
    again = space.get("pod", "httpd")
    assert again["spec"]["containers"][0]["image"] == "httpd:3"
    assert again["metadata"]["uid"] != before["metadata"]["uid"]


@contextmanager
def proxy(space: Space, *words: str) -> Iterator[str]:
    """What it says when it is ready."""
    environment = {**os.environ, "KUBECONFIG": str(space.cluster.data_dir / "kubeconfig")}
    command = [str(PROGRAMS / "kubectl"), "proxy", *words]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline()
        finally:
            process.terminate()


def versions(connection: http.client.HTTPConnection) -> list[str]:
    connection.request("GET", "/api/")
    answer = connection.getresponse()
    assert answer.status == 200
    found: list[str] = json.loads(answer.read())["versions"]
    return found


@pytest.mark.conformance("Kubectl, proxy port zero", "Kubectl, proxy socket")
def test_a_proxy_on_any_port_and_on_a_socket(space: Space, tmp_path: Path) -> None:
    with proxy(space, "--port=0", "--disable-filter=true") as line:
        [port] = re.findall(r"Starting to serve on 127\.0\.0\.1:(\d+)", line)
        assert versions(http.client.HTTPConnection("127.0.0.1", int(port))) == ["v1"]
    path = str(tmp_path / "test")
    with proxy(space, f"--unix-socket={path}") as line:
        assert line == f"Starting to serve on {path}\n"
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(path)
        assert versions(connection) == ["v1"]


@pytest.mark.conformance("Kubectl, replication controller", "Kubectl, scale replication controller")
def test_a_controller_runs_as_many_pods_as_it_is_scaled_to(space: Space) -> None:
    labels = {"name": "update-demo"}
    assert len(started(space, controller("update-demo-nautilus", 2, labels), selector="name=update-demo")) >= 1

    def running() -> list[str]:
        template = (
            '{{range .items}}{{if (exists . "status" "containerStatuses")}}'
            '{{range .status.containerStatuses}}{{if (exists . "state" "running")}}x {{end}}{{end}}{{end}}{{end}}'
        )
        return space.kubectl(
            "get", "pods", "-o", "template", f"--template={template}", "-l", "name=update-demo"
        ).split()

    def settles_at(count: int) -> None:
        space.cluster.until(f"{count} pods", lambda: running() == ["x"] * count)

    settles_at(2)
    for count in (1, 2):
        space.kubectl("scale", "rc", "update-demo-nautilus", f"--replicas={count}", "--timeout=4m")
        settles_at(count)
    space.kubectl("delete", "--grace-period=0", "--force", "rc", "update-demo-nautilus")
    space.cluster.until("no pods", lambda: running() == [])
    assert space.kubectl("get", "rc,svc", "-l", "name=update-demo", "--no-headers") == ""
