"""Packets through the rules: a node and its pods, each in a network namespace of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any

import pytest

from network.builders import NODE, endpoint, port, service, slice_of
from pybernetes.api.models.core_v1 import LoadBalancerIngress, Service
from pybernetes.network.command import CommandFailed
from pybernetes.network.pool_addresses import DeviceAddresses
from pybernetes.network.proxy import render, ruleset
from pybernetes.network.proxy.ruleset import Ruleset
from pybernetes.network.routes import KernelRoutes, Route

pytestmark = pytest.mark.node
CLONE_NEWNET = 0x40000000

SERVER = """
import socket, sys, threading
name, number = sys.argv[1], int(sys.argv[2])
tcp = socket.create_server(("0.0.0.0", number), backlog=64)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", number))
def datagrams():
    while True:
        _, sender = udp.recvfrom(100)
        udp.sendto(f"{name} {sender[0]}".encode(), sender)
threading.Thread(target=datagrams, daemon=True).start()
print("on", flush=True)
while True:
    connection, peer = tcp.accept()
    connection.sendall(f"{name} {peer[0]}".encode())
    connection.close()
"""
ASK = """
import socket, sys
kind, host, number, times, patience = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
for _ in range(times):
    try:
        if kind == "tcp":
            with socket.create_connection((host, number), timeout=patience) as connection:
                print(connection.recv(100).decode())
        else:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(patience)
                client.sendto(b"x", (host, number))
                print(client.recvfrom(100)[0].decode())
    except OSError as error:
        print(type(error).__name__)
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@dataclass
class Lab:
    """A node with a bridge 10.244.0.1/24, three pods 10.244.0.5 to .7, and a client outside at 192.0.2.2."""

    prefix: str
    servers: list[subprocess.Popen[str]]

    def name(self, who: str) -> str:
        return f"{self.prefix}-{who}"

    def apply(self, rules: Ruleset) -> None:
        command = ["ip", "netns", "exec", self.name("node"), "nft", "-f", "-"]
        subprocess.run(command, input=render.whole(rules), text=True, check=True)

    @contextlib.contextmanager
    def inside(self, who: str) -> Iterator[None]:
        """Programs that are started by this thread meanwhile run in the namespace."""
        with open("/proc/self/ns/net") as home, open(f"/run/netns/{self.name(who)}") as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def ask(
        self, who: str, host: str, number: int, *, kind: str = "tcp", times: int = 1, patience: int = 120
    ) -> list[str]:
        command = [
            "ip",
            "netns",
            "exec",
            self.name(who),
            sys.executable,
            "-c",
            ASK,
            kind,
            host,
            str(number),
            str(times),
            str(patience),
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


PODS = {"a": "10.244.0.5", "b": "10.244.0.6", "c": "10.244.0.7"}
BRIDGE = "p8s-br-test"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    made = Lab(f"p8s{uuid.uuid4().hex[:6]}", [])
    with contextlib.ExitStack() as undo:
        for who in ("node", "outside", *PODS):
            ip("netns", "add", made.name(who))
            undo.callback(ip, "netns", "delete", made.name(who))
            ip("-n", made.name(who), "link", "set", "lo", "up")
        _connect(made)
        for who in PODS:
            command = ["ip", "netns", "exec", made.name(who), sys.executable, "-c", SERVER, who, "8080"]
            server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            undo.callback(server.wait)
            undo.callback(server.kill)
            assert server.stdout is not None
            server.stdout.readline()
        yield made


def _connect(lab: Lab) -> None:
    node = lab.name("node")
    ip("-n", node, "link", "add", BRIDGE, "type", "bridge")
    ip("-n", node, "address", "add", "10.244.0.1/24", "dev", BRIDGE)
    ip("-n", node, "link", "set", BRIDGE, "up")
    for who, address in PODS.items():
        pod, device = lab.name(who), f"v{lab.prefix[3:]}{who}"
        ip("link", "add", device, "netns", node, "type", "veth", "peer", "name", "eth0", "netns", pod)
        ip("-n", node, "link", "set", device, "master", BRIDGE, "up")
        subprocess.run(
            ["ip", "netns", "exec", node, "bridge", "link", "set", "dev", device, "hairpin", "on"], check=True
        )
        ip("-n", pod, "address", "add", f"{address}/24", "dev", "eth0")
        ip("-n", pod, "link", "set", "eth0", "up")
        ip("-n", pod, "route", "add", "default", "via", "10.244.0.1")
    outside, device = lab.name("outside"), f"v{lab.prefix[3:]}o"
    ip("link", "add", device, "netns", node, "type", "veth", "peer", "name", "eth0", "netns", outside)
    ip("-n", node, "address", "add", "192.0.2.1/24", "dev", device)
    ip("-n", node, "link", "set", device, "up")
    ip("-n", outside, "address", "add", "192.0.2.2/24", "dev", "eth0")
    ip("-n", outside, "link", "set", "eth0", "up")
    ip("-n", outside, "route", "add", "default", "via", "192.0.2.1")
    ip("-n", node, "route", "add", "default", "via", "192.0.2.2")
    settings = (
        "net.ipv4.ip_forward=1",
        f"net.ipv4.conf.{BRIDGE}.route_localnet=1",
        "net.bridge.bridge-nf-call-iptables=1",
    )
    for setting in settings:
        subprocess.run(["ip", "netns", "exec", node, "sysctl", "-qw", setting], check=True)


WEB = service("web", "10.96.0.20", port(80, node_port=30080), type="NodePort")
NODE1 = replace(NODE, bridge=BRIDGE)


def test_a_pod_reaches_every_endpoint_behind_a_cluster_ip_with_its_own_address(lab: Lab) -> None:
    lab.apply(ruleset([WEB], [slice_of("web", "10.244.0.6", "10.244.0.7")], NODE1))
    answers = Counter(lab.ask("a", "10.96.0.20", 80, times=60))
    assert answers.keys() == {"b 10.244.0.5", "c 10.244.0.5"}


def test_udp_is_balanced_too(lab: Lab) -> None:
    dns = service("dns", "10.96.0.21", port(53, protocol="UDP"))
    lab.apply(ruleset([dns], [slice_of("dns", "10.244.0.6", protocol="UDP")], NODE1))
    assert lab.ask("a", "10.96.0.21", 53, kind="udp") == ["b 10.244.0.5"]


def test_a_pod_reaches_itself_through_its_own_service(lab: Lab) -> None:
    lab.apply(ruleset([WEB], [slice_of("web", "10.244.0.5")], NODE1))
    assert lab.ask("a", "10.96.0.20", 80) == ["a 10.244.0.1"]


def test_the_node_itself_reaches_cluster_ips_and_node_ports_on_every_address(lab: Lab) -> None:
    lab.apply(ruleset([WEB], [slice_of("web", "10.244.0.6")], NODE1))
    for host, number in (("10.96.0.20", 80), ("192.0.2.1", 30080), ("127.0.0.1", 30080)):
        assert lab.ask("node", host, number) == ["b 10.244.0.1"], host


def test_a_client_outside_reaches_a_node_port(lab: Lab) -> None:
    lab.apply(ruleset([WEB], [slice_of("web", "10.244.0.6")], NODE1))
    assert lab.ask("outside", "192.0.2.1", 30080) == ["b 10.244.0.1"]


def test_a_local_policy_shows_the_pod_the_clients_own_address(lab: Lab) -> None:
    local = service("web", "10.96.0.20", port(80, node_port=30080), type="NodePort", external_traffic_policy="Local")
    lab.apply(ruleset([local], [slice_of("web", "10.244.0.6")], NODE1))
    assert lab.ask("outside", "192.0.2.1", 30080) == ["b 192.0.2.2"]


def test_a_service_without_endpoints_refuses_at_once(lab: Lab) -> None:
    lab.apply(ruleset([WEB], [], NODE1))
    assert lab.ask("a", "10.96.0.20", 80) == ["ConnectionRefusedError"]
    assert lab.ask("node", "10.96.0.20", 80) == ["ConnectionRefusedError"]
    assert lab.ask("outside", "192.0.2.1", 30080) == ["ConnectionRefusedError"]


def test_a_port_that_a_service_does_not_have_is_refused(lab: Lab) -> None:
    lab.apply(ruleset([WEB], [slice_of("web", "10.244.0.6")], NODE1))
    assert lab.ask("a", "10.96.0.20", 81) == ["ConnectionRefusedError"]


def test_a_client_with_affinity_stays_with_one_endpoint(lab: Lab) -> None:
    sticky = service("web", "10.96.0.20", port(80), session_affinity="ClientIP")
    lab.apply(ruleset([sticky], [slice_of("web", "10.244.0.6", "10.244.0.7")], NODE1))
    assert len(set(lab.ask("a", "10.96.0.20", 80, times=20))) == 1


def test_a_terminating_endpoint_serves_while_there_is_no_other(lab: Lab) -> None:
    leaving = endpoint("10.244.0.7", ready=False, serving=True, terminating=True)
    lab.apply(ruleset([WEB], [slice_of("web", leaving)], NODE1))
    assert lab.ask("a", "10.96.0.20", 80) == ["c 10.244.0.5"]


def balanced(address: str, **spec: Any) -> Service:
    made = service("web", "10.96.0.20", port(80, node_port=30080), type="LoadBalancer", **spec)
    made.status.load_balancer.ingress = [LoadBalancerIngress(ip=address, ip_mode="VIP")]
    return made


def test_an_address_of_the_node_can_be_that_of_a_load_balancer(lab: Lab) -> None:
    lab.apply(ruleset([balanced("192.0.2.1")], [slice_of("web", "10.244.0.6")], NODE1))
    for who, seen in (("outside", "10.244.0.1"), ("node", "10.244.0.1"), ("a", "10.244.0.1")):
        assert lab.ask(who, "192.0.2.1", 80) == [f"b {seen}"], who
    lab.apply(ruleset([balanced("192.0.2.1", external_traffic_policy="Local")], [slice_of("web", "10.244.0.6")], NODE1))
    assert lab.ask("outside", "192.0.2.1", 80) == ["b 192.0.2.2"]


def test_neighbours_find_an_address_of_the_pool_that_the_node_holds(lab: Lab) -> None:
    with lab.inside("node"):
        held = DeviceAddresses(BRIDGE)
        asyncio.run(held.add("192.0.2.50"))
        assert "192.0.2.50" in asyncio.run(held.present())
        lab.apply(ruleset([balanced("192.0.2.50")], [slice_of("web", "10.244.0.6")], NODE1))
        assert lab.ask("outside", "192.0.2.50", 80) == ["b 10.244.0.1"]
        asyncio.run(held.remove("192.0.2.50"))
        assert "192.0.2.50" not in asyncio.run(held.present())


def test_routes_to_other_nodes_pods_are_made_and_unmade(lab: Lab) -> None:
    with lab.inside("node"):
        routes = KernelRoutes([ip_network("10.244.0.0/16")])
        route = Route("10.244.9.0/24", "192.0.2.2")
        asyncio.run(routes.add(route))
        assert asyncio.run(routes.present()) == {route}
        asyncio.run(routes.remove(route))
        assert asyncio.run(routes.present()) == frozenset()
        with pytest.raises(CommandFailed):
            asyncio.run(routes.add(Route("10.244.9.0/24", "203.0.113.1")))


def test_pods_do_not_reach_the_nodes_loopback_through_the_bridge(lab: Lab) -> None:
    lab.apply(ruleset([], [], NODE1))
    ip("-n", lab.name("a"), "route", "add", "127.99.0.0/16", "via", "10.244.0.1", "dev", "eth0")
    with subprocess.Popen(
        ["ip", "netns", "exec", lab.name("node"), sys.executable, "-c", SERVER, "node", "9090"],
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        server.stdout.readline()
        assert lab.ask("a", "127.99.0.1", 9090, patience=3) != ["node 10.244.0.5"]
        server.kill()
