"""Two nodes with real containers on one machine, as their user has them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import urllib.request
import uuid
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import pytest

from e2e import machine
from e2e.cluster import PROGRAMS, UserCluster, free_port
from e2e.space import Manifest, Space, container, pod, service, stay
from e2e.talking import DATAGRAMS, HTTP, ask, asker, misled, server

pytestmark = pytest.mark.node

PORTS = [
    {"name": "tcp", "port": 80, "targetPort": HTTP, "protocol": "TCP"},
    {"name": "udp", "port": 90, "targetPort": DATAGRAMS, "protocol": "UDP"},
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UserCluster]:
    """Two nodes, each with the images that these tests use."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    made = UserCluster(f"n{uuid.uuid4().hex[:6]}", tmp_path_factory.mktemp("pair") / "cluster", free_port())
    try:
        made.up("containerd", "--nodes", "2")
        made.p8s("image", "build", "busybox", "php")
        yield made
    finally:
        made.p8s("down", "--purge")


@pytest.fixture
def room(pair: UserCluster) -> Iterator[Space]:
    """A namespace of the test's own. It is deleted without waiting."""
    made = Space(pair, f"t-{uuid.uuid4().hex[:8]}")
    made.create()
    yield made
    pair.kubectl("delete", "namespace", made.name, "--wait=false")


def nodes_of(cluster: UserCluster) -> list[Manifest]:
    found = cluster.get("nodes")["items"]
    return sorted(found, key=lambda node: str(node["metadata"]["name"]))


def names_of(cluster: UserCluster) -> tuple[str, str]:
    first, second = nodes_of(cluster)
    return first["metadata"]["name"], second["metadata"]["name"]


def address_of(node: Manifest, kind: str = "InternalIP") -> str:
    return next(str(one["address"]) for one in node["status"]["addresses"] if one["type"] == kind)


