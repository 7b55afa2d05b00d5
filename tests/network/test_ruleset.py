from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from network.builders import NODE, endpoint, port, service, slice_of
from pybernetes.api.models.core_v1 import Container, ContainerPort, LoadBalancerIngress, Pod, PodSpec, PodStatus
from pybernetes.api.models.core_v1 import Service as ServiceModel
from pybernetes.api.models.discovery_v1 import Endpoint, EndpointHints, EndpointSlice, ForNode, ForZone
from pybernetes.api.models.meta_v1 import ObjectMeta
from pybernetes.network.proxy.conntrack import Stale, stale_flows
from pybernetes.network.proxy.ruleset import Piece, host_port_piece, service_piece


def piece(some: ServiceModel, *slices: EndpointSlice) -> Piece:
    return service_piece(some, slices, NODE)


def verdicts(rules: Piece, container: str) -> dict[str, str | None]:
    return {one.key: one.verdict for one in rules.elements if one.container == container}


def text(rules: Piece) -> str:
    return "\n".join(f"{name}: {'; '.join(chain)}" for name, chain in rules.chains.items())


def test_a_cluster_ip_balances_at_random_over_all_ready_endpoints() -> None:
    rules = piece(service(), slice_of("web", "10.244.0.5", endpoint("10.244.1.6", node="node2")))
    (target,) = verdicts(rules, "service-ips").values()
    assert verdicts(rules, "service-ips").keys() == {"10.96.0.20 . tcp . 80"}
    chain = rules.chains[str(target).removeprefix("goto ")]
    assert "numgen random mod 2 vmap" in chain[-1]
    assert "dnat to 10.244.0.5:8080" in text(rules)
    assert "dnat to 10.244.1.6:8080" in text(rules)


def test_endpoints_of_several_slices_count_once() -> None:
    rules = piece(service(), slice_of("web", "10.244.0.5"), slice_of("web", "10.244.0.5", "10.244.0.6"))
    assert "numgen random mod 2" in text(rules)


def test_an_endpoint_that_is_not_ready_gets_no_traffic() -> None:
    rules = piece(service(), slice_of("web", "10.244.0.5", endpoint("10.244.0.6", ready=False)))
    assert "10.244.0.6" not in text(rules)


def test_terminating_endpoints_that_still_serve_are_used_only_when_none_is_ready() -> None:
    leaving = endpoint("10.244.0.6", ready=False, serving=True, terminating=True)
    assert "10.244.0.6" not in text(piece(service(), slice_of("web", "10.244.0.5", leaving)))
    assert "10.244.0.6" in text(piece(service(), slice_of("web", leaving)))


def hinted(address: str, *, node: str = "", zone: str = "", ready: bool = True) -> Endpoint:
    made = endpoint(address, ready=ready)
    nodes = [ForNode(name=node)] if node else []
    made.hints = EndpointHints(for_nodes=nodes, for_zones=[ForZone(name=zone)] if zone else [])
    return made


def balanced_in(zone: str, *endpoints: Endpoint) -> set[str]:
    rules = service_piece(service(), [slice_of("web", *endpoints)], replace(NODE, zone=zone))
    return {name.partition("__")[2].partition("/")[0] for name in rules.chains if name.startswith("endpoint-")}


def test_hints_leave_endpoints_to_the_clients_of_their_zone_or_node() -> None:
    west, east = hinted("10.244.0.5", zone="west"), hinted("10.244.1.6", zone="east")
    assert balanced_in("west", west, east) == {"10.244.0.5"}
    assert balanced_in("north", west, east) == {"10.244.0.5", "10.244.1.6"}
    assert balanced_in("west", west, east, hinted("10.244.1.7")) == {"10.244.0.5", "10.244.1.6", "10.244.1.7"}
    assert balanced_in("west", west, east, hinted("10.244.1.7", ready=False)) == {"10.244.0.5"}
    here, there = hinted("10.244.0.5", node=NODE.name, zone="west"), hinted("10.244.0.6", node="other", zone="west")
    assert balanced_in("west", here, there) == {"10.244.0.5"}
    assert balanced_in("west", there, hinted("10.244.1.6", node="third", zone="east")) == {"10.244.0.6"}


