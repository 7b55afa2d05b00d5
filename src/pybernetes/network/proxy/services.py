"""Which endpoints a port of a Service balances over.

Guarantees  Ready endpoints first; when there is none, those that still serve while they terminate. Under a Local policy
            only endpoints of this node count; otherwise those whose hints are for this node or its zone, if every ready
            endpoint has such hints and one is for here.
            Endpoints of one port are sorted, so equal input gives equal output.
Follows     pkg/proxy/topology.go and pkg/proxy/serviceport.go.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pybernetes.api.models.core_v1 import Service
from pybernetes.api.models.core_v1 import ServicePort as ServicePortModel
from pybernetes.api.models.discovery_v1 import EndpointHints, EndpointSlice

DEFAULT_AFFINITY_SECONDS = 10800
SERVICE_NAME_LABEL = "kubernetes.io/service-name"
PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"
ZONE_LABEL = "topology.kubernetes.io/zone"


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    address: str
    port: int
    local: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    endpoint: Endpoint
    ready: bool
    serving: bool
    terminating: bool
    for_nodes: frozenset[str] = frozenset()
    for_zones: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of one Service with everything that decides its rules."""

    namespace: str
    service: str
    name: str
    protocol: str
    port: int
    node_port: int
    cluster_ips: tuple[str, ...]
    external_ips: tuple[str, ...]
    load_balancer_ips: tuple[str, ...]
    source_ranges: tuple[str, ...]
    affinity_seconds: int
    internal_local: bool
    external_local: bool
    cluster_endpoints: tuple[Endpoint, ...]
    local_endpoints: tuple[Endpoint, ...]

    @property
    def has_external_traffic(self) -> bool:
        return bool(self.node_port or self.external_ips or self.load_balancer_ips)


def is_proxied(service: Service) -> bool:
    """Headless and external-name Services have no address to serve; a label hands a Service to another proxy."""
    spec = service.spec
    if spec.type == "ExternalName" or not spec.cluster_ip or spec.cluster_ip == "None":
        return False
    return PROXY_NAME_LABEL not in service.metadata.labels


def service_ports(
    service: Service, slices: Sequence[EndpointSlice], node_name: str, zone: str = ""
) -> Iterator[ServicePort]:
    if not is_proxied(service):
        return
    spec = service.spec
    for port in spec.ports:
        candidates = list(_candidates(slices, port.name, node_name))
        everywhere = serving(close_by(candidates, node_name, zone))
        here = serving([one for one in candidates if one.endpoint.local])
        yield ServicePort(
            namespace=service.metadata.namespace,
            service=service.metadata.name,
            name=port.name,
            protocol=(port.protocol or "TCP").lower(),
            port=port.port,
            node_port=_node_port(service, port),
            cluster_ips=_ipv4(spec.cluster_ips or [spec.cluster_ip]),
            external_ips=_ipv4(spec.external_ips),
            load_balancer_ips=_load_balancer_ips(service),
            source_ranges=_source_ranges(service),
            affinity_seconds=_affinity_seconds(service),
            internal_local=spec.internal_traffic_policy == "Local",
            external_local=spec.external_traffic_policy == "Local",
            cluster_endpoints=everywhere,
            local_endpoints=here,
        )


def serving(candidates: Iterable[Candidate]) -> tuple[Endpoint, ...]:
    candidates = list(candidates)
    ready = {one.endpoint for one in candidates if one.ready}
    fallback = {one.endpoint for one in candidates if one.serving and one.terminating}
    return tuple(sorted(ready or fallback))


def close_by(candidates: Sequence[Candidate], node_name: str, zone: str) -> Sequence[Candidate]:
    """Those that hints leave to clients here: first by node, then by zone, else all."""
    ready = [one for one in candidates if one.ready]
    for place, hinted in (
        (node_name, [(one, one.for_nodes) for one in ready]),
        (zone, [(one, one.for_zones) for one in ready]),
    ):
        here = [one for one, places in hinted if place in places]
        if here and all(places for _, places in hinted):
            return here
    return candidates


def _candidates(slices: Sequence[EndpointSlice], port_name: str, node_name: str) -> Iterator[Candidate]:
    for piece in slices:
        if piece.address_type != "IPv4":
            continue
        for port in piece.ports:
            if (port.name or "") != port_name or not port.port:
                continue
            for endpoint in piece.endpoints:
                if not endpoint.addresses:
                    continue
                conditions = endpoint.conditions
                ready = conditions.ready is not False
                hints = endpoint.hints or EndpointHints()
                yield Candidate(
                    Endpoint(endpoint.addresses[0], port.port, bool(node_name) and endpoint.node_name == node_name),
                    ready=ready,
                    serving=ready if conditions.serving is None else conditions.serving,
                    terminating=bool(conditions.terminating),
                    for_nodes=frozenset(one.name for one in hints.for_nodes),
                    for_zones=frozenset(one.name for one in hints.for_zones),
                )


def _node_port(service: Service, port: ServicePortModel) -> int:
    return port.node_port if service.spec.type in ("NodePort", "LoadBalancer") else 0


def _affinity_seconds(service: Service) -> int:
    if service.spec.session_affinity != "ClientIP":
        return 0
    configured = service.spec.session_affinity_config
    client_ip = configured.client_ip if configured else None
    return (client_ip.timeout_seconds if client_ip else None) or DEFAULT_AFFINITY_SECONDS


def _load_balancer_ips(service: Service) -> tuple[str, ...]:
    return _ipv4(one.ip for one in service.status.load_balancer.ingress if (one.ip_mode or "VIP") == "VIP")


def _source_ranges(service: Service) -> tuple[str, ...]:
    ranges = []
    for text in service.spec.load_balancer_source_ranges:
        network = ipaddress.ip_network(text.strip(), strict=False)
        if network.version == 4:
            ranges.append(str(network))
    return tuple(sorted(ranges))


def _ipv4(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple(address for address in addresses if address and ":" not in address)