@contextlib.contextmanager
def forwarded(room: Space, name: str, port: int) -> Iterator[str]:
    """Where the pod's port is on this machine, as long as it is needed."""
    environment = {**os.environ, "KUBECONFIG": str(room.cluster.data_dir / "kubeconfig")}
    command = [str(PROGRAMS / "kubectl"), "-n", room.name, "port-forward", f"pod/{name}", f":{port}"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as forwarding:
        try:
            assert forwarding.stdout is not None
            found = re.match(r"Forwarding from (127\.0\.0\.1:\d+)", forwarding.stdout.readline())
            assert found is not None
            yield found[1]
        finally:
            forwarding.terminate()


def answer_at(host: str, port: int) -> str:
    """From the machine itself."""
    with socket.create_connection((host, port), timeout=60) as connection:
        connection.sendall(b"GET /hostname HTTP/1.0\r\n\r\n")
        return connection.makefile().read().rpartition("\n")[2].strip()


def on(node: str, manifest: Manifest) -> Manifest:
    manifest["spec"]["nodeName"] = node
    return manifest


# ---- what a user and upstream's acceptance suite count on


@pytest.mark.conformance("Conformance tests minimum number of nodes.")
def test_two_nodes_take_pods_and_differ_in_all_that_nodes_differ_in(pair: UserCluster, room: Space) -> None:
    nodes = nodes_of(pair)
    for node in nodes:
        ready = [one["status"] for one in node["status"]["conditions"] if one["type"] == "Ready"]
        assert ready == ["True"]
        assert not node["spec"].get("unschedulable")
        assert not node["spec"].get("taints")
        assert int(node["status"]["allocatable"]["pods"]) > 1
    distinct = [
        [node["metadata"]["name"] for node in nodes],
        [node["metadata"]["labels"]["kubernetes.io/hostname"] for node in nodes],
        [address_of(node) for node in nodes],
        [address_of(node, "Hostname") for node in nodes],
        [node["spec"]["podCIDR"] for node in nodes],
        [node["status"]["nodeInfo"]["machineID"] for node in nodes],
        [node["status"]["nodeInfo"]["systemUUID"] for node in nodes],
    ]
    assert all(len(set(values)) == 2 for values in distinct), distinct

    spread = [{"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "apart"}}}]
    alone = {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": spread}}}
    room.start(*(pod(name, container(stay()), labels={"app": "apart"}, **alone) for name in ("a", "b")))
    placed = {one["spec"]["nodeName"]: one["status"] for one in room.get("pods")["items"]}
    assert placed.keys() == set(distinct[0])
    for node in nodes:
        status = placed[node["metadata"]["name"]]
        assert status["hostIP"] == address_of(node)
        assert ip_address(status["podIP"]) in ip_network(node["spec"]["podCIDR"])


def test_pods_of_both_nodes_reach_each_other_by_every_way_there_is(pair: UserCluster, room: Space) -> None:
    first, second = names_of(pair)
    here, there = (address_of(node) for node in nodes_of(pair))
    room.apply(service("web", "web", ports=PORTS, type="NodePort"))
    number = {one["name"]: one["nodePort"] for one in room.get("service", "web")["spec"]["ports"]}
    host_port = free_port()
    published = [{"containerPort": HTTP, "hostPort": host_port}]
    room.start(
        on(first, server("one", app="web", ports=published)),
        on(second, server("two", app="web", ports=published)),
        on(first, asker("from-one")),
        on(second, asker("from-two")),
        on(first, asker("host-one", hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet")),
        on(second, asker("host-two", hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet")),
    )
    both = {"one", "two"}
    cluster_ip = str(room.get("service", "web")["spec"]["clusterIP"])
    ways = [
        *(("tcp", room.address(name), HTTP, {name}) for name in both),
        *(("udp", room.address(name), DATAGRAMS, {name}) for name in both),
        ("tcp", here, host_port, {"one"}),
        ("tcp", there, host_port, {"two"}),
        *(("tcp", host, 80, both) for host in ("web", cluster_ip)),
        *(("udp", host, 90, both) for host in ("web", cluster_ip)),
        *((protocol, host, number[protocol], both) for protocol in ("tcp", "udp") for host in (here, there)),
    ]
    for asking in ("from-one", "from-two", "host-one", "host-two"):
        assert misled(room, asking, ways) == "", asking
    on_the_machine = {answer_at("127.0.0.1", number["tcp"]) for _ in range(24)}
    assert on_the_machine == both


def test_a_pod_sees_who_asks_and_a_local_policy_keeps_to_its_node(pair: UserCluster, room: Space) -> None:
    first, second = names_of(pair)
    here, there = (address_of(node) for node in nodes_of(pair))
    room.apply(service("web", "web", ports=PORTS[:1], type="NodePort", externalTrafficPolicy="Local"))
    room.start(on(second, server("web")), on(first, asker("host-one", hostNetwork=True)), on(first, asker("from-one")))
    number = int(room.get("service", "web")["spec"]["ports"][0]["nodePort"])
    direct = room.address("web"), HTTP
    assert misled(room, "host-one", [("tcp", there, number, {"web"})]) == ""
    assert misled(room, "from-one", [("tcp", *direct, {"web"}), ("tcp", "web", 80, {"web"})]) == ""
    page = '-r echo(file_get_contents("http://%s:%s/clientip"));'
    for asking, url, source in (
        ("from-one", direct, room.address("from-one")),
        ("host-one", (there, number), here),
    ):
        seen = room.kubectl("exec", asking, "--", "php", page % url)
        assert seen.rpartition(":")[0] == source
    room.start(on(second, asker("host-two", hostNetwork=True)))
    assert ask(room, here, number, by="host-two") == ["failed"]


def test_kubectl_gets_through_to_the_kubelet_of_each_node(pair: UserCluster, room: Space) -> None:
    names = names_of(pair)
    pods = dict(zip(names, ("one", "two"), strict=True))
    script = f"echo on $NODE; mkdir /www; hostname > /www/index.html; httpd -p {HTTP} -h /www; {stay()}"
    told = {"env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]}
    probe = {"readinessProbe": {"httpGet": {"path": "/", "port": HTTP}, "periodSeconds": 1}}
    room.start(*(on(node, pod(name, container(script, **told, **probe))) for node, name in pods.items()))
    for node, name in pods.items():
        assert room.kubectl("logs", name) == f"on {node}\n"
        assert room.run(name, "echo $NODE; hostname").split() == [node, name]
        assert room.kubectl("exec", "-i", name, "--", "cat", text="through") == "through"
        assert pair.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/healthz") == "ok"
        own = json.loads(pair.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/pods"))["items"]
        assert [one["metadata"]["name"] for one in own if one["metadata"]["namespace"] == room.name] == [name]
        pair.until(f"what {name} uses", lambda: measured(room, node) == [name])  # noqa: B023
        with forwarded(room, name, HTTP) as place:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            assert opener.open(f"http://{place}/", timeout=120).read().decode().strip() == name


def measured(room: Space, node: str) -> list[str]:
    """The pods that the node's kubelet has measured so far."""
    found = json.loads(room.cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary"))
    assert found["node"]["nodeName"] == node
    return [one["podRef"]["name"] for one in found["pods"] if one["podRef"]["namespace"] == room.name]


def test_pods_in_a_nodes_own_network_have_its_name_and_its_ports(pair: UserCluster, room: Space) -> None:
    number = free_port()
    names = names_of(pair)
    room.start(*(on(node, server(f"at-{node}", tcp=(number,), udp=(), hostNetwork=True)) for node in names))
    room.start(asker())
    for node in nodes_of(pair):
        assert room.address(f"at-{node['metadata']['name']}") == address_of(node)
        assert misled(room, "asker", [("tcp", address_of(node), number, {node["metadata"]["name"]})]) == ""


# ---- what happens to one leaves the other alone


def test_a_drained_node_hands_its_pods_to_the_other(pair: UserCluster, room: Space) -> None:
    first, second = names_of(pair)
    template = pod("web", container(stay()))
    spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    template["spec"]["topologySpreadConstraints"] = [{**spread, "labelSelector": {"matchLabels": {"app": "web"}}}]
    room.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "replicas": 4,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": template["spec"]},
            },
        }
    )
    room.wait("--for=condition=Available", "deployment/web")
    assert {one["spec"]["nodeName"] for one in room.get("pods")["items"]} == {first, second}
    try:
        pair.kubectl("drain", second, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=240s")

        def places() -> list[str]:
            return [one["spec"].get("nodeName", "") for one in room.get("pods")["items"]]

        pair.until("its pods on the other", lambda: places() == [first] * 4)
        room.wait("--for=condition=Ready", "pod", "--all")
    finally:
        pair.kubectl("uncordon", second)


def test_a_kubelet_that_is_killed_comes_back_and_no_container_notices(pair: UserCluster, room: Space) -> None:
    first, second = names_of(pair)
    room.start(*(on(node, pod(f"on-{node}", container(stay()))) for node in (first, second)))
    before = {node: room.status(f"on-{node}")["containerID"] for node in (first, second)}
    killed = pair.pids()["node-2"]
    os.kill(killed, signal.SIGKILL)
    pair.until("another kubelet", lambda: pair.pids().get("node-2", killed) != killed)
    room.start(on(second, pod("afterwards", container(stay()))))
    after = {node: room.status(f"on-{node}") for node in (first, second)}
    assert {node: one["containerID"] for node, one in after.items()} == before
    assert {one["restartCount"] for one in after.values()} == {0}


def test_after_everything_was_killed_both_nodes_come_back_and_down_leaves_nothing(pair: UserCluster) -> None:
    """The last one: it takes the cluster away."""
    first, second = names_of(pair)
    space = Space(pair, "default")
    space.start(*(on(node, pod(f"stays-on-{node}", container(stay()))) for node in (first, second)))
    before = {node: space.status(f"stays-on-{node}")["containerID"] for node in (first, second)}
    traces = machine.traces_of(pair)
    assert machine.kinds(traces) == machine.ALL_KINDS
    machine.kill_everything(pair)
    pair.p8s("up")
    for node in (first, second):

        def replaced(name: str = f"stays-on-{node}", container: str = before[node]) -> bool:
            found = space.get("pod", name)["status"].get("containerStatuses") or [{}]
            return bool(found[0].get("ready")) and found[0]["containerID"] != container

        pair.until(f"a new container on {node}", replaced)
    space.start(on(first, asker()), on(second, server("web")))
    assert misled(space, "asker", [("tcp", space.address("web"), HTTP, {"web"})]) == ""
    traces |= machine.traces_of(pair)
    machine.kill_everything(pair)
    pair.p8s("down")
    assert machine.still_there(traces, pair) == set()