def test_a_service_without_endpoints_is_refused_and_not_dropped() -> None:
    rules = piece(service("web", "10.96.0.20", port(80, node_port=30080), type="NodePort"))
    assert verdicts(rules, "no-endpoint-services") == {"10.96.0.20 . tcp . 80": "goto reject-traffic"}
    assert verdicts(rules, "no-endpoint-nodeports") == {"tcp . 30080": "goto reject-traffic"}
    assert not rules.chains


@pytest.mark.parametrize(
    "skipped", [service(ip="None"), service(ip="", type="ExternalName", external_name="example.com")]
)
def test_services_without_an_address_have_no_rules(skipped: ServiceModel) -> None:
    assert piece(skipped, slice_of("web", "10.244.0.5")) == Piece()


def test_a_service_that_belongs_to_another_proxy_is_left_alone() -> None:
    foreign = service()
    foreign.metadata.labels = {"service.kubernetes.io/service-proxy-name": "other"}
    assert piece(foreign, slice_of("web", "10.244.0.5")) == Piece()


def test_the_address_of_the_nodes_own_dns_is_never_translated() -> None:
    node = NODE.__class__(**{**_fields(NODE), "served_here": frozenset({"10.96.0.10"})})
    assert not service_piece(service("kube-dns", "10.96.0.10"), (), node).elements


def _fields(node: Any) -> dict[str, Any]:
    return {name: getattr(node, name) for name in node.__slots__}


def test_a_pod_that_reaches_itself_through_its_service_is_masqueraded() -> None:
    rules = piece(service(), slice_of("web", "10.244.0.5"))
    (chain,) = (rules for name, rules in rules.chains.items() if name.startswith("endpoint-"))
    assert chain[0] == "ip saddr 10.244.0.5 jump mark-for-masquerade"


def test_traffic_to_a_cluster_ip_from_outside_the_cluster_is_masqueraded() -> None:
    rules = piece(service(), slice_of("web", "10.244.0.5"))
    assert "ip daddr 10.96.0.20 ip saddr != 10.244.0.0/16 jump mark-for-masquerade" in text(rules)


def test_session_affinity_remembers_each_client_for_the_timeout() -> None:
    sticky = service(session_affinity="ClientIP")
    rules = piece(sticky, slice_of("web", "10.244.0.5", "10.244.0.6"))
    assert set(rules.affinity.values()) == {10800}
    assert len(rules.affinity) == 2
    (chain,) = (rules for name, rules in rules.chains.items() if name.startswith("service-"))
    remembered = [rule for rule in chain if rule.startswith("ip saddr @affinity-")]
    assert len(remembered) == 2
    assert chain.index(remembered[-1]) < len(chain) - 1, "memory is asked before chance"


def test_a_node_port_leads_to_the_service_and_masquerades() -> None:
    rules = piece(
        service("web", "10.96.0.20", port(80, node_port=30080), type="NodePort"), slice_of("web", "10.244.0.5")
    )
    target = verdicts(rules, "service-nodeports")["tcp . 30080"]
    assert rules.chains[str(target).removeprefix("goto ")][0] == "jump mark-for-masquerade"


def test_a_local_external_policy_keeps_the_clients_address_and_this_nodes_endpoints() -> None:
    local = service("web", "10.96.0.20", port(80, node_port=30080), type="NodePort", external_traffic_policy="Local")
    rules = piece(local, slice_of("web", "10.244.0.5", endpoint("10.244.1.6", node="node2")))
    external = next(chain for name, chain in rules.chains.items() if name.startswith("external-"))
    assert "jump mark-for-masquerade" not in external
    assert external[-1].startswith("goto local-")
    here = next(chain for name, chain in rules.chains.items() if name.startswith("local-"))
    assert "numgen random mod 1" in here[-1]


