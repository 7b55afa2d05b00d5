"""How pods, the host and Services reach each other, by address and by name."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from e2e.cluster import UserCluster, free_port
from e2e.space import Manifest, Space, container, pod, service, stay
from e2e.talking import server as talking_server

pytestmark = pytest.mark.node

NAMES = "nc -ll -p 8080 -e hostname"
"""Answers each connection with the pod's name."""


def server(name: str, app: str = "web", **more: object) -> Manifest:
    main = container(NAMES, ports=[{"name": "web", "containerPort": 8080}], **more)
    return pod(name, main, labels={"app": app}, terminationGracePeriodSeconds=0)


def client() -> Manifest:
    return pod("client", container(stay()))


def answers(space: Space, host: str, port: int = 80, count: int = 20) -> list[str]:
    """What each connection is answered; after one that fails there are no others, for each may take its time."""
    script = f"for n in $(seq {count}); do nc -w 10 {host} {port} </dev/null || {{ echo failed; break; }}; done"
    return space.run("client", script).split()


def call(host: str, port: int) -> str:
    """From the host."""
    with socket.create_connection((host, port), timeout=120) as connection:
        return connection.makefile().read().strip()


def cluster_ip(space: Space, name: str) -> str:
    return str(space.get("service", name)["spec"]["clusterIP"])


def node_address(space: Space) -> str:
    node = space.cluster.get("nodes")["items"][0]
    return next(str(one["address"]) for one in node["status"]["addresses"] if one["type"] == "InternalIP")


# ---- Services


def test_a_cluster_ip_balances_over_the_ready_endpoints(space: Space) -> None:
    never = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    space.apply(service("web", "web", ports=[{"port": 80, "targetPort": "web"}]), server("c", readinessProbe=never))
    space.start(server("a"), server("b"), client())
    space.until_endpoints("web", 2)
    space.cluster.until("the Service", lambda: set(answers(space, "web")) == {"a", "b"})
    assert {call(cluster_ip(space, "web"), 80) for _ in range(40)} == {"a", "b"}


def test_an_endpoint_that_goes_away_is_not_chosen_any_more(space: Space) -> None:
    space.apply(service("web", "web"))
    space.start(server("a"), server("b"), client())
    space.cluster.until("the Service", lambda: set(answers(space, "web")) == {"a", "b"})
    space.kubectl("label", "pod", "a", "app=other", "--overwrite")
    space.until_endpoints("web", 1)
    space.cluster.until("the change", lambda: answers(space, "web") == ["b"] * 20)
    space.kubectl("delete", "pod", "b")
    space.kubectl("label", "pod", "a", "app=web", "--overwrite")
    space.cluster.until("the change", lambda: answers(space, "web") == ["a"] * 20)


def test_session_affinity_keeps_a_client_with_one_endpoint(space: Space) -> None:
    space.apply(service("web", "web", sessionAffinity="ClientIP"))
    space.start(server("a"), server("b"), server("c"), client())
    space.until_endpoints("web", 3)
    space.cluster.until("the Service", lambda: "failed" not in answers(space, "web", count=1))
    assert len(set(answers(space, "web"))) == 1
    from_host = {call(cluster_ip(space, "web"), 80) for _ in range(12)}
    assert len(from_host) == 1


def test_a_service_without_endpoints_refuses(space: Space) -> None:
    space.apply(service("empty", "nobody"))
    space.start(client())
    address = cluster_ip(space, "empty")

    def refused() -> bool:
        return "Connection refused" in space.attempt("client", f"nc -w 10 {address} 80").stderr

    space.cluster.until("the refusal", refused)


def test_a_pod_reaches_itself_through_its_own_service(space: Space) -> None:
    space.apply(service("self", "client"))
    space.start(pod("client", container(NAMES)))
    space.until_endpoints("self", 1)
    space.cluster.until("the Service", lambda: answers(space, "self", count=3) == ["client"] * 3)


def test_a_node_port_is_reached_from_the_host_and_from_pods(space: Space) -> None:
    space.apply(service("web", "web", type="NodePort"))
    space.start(server("a"), server("b"), client())
    port = int(space.get("service", "web")["spec"]["ports"][0]["nodePort"])
    assert 30000 <= port <= 32767
    space.until_endpoints("web", 2)
    node = node_address(space)
    space.cluster.until("the node port", lambda: set(answers(space, node, port)) == {"a", "b"})
    assert {call(node, port) for _ in range(40)} == {"a", "b"}


