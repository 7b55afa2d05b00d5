"""The ruleset of one node: a frozen value, from Services, EndpointSlices and host ports.

Guarantees  Pure. One `Piece` per Service (or pod with host ports), independent of all others, so that a change costs
            what it touches. Constant work per packet: every look-up is one map.
Follows     pkg/proxy/nftables (the layout of maps, sets and chains), kube-proxy's page on virtual IPs.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pybernetes.api.models.core_v1 import Pod, Service
from pybernetes.api.models.discovery_v1 import EndpointSlice
from pybernetes.network.proxy.services import SERVICE_NAME_LABEL, Endpoint, ServicePort, service_ports

MASQUERADE_BIT = "0x4000"


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What the rules need to know of the node; `served_here` are cluster IPs that the node answers itself (its DNS)."""

    name: str
    table: str
    bridge: str
    pod_cidr: str
    cluster_cidr: str
    served_here: frozenset[str] = frozenset()
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Element:
    """One entry of a map (with a verdict) or of a set (without)."""

    container: str
    key: str
    verdict: str | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """A UDP address that is translated, and where to: conntrack entries of vanished ones must go."""

    address: str
    port: int
    endpoint: str


@dataclass(frozen=True, slots=True)
class Piece:
    """The rules of one Service: chains in the order in which they refer to each other, deepest first."""

    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    affinity: Mapping[str, int] = field(default_factory=dict)
    elements: frozenset[Element] = frozenset()
    flows: frozenset[Flow] = frozenset()


@dataclass(frozen=True, slots=True)
class Ruleset:
    node: NodeFacts
    pieces: Mapping[str, Piece]


def ruleset(
    services: Iterable[Service], slices: Iterable[EndpointSlice], node: NodeFacts, pods: Iterable[Pod] = ()
) -> Ruleset:
    by_service: dict[tuple[str, str], list[EndpointSlice]] = {}
    for piece in slices:
        by_service.setdefault(service_of(piece), []).append(piece)
    pieces: dict[str, Piece] = {}
    for service in services:
        key = (service.metadata.namespace, service.metadata.name)
        pieces["service/" + "/".join(key)] = service_piece(service, by_service.get(key, ()), node)
    for pod in pods:
        rules = host_port_piece(pod, node)
        if rules.chains:
            pieces[f"pod/{pod.metadata.namespace}/{pod.metadata.name}"] = rules
    return Ruleset(node, pieces)


def service_of(piece: EndpointSlice) -> tuple[str, str]:
    return piece.metadata.namespace, piece.metadata.labels.get(SERVICE_NAME_LABEL, "")


def service_piece(service: Service, slices: Sequence[EndpointSlice], node: NodeFacts) -> Piece:
    building = _Builder(node)
    for port in service_ports(service, slices, node.name, node.zone):
        building.add_port(port)
    return building.finish()


def host_port_piece(pod: Pod, node: NodeFacts) -> Piece:
    """Host ports of a pod that runs on this node and has an address."""
    building = _Builder(node)
    address = pod.status.pod_ip
    here = pod.spec.node_name == node.name and not pod.spec.host_network
    if here and address and ":" not in address and pod.status.phase not in ("Succeeded", "Failed"):
        for container in itertools.chain(pod.spec.containers, pod.spec.init_containers):
            for port in container.ports:
                if port.host_port:
                    building.add_host_port(
                        pod,
                        address,
                        port.container_port,
                        port.host_port,
                        (port.protocol or "TCP").lower(),
                        port.host_ip,
                    )
    return building.finish()


