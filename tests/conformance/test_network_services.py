"""Services as pods and nodes reach them, with real containers and packets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from e2e.cluster import free_port
from e2e.space import Manifest, Space, pod, service, stay
from e2e.space import container as busybox
from e2e.talking import DATAGRAMS, HTTP, ask, asker, server, wait_until_asked

WEB = [{"name": "http", "port": 80, "targetPort": HTTP, "protocol": "TCP"}]


pytestmark = [pytest.mark.node, pytest.mark.usefixtures("talking")]


def spec(space: Space, name: str) -> Manifest:
    found = space.get("service", name)["spec"]
    assert isinstance(found, dict)
    return found


def change(space: Space, name: str, **fields: Any) -> Manifest:
    """As a client changes a service: it reads it, changes it and puts it back."""
    found = space.get("service", name)
    for field, value in fields.items():
        if value is None:
            found["spec"].pop(field, None)
        else:
            found["spec"][field] = value
    return dict(json.loads(space.kubectl("replace", "-o", "json", "-f", "-", text=json.dumps(found)))["spec"])


def node_address(space: Space) -> str:
    node = space.cluster.get("nodes")["items"][0]
    return next(str(one["address"]) for one in node["status"]["addresses"] if one["type"] == "InternalIP")


def replicas(name: str, count: int) -> Manifest:
    template = server(name)
    content = {"metadata": {"labels": template["metadata"]["labels"]}, "spec": template["spec"]}
    return {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": name},
        "spec": {"replicas": count, "selector": {"app": name}, "template": content},
    }


# ---- types


@pytest.mark.conformance(
    "Service, change type, ExternalName to ClusterIP",
    "Service, change type, ClusterIP to ExternalName",
    "Service, change type, ExternalName to NodePort",
    "Service, change type, NodePort to ExternalName",
    "Service, NodePort Service",
)
def test_a_service_changes_its_type_to_and_from_an_alias(space: Space) -> None:
    fqdn = f"other.{space.name}.svc.cluster.local"
    alias = {"type": "ExternalName", "externalName": fqdn}
    space.apply(service("other", "other", ports=WEB), service("changing", "changing", ports=[], **alias))
    space.start(server("changing"), server("other"), asker())
    node = node_address(space)
    assert "clusterIP" not in spec(space, "changing")
    wait_until_asked(space, {"other"}, "other", 80)
    assert ask(space, "changing", 80) == ["other"]

    own = change(space, "changing", type="ClusterIP", externalName=None, ports=WEB)
    assert own["clusterIP"]
    assert "externalName" not in own
    wait_until_asked(space, {"changing"}, "changing", 80)
    assert ask(space, own["clusterIP"], 80) == ["changing"]

    back = change(space, "changing", **alias)
    assert not {"clusterIP", "clusterIPs"} & back.keys()
    wait_until_asked(space, {"other"}, "changing", 80)

    public = change(space, "changing", type="NodePort", externalName=None, ports=WEB)
    port = public["ports"][0]["nodePort"]
    assert public["clusterIP"]
    for host, number in (("changing", 80), (public["clusterIP"], 80), (node, port)):
        wait_until_asked(space, {"changing"}, host, number)

    released = change(space, "changing", **alias)
    assert not {"clusterIP", "clusterIPs"} & released.keys()
    assert "nodePort" not in released["ports"][0]
    wait_until_asked(space, {"other"}, "changing", 80)
    wait_until_asked(space, {"failed"}, node, port)
    taken = [{**WEB[0], "nodePort": port}]
    space.apply(service("next", "other", ports=taken, type="NodePort"))
    wait_until_asked(space, {"other"}, node, port)


# ---- affinity


@pytest.mark.conformance(
    "Service, ClusterIP type, session affinity to ClientIP",
    "Service, ClusterIP type, session affinity to None",
    "Service, NodePort type, session affinity to ClientIP",
    "Service, NodePort type, session affinity to None",
)
@pytest.mark.parametrize("type", ["ClusterIP", "NodePort"])
def test_affinity_keeps_a_client_with_a_server_as_long_as_it_is_wanted(space: Space, type: str) -> None:
    space.apply(replicas("kept", 3), service("kept", "kept", ports=WEB, type=type, sessionAffinity="ClientIP"))
    space.start(asker())
    space.wait("--for=jsonpath={.status.readyReplicas}=3", "rc/kept")
    found = spec(space, "kept")
    host, port = found["clusterIP"], 80
    if type == "NodePort":
        host, port = node_address(space), found["ports"][0]["nodePort"]

    def whom() -> set[str]:
        return set(ask(space, host, port, count=16))

    def kept_with_one() -> bool:
        return len(names := whom()) == 1 and "failed" not in names

    space.cluster.until("the service", kept_with_one)
    for inside in ("kept", found["clusterIP"]):
        assert [one.startswith("kept-") for one in ask(space, inside, 80, count=2)] == [True, True]
    for _ in range(2):
        assert change(space, "kept", sessionAffinity="None", sessionAffinityConfig=None)["sessionAffinity"] == "None"
        space.cluster.until("all servers", lambda: len(whom() - {"failed"}) == 3)
        assert change(space, "kept", sessionAffinity="ClientIP")["sessionAffinityConfig"] == {
            "clientIP": {"timeoutSeconds": 10800}
        }
        space.cluster.until("one server", kept_with_one)
        assert len({*whom(), *whom()}) == 1


# ---- endpoints and ports


def addresses(space: Space, name: str) -> dict[str, set[int]]:
    """The ports of each pod, as the Endpoints object and the slices of the service say alike."""

    def gathered(pairs: list[tuple[str, int]]) -> dict[str, set[int]]:
        return {target: {port for one, port in pairs if one == target} for target, _ in pairs}

    subsets = space.get("endpoints", name).get("subsets") or ()
    old = [
        (one["targetRef"]["name"], port["port"])
        for subset in subsets
        for one in subset.get("addresses") or ()
        for port in subset["ports"]
    ]
    slices = space.get("endpointslices", "-l", f"kubernetes.io/service-name={name}")["items"]
    new = [
        (one["targetRef"]["name"], port["port"])
        for piece in slices
        for one in piece.get("endpoints") or ()
        if one["conditions"]["ready"]
        for port in piece["ports"]
    ]
    return gathered(old) if gathered(old) == gathered(new) else {"differ": set()}


@pytest.mark.conformance("Service, endpoints", "Service, endpoints with multiple ports")
def test_endpoints_follow_the_pods_and_the_ports_that_they_have(space: Space) -> None:
    ports = [{"name": name, "port": port, "targetPort": name} for name, port in (("one", 80), ("two", 81))]
    space.apply(service("multi", "multi", ports=ports), service("single", "multi", ports=WEB))
    space.start(asker())

    def until(service_name: str, wanted: dict[str, set[int]]) -> None:
        space.cluster.until(f"{wanted} of {service_name}", lambda: addresses(space, service_name) == wanted)

    for name in ("multi", "single"):
        until(name, {})
    first = [{"name": "one", "containerPort": 8080}]
    second = [{"name": "two", "containerPort": 8090}]
    space.start(server("a", app="multi", ports=first))
    until("multi", {"a": {8080}})
    until("single", {"a": {8080}})
    wait_until_asked(space, {"a"}, "multi", 80)
    wait_until_asked(space, {"failed"}, "multi", 81)
    space.start(server("b", app="multi", tcp=(8080, 8090), ports=second))
    until("multi", {"a": {8080}, "b": {8090}})
    until("single", {"a": {8080}, "b": {8080}})
    wait_until_asked(space, {"a"}, "multi", 80)
    wait_until_asked(space, {"b"}, "multi", 81)
    wait_until_asked(space, {"a", "b"}, "single", 80)
    space.kubectl("delete", "pod", "a")
    until("multi", {"b": {8090}})
    wait_until_asked(space, {"failed"}, "multi", 80)
    wait_until_asked(space, {"b"}, "single", 80)
    space.kubectl("delete", "pod", "b")
    for name in ("multi", "single"):
        until(name, {})
        wait_until_asked(space, {"failed"}, name, 80)


@pytest.mark.conformance("Service, should serve endpoints on same port and different protocols.")
def test_one_number_serves_two_protocols(space: Space) -> None:
    both = [{"name": f"{one}-port", "port": 80, "targetPort": 80, "protocol": one.upper()} for one in ("tcp", "udp")]
    space.apply(service("both", "both", ports=both))
    space.start(server("both", tcp=(80,), udp=(80,)), asker())
    address = spec(space, "both")["clusterIP"]
    for ports, tcp, udp in ((both, "both", "both"), (both[:1], "both", "failed"), (both[1:], "failed", "both")):
        change(space, "both", ports=ports)
        wait_until_asked(space, {tcp}, address, 80, protocol="tcp")
        wait_until_asked(space, {udp}, address, 80, protocol="udp")


def manual_slice(name: str, of: str, address: str, **ports: int) -> Manifest:
    labels = {"kubernetes.io/service-name": of, "endpointslice.kubernetes.io/managed-by": "e2e-test.example.com"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address]}],
        "ports": [{"name": port, "port": number, "protocol": "TCP"} for port, number in ports.items()],
    }


@pytest.mark.conformance(
    "EndpointSlice, single IP, multiple ports",
    "EndpointSlice, multiple IPs, multiple ports",
)
def test_slices_of_others_serve_a_service_without_a_selector(space: Space) -> None:
    ports = [{"name": "http", "port": 80}, {"name": "more", "port": 81}]
    services = [service(name, "", ports=ports) for name in ("same", "several")]
    for one in services:
        del one["spec"]["selector"]
    space.apply(*services)
    space.start(server("a", tcp=(8080, 8090)), server("b", tcp=(8080, 8090)), asker())
    a, b = space.address("a"), space.address("b")
    space.apply(
        manual_slice("same-1", "same", a, http=8080),
        manual_slice("same-2", "same", a, more=8090),
        manual_slice("several-1", "several", a, http=8080),
        manual_slice("several-2", "several", b, more=8090),
    )
    wait_until_asked(space, {"a"}, "same", 80)
    wait_until_asked(space, {"a"}, "same", 81)
    wait_until_asked(space, {"a"}, "several", 80)
    wait_until_asked(space, {"b"}, "several", 81)


# ---- pods and nodes


@pytest.mark.conformance(
    "Networking, intra pod http",
    "Networking, intra pod udp",
    "Networking, intra pod http, from node",
)
def test_pods_and_the_node_reach_every_pod_over_tcp_and_udp(space: Space) -> None:
    """Both behaviours of nodes have the same name, one for each protocol."""
    space.start(server("a"), server("b"), asker(), asker("host", hostNetwork=True))
    for name in ("a", "b"):
        at = space.address(name)
        for by in ("asker", "host"):
            assert ask(space, at, HTTP, by=by) == [name]
            assert ask(space, at, DATAGRAMS, protocol="udp", by=by) == [name]


@pytest.mark.conformance("Scheduling, HostPort matching and HostIP and Protocol not-matching")
def test_pods_share_a_number_of_the_host_by_address_and_protocol(space: Space) -> None:
    node, number = node_address(space), free_port()

    def holding(name: str, host_ip: str, protocol: str) -> Manifest:
        inside = HTTP if protocol == "TCP" else DATAGRAMS
        return server(
            name,
            ports=[{"containerPort": inside, "hostPort": number, "hostIP": host_ip, "protocol": protocol}],
        )

    space.start(holding("one", "127.0.0.1", "TCP"), holding("two", node, "TCP"), holding("three", node, "UDP"))
    assert len({space.get("pod", name)["spec"]["nodeName"] for name in ("one", "two", "three")}) == 1
    space.start(asker("host", hostNetwork=True))

    def asked(host: str, protocol: str = "tcp", source: str = "") -> list[str]:
        return ask(space, host, number, protocol=protocol, by="host", source=source)

    space.cluster.until("the first", lambda: asked("127.0.0.1") == ["one"])
    space.cluster.until("the first, from the node's address", lambda: asked("127.0.0.1", source=node) == ["one"])
    space.cluster.until("the second", lambda: asked(node) == ["two"])
    space.cluster.until("the third", lambda: asked(node, "udp") == ["three"])
    space.apply(holding("four", node, "TCP"))
    space.wait("--for=condition=PodScheduled=false", "pod/four")


# ---- latency


@pytest.mark.nightly
@pytest.mark.conformance("Service endpoint latency, thresholds")
def test_a_service_has_its_endpoints_soon(space: Space) -> None:
    """A hundred services of one pod, one after another; what they are held to are upstream's own thresholds."""
    space.start(pod("svc-latency", busybox(stay())))
    names = [f"latency-svc-{number}" for number in range(100)]
    space.apply(*(service(name, "svc-latency") for name in names))

    def there() -> bool:
        items = space.get("endpoints")["items"]
        return {one["metadata"]["name"] for one in items if one.get("subsets")} >= set(names)

    space.cluster.until("all endpoints", there, seconds=50)