def test_a_host_port_leads_to_its_pod(space: Space) -> None:
    port = free_port()
    main = container(NAMES, ports=[{"containerPort": 8080, "hostPort": port}])
    space.start(pod("a", main, terminationGracePeriodSeconds=0), client())
    node = node_address(space)
    space.cluster.until("the host port", lambda: answers(space, node, port, count=1) == ["a"])
    assert call(node, port) == "a"


def test_a_pod_on_the_host_network_has_the_nodes_address_and_still_finds_services(space: Space) -> None:
    space.apply(service("web", "web"))
    space.start(server("a"), pod("client", container(stay()), hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"))
    assert space.address("client") == node_address(space)
    space.until_endpoints("web", 1)
    space.cluster.until("the Service", lambda: answers(space, "web", count=2) == ["a", "a"])


def test_udp_is_balanced_as_well(space: Space) -> None:
    space.cluster.p8s("image", "build", "php")
    serve = (
        '$s = stream_socket_server("udp://0.0.0.0:9000", $e, $m, STREAM_SERVER_BIND); while (true) {'
        '$d = stream_socket_recvfrom($s, 1500, 0, $from); stream_socket_sendto($s, gethostname().":$d", 0, $from); }'
    )
    ask = (
        'for ($n = 0; $n < 20; $n++) { $c = stream_socket_client("udp://echo:9000"); stream_set_timeout($c, 10);'
        'fwrite($c, "ping"); echo fread($c, 1500), "\\n"; }'
    )
    php = {"image": "php", "command": ["php", "-r", serve]}
    ports = [{"port": 9000, "protocol": "UDP"}]
    space.apply(service("echo", "echo", ports=ports))
    labels = {"app": "echo"}
    space.start(
        *(pod(name, container("", **php), labels=labels, terminationGracePeriodSeconds=0) for name in ("a", "b")),
        pod("client", container(stay(), image="php")),
    )
    space.until_endpoints("echo", 2)

    def replies() -> set[str]:
        return set(space.kubectl("exec", "client", "--", "php", "-r", ask).split())

    space.cluster.until("both endpoints' replies", lambda: replies() == {"a:ping", "b:ping"})


def unused_node_port(space: Space) -> int:
    """Of those that nobody is given without asking for it."""
    services = space.cluster.get("services", "--all-namespaces")["items"]
    taken = {port.get("nodePort") for one in services for port in one["spec"].get("ports", ())}
    return next(number for number in range(30000, 30086) if number not in taken)


@pytest.mark.usefixtures("talking")
def test_a_udp_client_that_asked_too_early_is_served_once_the_service_is_there(space: Space) -> None:
    """From one port all the time, so that the kernel remembers the flow."""
    number = unused_node_port(space)
    ports = [{"port": 80, "targetPort": 8081, "nodePort": number, "protocol": "UDP"}]
    space.start(talking_server("early"))
    at = node_address(space)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.2)

        def answered() -> bool:
            try:
                asking.sendto(b"hostname", (at, number))
                return asking.recv(1500) == b"early"
            except (TimeoutError, ConnectionRefusedError, PermissionError):
                return False

        assert not answered()
        space.apply(service("early", "early", ports=ports, type="NodePort"))
        space.cluster.until("the answer", answered)


# ---- names


def resolver(space: Space) -> str:
    """The cluster's DNS server, as the client pod is told of it."""
    text = space.run("client", "cat /etc/resolv.conf")
    domains = f"{space.name}.svc.cluster.local svc.cluster.local cluster.local"
    assert re.search(rf"^search {re.escape(domains)}\b", text, re.MULTILINE)
    assert "options ndots:5" in text
    found = re.search(r"^nameserver (\S+)$", text, re.MULTILINE)
    assert found is not None
    return found[1]


def ask(at: str, name: str, kind: str = "A") -> dns.message.Message:
    return dns.query.udp(dns.message.make_query(name, kind), at, timeout=120)


def records(at: str, name: str, kind: str = "A") -> set[str]:
    return {one.to_text() for group in ask(at, name, kind).answer for one in group}


def test_services_have_names_that_pods_shorten(space: Space) -> None:
    space.apply(service("web", "web", ports=[{"name": "http", "port": 80, "targetPort": 8080}]))
    space.start(server("a"), client())
    space.until_endpoints("web", 1)
    at, address = resolver(space), cluster_ip(space, "web")
    full = f"web.{space.name}.svc.cluster.local"
    names = ("web", f"web.{space.name}", f"web.{space.name}.svc", full)
    space.cluster.until("the Service", lambda: answers(space, "web", count=1) == ["a"])
    for name in names:
        assert answers(space, name, count=1) == ["a"]
    assert records(at, full) == {address}
    assert records(at, full, "AAAA") == set()
    assert records(at, f"_http._tcp.{full}", "SRV") == {f"0 100 80 {full}."}
    reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
    assert records(at, reverse, "PTR") == {f"{full}."}
    dashed = space.address("a").replace(".", "-")
    assert records(at, f"{dashed}.{space.name}.pod.cluster.local") == {space.address("a")}
    assert ask(at, f"none.{space.name}.svc.cluster.local").rcode() == dns.rcode.NXDOMAIN
    assert "Name:\tweb" in space.run("client", f"nslookup {full}")


def test_a_headless_service_names_all_its_pods(space: Space) -> None:
    ports = [{"name": "web", "port": 8080}]
    space.apply(service("peers", "peer", ports=ports, clusterIP="None"))
    members = [server(name, "peer") for name in ("a", "b", "c")]
    for one in members[:2]:
        one["spec"].update(hostname=one["metadata"]["name"], subdomain="peers")
    space.start(*members, client())
    space.until_endpoints("peers", 3)
    at, full = resolver(space), f"peers.{space.name}.svc.cluster.local"
    addresses = {name: space.address(name) for name in ("a", "b", "c")}
    space.cluster.until("the records", lambda: records(at, full) == set(addresses.values()))
    assert records(at, f"a.{full}") == {addresses["a"]}
    space.cluster.until("the peer", lambda: answers(space, "b.peers", 8080, count=1) == ["b"])
    assert space.run("a", "hostname -f") == f"a.{full}\n"
    targets = {text.split()[3] for text in records(at, f"_web._tcp.{full}", "SRV")}
    assert {f"a.{full}.", f"b.{full}."} < targets
    assert len(targets) == 3
    space.kubectl("delete", "pod", "a")
    space.cluster.until("the change", lambda: records(at, full) == {addresses["b"], addresses["c"]})


def test_an_external_name_is_an_alias(space: Space) -> None:
    space.apply(
        service("web", "web"),
        service("alias", "", ports=[], type="ExternalName", externalName=f"web.{space.name}.svc.cluster.local"),
    )
    space.start(server("a"), client())
    space.until_endpoints("web", 1)
    at = resolver(space)
    name, target = f"alias.{space.name}.svc.cluster.local", f"web.{space.name}.svc.cluster.local."
    space.cluster.until("the name", lambda: records(at, name, "CNAME") == {target})
    space.cluster.until("the alias", lambda: answers(space, "alias", count=1) == ["a"])


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A resolver of the host that knows one name; its resolv.conf."""
    address = f"127.{os.getpid() % 251 + 2}.{os.getpid() // 251 % 251}.53"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind((address, 53))
        threading.Thread(target=_serve, args=(listening,), daemon=True).start()
        file = tmp_path / "resolv.conf"
        file.write_text(f"nameserver {address}\nsearch example.test\n")
        yield file
        listening.sendto(b"", listening.getsockname())


def _serve(listening: socket.socket) -> None:
    while True:
        wire, sender = listening.recvfrom(1500)
        if not wire:
            return
        query = dns.message.from_wire(wire)
        reply = dns.message.make_response(query)
        question = query.question[0]
        if question.name.to_text() != "www.example.test.":
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif question.rdtype == dns.rdatatype.A:
            reply.answer.append(dns.rrset.from_text(question.name, 30, "IN", "A", "198.51.100.7"))
        listening.sendto(reply.to_wire(), sender)


def test_names_outside_the_cluster_come_from_the_hosts_resolver(cluster: UserCluster, outside: Path) -> None:
    cluster.up("containerd", "--resolv-conf", str(outside))
    cluster.p8s("image", "build", "busybox")
    space = Space(cluster, "names")
    space.create()
    by_host = pod("by-host", container(stay()), dnsPolicy="Default")
    space.start(client(), by_host)
    for look in ("nslookup -type=a www.example.test || true", "timeout 5 wget http://www/ 2>&1 || true"):
        space.cluster.until("the address", lambda look=look: "198.51.100.7" in space.run("client", look))
    at = resolver(space)
    space.cluster.until("the denial", lambda: ask(at, "none.example.test").rcode() == dns.rcode.NXDOMAIN)
    assert space.run("by-host", "cat /etc/resolv.conf").splitlines() == [
        "search example.test",
        outside.read_text().splitlines()[0],
    ]