class _Builder:
    def __init__(self, node: NodeFacts) -> None:
        self.node = node
        self.chains: dict[str, tuple[str, ...]] = {}
        self.affinity: dict[str, int] = {}
        self.elements: set[Element] = set()
        self.flows: set[Flow] = set()

    def finish(self) -> Piece:
        return Piece(self.chains, self.affinity, frozenset(self.elements), frozenset(self.flows))

    def add_port(self, port: ServicePort) -> None:
        cluster_ips = [ip for ip in port.cluster_ips if ip not in self.node.served_here]
        self.elements.update(Element("cluster-ips", ip) for ip in cluster_ips)
        if not port.cluster_endpoints:
            self._refuse(port, [*cluster_ips, *port.external_ips, *port.load_balancer_ips], node_ports=True)
            return
        name = _identity(port)
        uses_cluster = not port.internal_local or port.has_external_traffic
        uses_local = port.internal_local or (port.external_local and port.has_external_traffic)
        used = {*(port.cluster_endpoints if uses_cluster else ()), *(port.local_endpoints if uses_local else ())}
        for endpoint in sorted(used):
            self._endpoint_chain(name, port, endpoint)
        if uses_cluster:
            self._balance(f"service-{name}", name, port, port.cluster_endpoints)
        if uses_local and port.local_endpoints:
            self._balance(f"local-{name}", name, port, port.local_endpoints)
        self._internal(port, name, cluster_ips)
        if port.has_external_traffic:
            self._external(port, name)

    def _internal(self, port: ServicePort, name: str, addresses: Sequence[str]) -> None:
        if port.internal_local and not port.local_endpoints:
            for ip in addresses:
                self.elements.add(Element("no-endpoint-services", _address_key(ip, port), "drop"))
            return
        target = f"local-{name}" if port.internal_local else f"service-{name}"
        endpoints = port.local_endpoints if port.internal_local else port.cluster_endpoints
        for ip in addresses:
            self.elements.add(Element("service-ips", _address_key(ip, port), f"goto {target}"))
            self._remember_flows(ip, port.port, port, endpoints)

    def _external(self, port: ServicePort, name: str) -> None:
        chain = f"external-{name}"
        rules: list[str] = []
        endpoints = port.cluster_endpoints
        if port.external_local:
            endpoints = port.local_endpoints
            rules += [
                f"ip saddr {self.node.cluster_cidr} goto service-{name}",
                "fib saddr type local jump mark-for-masquerade",
                f"fib saddr type local goto service-{name}",
                f"goto local-{name}" if port.local_endpoints else "drop",
            ]
        else:
            rules += ["jump mark-for-masquerade", f"goto service-{name}"]
        self.chains[chain] = tuple(rules)
        for ip in (*port.external_ips, *port.load_balancer_ips):
            self.elements.add(Element("service-ips", _address_key(ip, port), f"goto {chain}"))
            self._remember_flows(ip, port.port, port, endpoints)
        if port.node_port:
            self.elements.add(Element("service-nodeports", f"{port.protocol} . {port.node_port}", f"goto {chain}"))
            self._remember_flows("", port.node_port, port, endpoints)
        if port.source_ranges and port.load_balancer_ips:
            firewall = f"firewall-{name}"
            self.chains[firewall] = (f"ip saddr != {{ {', '.join(port.source_ranges)} }} drop",)
            for ip in port.load_balancer_ips:
                self.elements.add(Element("firewall-ips", _address_key(ip, port), f"goto {firewall}"))

    def _refuse(self, port: ServicePort, addresses: Sequence[str], *, node_ports: bool) -> None:
        for ip in addresses:
            self.elements.add(Element("no-endpoint-services", _address_key(ip, port), "goto reject-traffic"))
        if node_ports and port.node_port:
            key = f"{port.protocol} . {port.node_port}"
            self.elements.add(Element("no-endpoint-nodeports", key, "goto reject-traffic"))

    def _endpoint_chain(self, name: str, port: ServicePort, endpoint: Endpoint) -> None:
        rules = [f"ip saddr {endpoint.address} jump mark-for-masquerade"]
        if port.affinity_seconds:
            remembered = _affinity_set(name, endpoint, port.affinity_seconds)
            self.affinity[remembered] = port.affinity_seconds
            rules.append(f"update @{remembered} {{ ip saddr }}")
        rules.append(f"meta l4proto {port.protocol} dnat to {endpoint.address}:{endpoint.port}")
        self.chains[_endpoint_chain(name, endpoint)] = tuple(rules)

    def _balance(self, chain: str, name: str, port: ServicePort, endpoints: Sequence[Endpoint]) -> None:
        rules = [
            f"ip daddr {ip} ip saddr != {self.node.cluster_cidr} jump mark-for-masquerade" for ip in port.cluster_ips
        ]
        if port.affinity_seconds:
            rules += [
                f"ip saddr @{_affinity_set(name, one, port.affinity_seconds)} goto {_endpoint_chain(name, one)}"
                for one in endpoints
            ]
        choices = ", ".join(f"{i} : goto {_endpoint_chain(name, endpoint)}" for i, endpoint in enumerate(endpoints))
        rules.append(f"numgen random mod {len(endpoints)} vmap {{ {choices} }}")
        self.chains[chain] = tuple(rules)

    def add_host_port(
        self, pod: Pod, address: str, container_port: int, host_port: int, protocol: str, host_ip: str | None
    ) -> None:
        where = host_ip if host_ip and host_ip != "0.0.0.0" else ""
        chain = f"hostport-{_digest(pod.metadata.uid, where, protocol, str(host_port))}-{protocol}/{host_port}"
        self.chains[chain] = (
            f"ip saddr {{ {address}, 127.0.0.0/8 }} jump mark-for-masquerade",
            f"meta l4proto {protocol} dnat to {address}:{container_port}",
        )
        key = f"{protocol} . {host_port}"
        if where:
            self.elements.add(Element("hostports-by-address", f"{where} . {key}", f"goto {chain}"))
        else:
            self.elements.add(Element("hostports", key, f"goto {chain}"))
        if protocol == "udp":
            self.flows.add(Flow(where, host_port, address))

    def _remember_flows(self, address: str, number: int, port: ServicePort, endpoints: Iterable[Endpoint]) -> None:
        if port.protocol == "udp":
            self.flows.update(Flow(address, number, endpoint.address) for endpoint in endpoints)


def _address_key(ip: str, port: ServicePort) -> str:
    return f"{ip} . {port.protocol} . {port.port}"


def _identity(port: ServicePort) -> str:
    digest = _digest(port.namespace, port.service, port.protocol, port.name, str(port.port))
    return f"{digest}-{port.namespace}/{port.service}/{port.protocol}/{port.name or port.port}"


def _endpoint_chain(name: str, endpoint: Endpoint) -> str:
    return f"endpoint-{name}__{endpoint.address}/{endpoint.port}"


def _affinity_set(name: str, endpoint: Endpoint, seconds: int) -> str:
    return f"affinity-{seconds}s-{name}__{endpoint.address}/{endpoint.port}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