def test_a_local_external_policy_drops_what_has_no_endpoint_on_this_node() -> None:
    local = service("web", "10.96.0.20", port(80, node_port=30080), type="NodePort", external_traffic_policy="Local")
    rules = piece(local, slice_of("web", endpoint("10.244.1.6", node="node2")))
    assert next(chain for name, chain in rules.chains.items() if name.startswith("external-"))[-1] == "drop"


def test_a_local_internal_policy_drops_what_has_no_endpoint_on_this_node() -> None:
    local = service(internal_traffic_policy="Local")
    rules = piece(local, slice_of("web", endpoint("10.244.1.6", node="node2")))
    assert verdicts(rules, "no-endpoint-services") == {"10.96.0.20 . tcp . 80": "drop"}


def test_load_balancer_addresses_are_served_and_their_source_ranges_kept() -> None:
    balanced = service(
        "web", "10.96.0.20", port(80, node_port=30080), type="LoadBalancer", load_balancer_source_ranges=["10.0.0.0/8"]
    )
    balanced.status.load_balancer.ingress = [LoadBalancerIngress(ip="192.0.2.7")]
    rules = piece(balanced, slice_of("web", "10.244.0.5"))
    assert "192.0.2.7 . tcp . 80" in verdicts(rules, "service-ips")
    assert "192.0.2.7 . tcp . 80" in verdicts(rules, "firewall-ips")
    assert "ip saddr != { 10.0.0.0/8 } drop" in text(rules)


def pod_with_host_port(**spec: Any) -> Pod:
    container = Container(name="web", ports=[ContainerPort(container_port=80, host_port=8080, protocol="TCP")])
    return Pod(
        metadata=ObjectMeta(name="web", namespace="default", uid="u1"),
        spec=PodSpec(node_name="node1", containers=[container], **spec),
        status=PodStatus(phase="Running", pod_ip="10.244.0.5"),
    )


def test_a_host_port_leads_to_the_pod() -> None:
    rules = host_port_piece(pod_with_host_port(), NODE)
    assert verdicts(rules, "hostports").keys() == {"tcp . 8080"}
    assert "dnat to 10.244.0.5:80" in text(rules)


def test_pods_on_the_hosts_network_need_no_translation() -> None:
    assert host_port_piece(pod_with_host_port(host_network=True), NODE) == Piece()


def test_udp_flows_to_a_vanished_endpoint_are_forgotten() -> None:
    dns = service("dns", "10.96.0.30", port(53, protocol="UDP"))
    before = piece(dns, slice_of("dns", "10.244.0.5", "10.244.0.6", protocol="UDP"))
    after = piece(dns, slice_of("dns", "10.244.0.6", protocol="UDP"))
    assert stale_flows(before, after) == [Stale("10.96.0.30", 53, "10.244.0.5")]
    assert stale_flows(after, before) == []


def test_udp_flows_refused_before_the_first_endpoint_came_are_forgotten() -> None:
    dns = service("dns", "10.96.0.30", port(53, protocol="UDP"))
    assert stale_flows(piece(dns), piece(dns, slice_of("dns", "10.244.0.5"))) == [Stale("10.96.0.30", 53)]


def test_udp_flows_from_before_the_service_itself_came_are_forgotten() -> None:
    dns = service("dns", "10.96.0.30", port(53, protocol="UDP", node_port=30053), type="NodePort")
    after = piece(dns, slice_of("dns", "10.244.0.5"))
    assert stale_flows(Piece(), after) == [Stale("", 30053), Stale("10.96.0.30", 53)]
    assert stale_flows(piece(dns), after) == [Stale("", 30053), Stale("10.96.0.30", 53)]
