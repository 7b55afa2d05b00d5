"""Addresses for Services of the type LoadBalancer: whose they are, who keeps them, and what is told."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import msgspec
import pytest

from pybernetes.api.models import core_v1
from pybernetes.controllers.load_balancing import NoAddress, Taken, plan, taken_by, wants_load_balancer
from pybernetes.controllers.network_options import NetworkOptions
from pybernetes.testing.cluster import Cluster

NODES, NOTHING = NetworkOptions(), Taken()
POOL = NetworkOptions(load_balancer_pool=(ip_network("192.0.2.0/30"), ip_network("2001:db8::/126")))
FINALIZER = "service.kubernetes.io/load-balancer-cleanup"


def service(
    name: str = "web", *, ports: tuple[int, ...] = (80,), given: tuple[str, ...] = (), **spec: Any
) -> core_v1.Service:
    document = {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "type": "LoadBalancer",
            "ports": [{"port": one, "protocol": "TCP", "name": f"p{one}"} for one in ports],
            **spec,
        },
        "status": {"loadBalancer": {"ingress": [{"ip": one, "ipMode": "VIP"} for one in given]}},
    }
    return msgspec.convert(document, core_v1.Service)


def node(name: str, *addresses: tuple[str, str], ready: str = "True", **metadata: Any) -> core_v1.Node:
    document = {
        "metadata": {"name": name, **metadata},
        "status": {
            "addresses": [{"type": kind, "address": address} for kind, address in addresses],
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }
    return msgspec.convert(document, core_v1.Node)


A = node("a", ("InternalIP", "10.1.0.1"), ("InternalIP", "fd00::1"))
B = node("b", ("InternalIP", "10.1.0.2"), ("ExternalIP", "198.51.100.2"))


def given(
    one: core_v1.Service,
    *,
    serving: frozenset[str] = frozenset(),
    taken: Taken = NOTHING,
    options: NetworkOptions = NODES,
    nodes: tuple[core_v1.Node, ...] = (A, B),
) -> tuple[str, ...]:
    return plan(one, nodes, serving, taken, options)


def test_the_addresses_are_those_of_nodes_that_can_serve() -> None:
    assert given(service()) == ("10.1.0.1", "198.51.100.2")
    assert given(service(ipFamilies=["IPv6", "IPv4"])) == ("fd00::1", "10.1.0.1", "198.51.100.2")
    excluded = node(
        "c", ("InternalIP", "10.1.0.3"), labels={"node.kubernetes.io/exclude-from-external-load-balancers": ""}
    )
    down = node("d", ("InternalIP", "10.1.0.4"), ready="Unknown")
    assert given(service(), nodes=(excluded, down)) == ()


def test_a_local_service_has_the_addresses_of_nodes_with_endpoints() -> None:
    local = service(externalTrafficPolicy="Local")
    assert given(local, serving=frozenset({"a"})) == ("10.1.0.1",)
    assert given(local) == ()


def test_two_services_share_an_address_only_on_different_ports() -> None:
    taken = taken_by([(service("first"), ("10.1.0.1", "198.51.100.2"))])
    assert given(service("second", ports=(8080,)), taken=taken) == ("10.1.0.1", "198.51.100.2")
    with pytest.raises(NoAddress, match=r"port 80/TCP of 198.51.100.2 is in use by Service default/first"):
        given(service("second"), taken=taken)
    with pytest.raises(NoAddress, match="port 22/TCP is the nodes' own"):
        given(service(ports=(22,)))


def test_a_pool_gives_each_service_its_own_address_and_who_has_one_keeps_it() -> None:
    assert given(service(), options=POOL) == ("192.0.2.1",)
    taken = taken_by([(service("first"), ("192.0.2.1",))])
    assert given(service("second"), taken=taken, options=POOL) == ("192.0.2.2",)
    assert given(service(given=("192.0.2.2",)), options=POOL) == ("192.0.2.2",)
    both = service(ipFamilies=["IPv4", "IPv6"])
    assert given(both, options=POOL) == ("192.0.2.1", "2001:db8::1")
    full = taken_by([(service("first"), ("192.0.2.1", "192.0.2.2"))])
    with pytest.raises(NoAddress, match="no IPv4 address of the pool is free"):
        given(service("third"), taken=full, options=POOL)


def test_an_address_that_was_asked_for_is_given_or_none() -> None:
    assert given(service(loadBalancerIP="192.0.2.2"), options=POOL) == ("192.0.2.2",)
    assert given(service(loadBalancerIP="10.1.0.1")) == ("10.1.0.1",)
    with pytest.raises(NoAddress, match=r"the address 203.0.113.1 is not in the pool"):
        given(service(loadBalancerIP="203.0.113.1"), options=POOL)
    with pytest.raises(NoAddress, match=r"no node has the address 203.0.113.1"):
        given(service(loadBalancerIP="203.0.113.1"))


def test_a_class_is_a_request_to_somebody_else() -> None:
    assert wants_load_balancer(service())
    assert not wants_load_balancer(service(loadBalancerClass="example.com/lb"))
    assert not wants_load_balancer(service(type="NodePort"))


async def told(cluster: Cluster) -> list[tuple[str, str]]:
    events = (await cluster.client.list(core_v1.Event, "default")).items
    return [(one.reason, one.message) for one in events if one.source.component == "service-controller"]


@pytest.mark.cluster(nodes=1, network=POOL)
async def test_a_service_gets_an_address_and_gives_it_back(cluster: Cluster) -> None:
    made = await cluster.apply(service(selector={"app": "x"}))
    await cluster.settle()
    made = await cluster.get(made)
    assert [(one.ip, one.ip_mode) for one in made.status.load_balancer.ingress] == [("192.0.2.1", "VIP")]
    assert made.metadata.finalizers == [FINALIZER]
    assert await told(cluster) == [
        ("EnsuringLoadBalancer", "Ensuring load balancer"),
        ("EnsuredLoadBalancer", "Ensured load balancer"),
    ]
    second = await cluster.apply(service("second"))
    third = await cluster.apply(service("third"))
    await cluster.settle(quiet=2)
    assert (await cluster.get(third)).status.load_balancer.ingress == []
    failure = "Error syncing load balancer: failed to ensure load balancer: no IPv4 address of the pool is free"
    assert ("SyncLoadBalancerFailed", failure) in await told(cluster)
    await cluster.delete(second)
    await cluster.settle(quiet=5)
    assert [one.ip for one in (await cluster.get(third)).status.load_balancer.ingress] == ["192.0.2.2"]
    made.spec.type = "ClusterIP"
    made.metadata.resource_version = ""
    await cluster.client.update(made)
    await cluster.settle(quiet=5)
    plain = await cluster.get(made)
    assert (plain.metadata.finalizers, plain.status.load_balancer.ingress) == ([], [])
    assert ("DeletedLoadBalancer", "Deleted load balancer") in await told(cluster)


async def test_without_a_pool_the_nodes_addresses_are_given_and_follow_the_nodes(cluster: Cluster) -> None:
    await cluster.settle()
    made = await cluster.apply(service())
    classed = await cluster.apply(service("classed", loadBalancerClass="example.com/lb"))
    await cluster.settle()
    (own,) = (await cluster.client.list(core_v1.Node)).items
    addresses = [one.address for one in own.status.addresses if one.type == "InternalIP"]
    assert [one.ip for one in (await cluster.get(made)).status.load_balancer.ingress] == addresses
    assert (await cluster.get(classed)).metadata.finalizers == []
    label = {"metadata": {"labels": {"node.kubernetes.io/exclude-from-external-load-balancers": "true"}}}
    await cluster.client.patch(core_v1.Node, "node-0", None, label)
    await cluster.settle()
    assert (await cluster.get(made)).status.load_balancer.ingress == []
    assert ("UnAvailableLoadBalancer", "There are no available nodes for LoadBalancer") in await told(cluster)
