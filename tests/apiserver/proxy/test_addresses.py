from __future__ import annotations

from typing import Any

import pytest

from pybernetes.api.errors import ApiError
from pybernetes.apiserver.proxy.locate import Address, container_of, kubelet_address, log_path, stream_path
from pybernetes.apiserver.proxy.reverse import Named, endpoints_of, is_proxyable, parse_name, pod_address, port_name_of


def node(*addresses: tuple[str, str], port: int | None = None) -> dict[str, Any]:
    status: dict[str, Any] = {"addresses": [{"type": kind, "address": address} for kind, address in addresses]}
    if port:
        status["daemonEndpoints"] = {"kubeletEndpoint": {"Port": port}}
    return {"metadata": {"name": "n1"}, "status": status}


def pod(*containers: str, init: tuple[str, ...] = (), ports: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "nodeName": "n1",
            "containers": [{"name": name, "ports": list(ports)} for name in containers],
            "initContainers": [{"name": name} for name in init],
        },
        "status": {"podIP": "10.0.0.9"},
    }


def test_the_kubelet_is_dialed_at_the_nodes_internal_address_and_stated_port() -> None:
    assert kubelet_address(node(("Hostname", "n1"), ("InternalIP", "10.0.0.1"))) == Address("10.0.0.1", 10250)
    assert kubelet_address(node(("Hostname", "n1"), port=7)) == Address("n1", 7)
    assert str(Address("fd00::1", 1)) == "[fd00::1]:1"
    with pytest.raises(ApiError):
        kubelet_address(node())


def test_the_container_is_the_one_asked_for_or_the_only_one() -> None:
    assert container_of(pod("a"), "") == "a"
    assert container_of(pod("a", init=("setup",)), "setup") == "setup"
    with pytest.raises(ApiError) as refused:
        container_of(pod("a", "b", init=("setup",)), "")
    assert refused.value.message == (
        "a container name must be specified for pod web, choose one of: [a b] or one of the init containers: [setup]"
    )


def test_a_pod_without_a_node_is_told_before_what_its_streams_lack() -> None:
    waiting = pod("a")
    del waiting["spec"]["nodeName"]
    for query in ({}, {"stdout": ["1"]}):
        with pytest.raises(ApiError, match="pod web does not have a host assigned"):
            stream_path("exec", waiting, query)


def test_kubelet_paths_carry_the_kubelets_names_of_streams_and_escape_words() -> None:
    query = {"stdin": ["true"], "stdout": ["1"], "tty": ["0"], "command": ["sh", "-c", "echo a&b"]}
    assert stream_path("exec", pod("a"), query) == (
        "/exec/default/web/a?input=1&output=1&command=sh&command=-c&command=echo+a%26b"
    )
    assert log_path(pod("a"), {"previous": ["true"]}) == "/containerLogs/default/web/a?previous=true"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("web", Named("http", "web", "")),
        ("web:80", Named("http", "web", "80")),
        ("https:web:443", Named("https", "web", "443")),
        (":web:http", Named("http", "web", "http")),
    ],
)
def test_names_say_scheme_and_port(text: str, named: Named) -> None:
    assert parse_name(text, "pod") == named


@pytest.mark.parametrize("text", ["a:b:c:d", "ftp:web:21"])
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(ApiError):
        parse_name(text, "pod")


def test_a_pods_port_is_a_number_a_name_or_the_first_one() -> None:
    declared = pod("a", ports=({"name": "web", "containerPort": 8080}, {"containerPort": 9090}))
    assert pod_address(declared, "") == Address("10.0.0.9", 8080)
    assert pod_address(declared, "web") == Address("10.0.0.9", 8080)
    assert pod_address(declared, "1234") == Address("10.0.0.9", 1234)


def test_only_ready_addresses_that_are_pods_serve() -> None:
    claimed = {"ip": "169.254.169.254"}
    subsets = [
        {
            "addresses": [{"ip": "10.0.0.1", "targetRef": {"kind": "Pod", "name": "a"}}, claimed],
            "notReadyAddresses": [{"ip": "10.0.0.2", "targetRef": {"kind": "Pod", "name": "b"}}],
            "ports": [{"name": "http", "port": 8080}, {"name": "other", "port": 9090}],
        }
    ]
    pods = {("a", "10.0.0.1"), ("b", "10.0.0.2")}
    assert endpoints_of(subsets, "http", pods) == [Address("10.0.0.1", 8080)]
    assert endpoints_of(subsets, "", pods) == []
    assert endpoints_of(subsets, "http", set()) == []


def test_a_services_port_is_named_by_its_number() -> None:
    service = {"metadata": {"name": "web"}, "spec": {"ports": [{"name": "http", "port": 80}, {"port": 81}]}}
    assert [port_name_of(service, number) for number in (80, 81)] == ["http", ""]
    with pytest.raises(ApiError, match='no service port 82 found for service "web"'):
        port_name_of(service, 82)


def test_the_servers_own_machine_and_link_are_not_proxied_to() -> None:
    assert is_proxyable("10.244.0.7")
    refused = ("127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1", "224.0.0.1", "localhost")
    assert not any(map(is_proxyable, refused))
