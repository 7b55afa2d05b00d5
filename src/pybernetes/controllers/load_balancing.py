"""Which addresses a Service of the type LoadBalancer has, on machines without anybody else's load balancer.

Guarantees
  Addresses come from a pool, one for each family and for nobody else, or are those of the nodes that can serve: under
  externalTrafficPolicy Local only nodes with endpoints. Two Services share a node's address only on different ports,
  and none gets a port that the node needs itself; who has an address keeps it.
  What the Service asked for in spec.loadBalancerIP is given or nothing is.
Follows staging/src/k8s.io/cloud-provider/controllers/service for which nodes count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from pybernetes.api import meta
from pybernetes.api.models import core_v1
from pybernetes.controllers.network_options import Network, NetworkOptions

EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
GOING = "ToBeDeletedByClusterAutoscaler"
_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))

Port = tuple[str, int]
"""Protocol and number."""


class NoAddress(Exception):
    """There is none to give now; its text says why."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What other Services have."""

    addresses: frozenset[str] = frozenset()
    ports: Mapping[str, Mapping[Port, str]] = field(default_factory=dict)
    """By address: who has which port."""


def wants_load_balancer(service: core_v1.Service) -> bool:
    """A class is a request to somebody else."""
    return service.spec.type == "LoadBalancer" and service.spec.load_balancer_class is None


def addresses_of(service: core_v1.Service) -> tuple[str, ...]:
    return tuple(one.ip for one in service.status.load_balancer.ingress if one.ip)


def taken_by(services: Iterable[tuple[core_v1.Service, Sequence[str]]]) -> Taken:
    """Each Service with the addresses it has."""
    ports: dict[str, dict[Port, str]] = {}
    for service, addresses in services:
        where = str(meta.key_of(service))
        for address in addresses:
            ports.setdefault(address, {}).update(dict.fromkeys(_ports(service), where))
    return Taken(frozenset(ports), ports)


def can_serve(node: core_v1.Node) -> bool:
    excluded = node.metadata.labels.get(EXCLUDED)
    return (
        node.metadata.deletion_timestamp is None
        and (excluded is None or excluded in _FALSE)
        and all(taint.key != GOING for taint in node.spec.taints)
        and meta.is_true(node.status, "Ready")
    )


def plan(
    service: core_v1.Service,
    nodes: Sequence[core_v1.Node],
    serving: frozenset[str],
    taken: Taken,
    options: NetworkOptions,
) -> tuple[str, ...]:
    """The addresses. `serving` names the nodes with ready endpoints of the Service. Raises NoAddress."""
    families = [int(family[-1]) for family in service.spec.ip_families or ["IPv4"]]
    present = addresses_of(service)
    if options.load_balancer_pool:
        return tuple(_from_pool(service, present, families, taken, options.load_balancer_pool))
    usable = [node for node in nodes if can_serve(node)]
    if service.spec.external_traffic_policy == "Local":
        usable = [node for node in usable if node.metadata.name in serving]
    found = [address for family in families for node in usable for address in _addresses(node, family)]
    asked = service.spec.load_balancer_ip
    if asked:
        if asked not in found:
            raise NoAddress(f"no node has the address {asked}")
        found = [asked]
    return tuple(_without_conflicts(service, found, taken, options.host_ports))


def _from_pool(
    service: core_v1.Service, present: Sequence[str], families: Sequence[int], taken: Taken, pool: Sequence[Network]
) -> Iterable[str]:
    asked = service.spec.load_balancer_ip
    for family in families:
        ranges = [one for one in pool if one.version == family]
        kept = next((one for one in present if any(ip_address(one) in part for part in ranges)), None)
        if asked and ip_address(asked).version == family:
            if not any(ip_address(asked) in part for part in ranges):
                raise NoAddress(f"the address {asked} is not in the pool")
            if asked in taken.addresses:
                raise NoAddress(f"the address {asked} is in use")
            yield asked
        elif kept is not None and kept not in taken.addresses:
            yield kept
        elif ranges:
            free = next((one for part in ranges for one in _hosts(part) if one not in taken.addresses), None)
            if free is None:
                raise NoAddress(f"no IPv{family} address of the pool is free")
            yield free
        elif len(families) == 1:
            raise NoAddress(f"the pool has no IPv{family} addresses")


def _hosts(network: Network) -> Iterable[str]:
    return map(str, network.hosts())


def _addresses(node: core_v1.Node, family: int) -> Sequence[str]:
    """Those under which others know it, else those inside."""
    for kind in ("ExternalIP", "InternalIP"):
        found = [one.address for one in node.status.addresses if one.type == kind]
        of_family = [one for one in found if ip_address(one).version == family]
        if of_family:
            return of_family
    return ()


def _without_conflicts(
    service: core_v1.Service, addresses: Iterable[str], taken: Taken, host_ports: frozenset[int]
) -> Iterable[str]:
    ports = _ports(service)
    for protocol, number in ports:
        if protocol == "TCP" and number in host_ports:
            raise NoAddress(f"port {number}/{protocol} is the nodes' own")
    free, conflict = [], ""
    for address in dict.fromkeys(addresses):
        owners = taken.ports.get(address, {})
        clash = next((port for port in ports if port in owners), None)
        if clash is None:
            free.append(address)
        else:
            conflict = f"port {clash[1]}/{clash[0]} of {address} is in use by Service {owners[clash]}"
    if conflict and not free:
        raise NoAddress(conflict)
    return free


def _ports(service: core_v1.Service) -> list[Port]:
    return [(port.protocol or "TCP", port.port) for port in service.spec.ports]
