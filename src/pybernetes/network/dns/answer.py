"""What the cluster answers to one question.

Guarantees  Pure. A name that exists without a record of the asked type is an empty answer, never NXDOMAIN, because
            resolvers ask A and AAAA side by side and take NXDOMAIN for both.
Follows     the Kubernetes DNS-Based Service Discovery specification 1.1; where that is silent, CoreDNS.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.SOA import SOA
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rdtypes.IN.SRV import SRV

from pybernetes.api.models.core_v1 import Service
from pybernetes.api.models.discovery_v1 import EndpointSlice
from pybernetes.network.dns.zone import Records, endpoint_label, is_headless, ready_endpoints, service_name

IN = dns.rdataclass.IN
T = dns.rdatatype
SCHEMA_VERSION = "1.1.0"
TTL = 30
MAX_CHASE = 8

_REVERSE_4 = dns.name.from_text("in-addr.arpa.")
_REVERSE_6 = dns.name.from_text("ip6.arpa.")


@dataclass(frozen=True, slots=True)
class Record:
    name: dns.name.Name
    data: dns.rdata.Rdata


@dataclass(frozen=True, slots=True)
class Answer:
    """`chase` is the name of an ExternalName that must still be resolved."""

    code: dns.rcode.Rcode = dns.rcode.NOERROR
    records: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    chase: dns.name.Name | None = None


@dataclass(frozen=True, slots=True)
class Zone:
    records: Records
    server_address: str
    origin: dns.name.Name = dns.name.from_text("cluster.local.")

    def soa(self) -> Record:
        data = SOA(IN, T.SOA, self.name("ns", "dns"), self.name("hostmaster"), 1, 7200, 1800, 86400, TTL)
        return Record(self.origin, data)

    def name(self, *labels: str) -> dns.name.Name:
        return dns.name.Name([*(label.encode() for label in labels), *self.origin.labels])

    def service_name(self, namespace: str, service: str, *labels: str) -> dns.name.Name:
        return self.name(*labels, service, namespace, "svc")


def answer(name: dns.name.Name, rdtype: dns.rdatatype.RdataType, zone: Zone) -> Answer | None:
    """None: the name is not of this cluster and the question should be asked elsewhere."""
    if name.is_subdomain(_REVERSE_4) or name.is_subdomain(_REVERSE_6):
        return _reverse(name, rdtype, zone)
    if not name.is_subdomain(zone.origin):
        return None
    inside = name.relativize(zone.origin).canonicalize()
    labels = [label.decode("ascii", errors="replace") for label in inside.labels]
    found = _lookup(labels, name, rdtype, zone)
    if found is None:
        return Answer(code=dns.rcode.NXDOMAIN, authority=(zone.soa(),))
    if not found.records:
        return Answer(authority=(zone.soa(),))
    return found


def _lookup(labels: Sequence[str], name: dns.name.Name, rdtype: dns.rdatatype.RdataType, zone: Zone) -> Answer | None:
    match labels:
        case []:
            return _apex(rdtype, zone)
        case ["dns-version"]:
            return _only(name, rdtype, TXT(IN, T.TXT, [SCHEMA_VERSION.encode()]))
        case ["ns", "dns"]:
            return _only(name, rdtype, A(IN, T.A, zone.server_address))
        case ["svc" | "pod" | "dns"]:
            return Answer()
        case [namespace, "svc" | "pod"]:
            return Answer() if zone.records.has_namespace(namespace) else None
        case [dashed, namespace, "pod"]:
            return _pod(dashed, namespace, name, rdtype, zone)
        case [service, namespace, "svc"]:
            return _service(service, namespace, name, rdtype, zone)
        case [host, service, namespace, "svc"]:
            return _endpoint(host, service, namespace, name, rdtype, zone)
        case [port, protocol, service, namespace, "svc"] if port.startswith("_") and protocol.startswith("_"):
            return _port(port[1:], protocol[1:], service, namespace, name, rdtype, zone)
    return None


def _apex(rdtype: dns.rdatatype.RdataType, zone: Zone) -> Answer:
    if rdtype == T.SOA:
        return Answer(records=(zone.soa(),))
    if rdtype == T.NS:
        server = zone.name("ns", "dns")
        glue = Record(server, A(IN, T.A, zone.server_address))
        return Answer(records=(Record(zone.origin, NS(IN, T.NS, server)),), additional=(glue,))
    return Answer()


def _pod(
    dashed: str, namespace: str, name: dns.name.Name, rdtype: dns.rdatatype.RdataType, zone: Zone
) -> Answer | None:
    if not zone.records.has_namespace(namespace):
        return None
    try:
        address = ipaddress.IPv4Address(dashed.replace("-", "."))
    except ValueError:
        return None
    return _only(name, rdtype, A(IN, T.A, str(address)))


def _service(
    service_label: str, namespace: str, name: dns.name.Name, rdtype: dns.rdatatype.RdataType, zone: Zone
) -> Answer | None:
    service = zone.records.service(namespace, service_label)
    if service is None:
        return None
    if service.spec.type == "ExternalName":
        return _external(service, name)
    if rdtype == T.SRV:
        return _srv(service, name, zone, port="", protocol="")
    if not is_headless(service):
        addresses = service.spec.cluster_ips or [service.spec.cluster_ip]
        return Answer(records=tuple(_addresses(name, rdtype, addresses)))
    slices = zone.records.slices(namespace, service_label)
    if not any(True for kind in ("IPv4", "IPv6") for _ in ready_endpoints(slices, kind)):
        return None
    return Answer(records=tuple(_addresses(name, rdtype, _headless_addresses(slices, rdtype))))


def _external(service: Service, name: dns.name.Name) -> Answer:
    target = dns.name.from_text((service.spec.external_name).rstrip(".") + ".")
    return Answer(records=(Record(name, CNAME(IN, T.CNAME, target)),), chase=target)


def _endpoint(
    host: str, service_label: str, namespace: str, name: dns.name.Name, rdtype: dns.rdatatype.RdataType, zone: Zone
) -> Answer | None:
    if zone.records.service(namespace, service_label) is None:
        return None
    slices = zone.records.slices(namespace, service_label)
    found: list[str] = []
    for kind in ("IPv4", "IPv6"):
        for _, endpoint in ready_endpoints(slices, kind):
            found += [a for a in endpoint.addresses if endpoint_label(endpoint, a).lower() == host]
    return Answer(records=tuple(_addresses(name, rdtype, found))) if found else None


def _port(
    port: str,
    protocol: str,
    service_label: str,
    namespace: str,
    name: dns.name.Name,
    rdtype: dns.rdatatype.RdataType,
    zone: Zone,
) -> Answer | None:
    service = zone.records.service(namespace, service_label)
    if service is None or service.spec.type == "ExternalName":
        return None
    found = _srv(service, name, zone, port=port, protocol=protocol)
    if not found.records:
        return None
    return found if rdtype == T.SRV else Answer()


def _srv(service: Service, name: dns.name.Name, zone: Zone, *, port: str, protocol: str) -> Answer:
    pairs = _headless_targets(service, zone) if is_headless(service) else _cluster_targets(service, zone)
    records: list[Record] = []
    addresses: dict[Record, None] = {}
    for port_name, port_protocol, number, target, address in pairs:
        if port and (port_name.lower() != port or port_protocol.lower() != protocol):
            continue
        records.append(Record(name, SRV(IN, T.SRV, 0, 100, number, target)))
        addresses[Record(target, A(IN, T.A, address))] = None
    weight = max(1, 100 // len(records)) if records else 0
    weighted = tuple(
        Record(one.name, SRV(IN, T.SRV, 0, weight, one.data.port, one.data.target))  # type: ignore[attr-defined]
        for one in dict.fromkeys(records)
    )
    return Answer(records=weighted, additional=tuple(addresses))


_Target = tuple[str, str, int, dns.name.Name, str]


def _cluster_targets(service: Service, zone: Zone) -> Iterator[_Target]:
    target = zone.service_name(service.metadata.namespace, service.metadata.name)
    for port in service.spec.ports:
        if ":" not in service.spec.cluster_ip:
            yield port.name or "", port.protocol or "TCP", port.port, target, service.spec.cluster_ip


def _headless_targets(service: Service, zone: Zone) -> Iterator[_Target]:
    namespace, name = service.metadata.namespace, service.metadata.name
    for piece, endpoint in ready_endpoints(zone.records.slices(namespace, name), "IPv4"):
        for port in piece.ports:
            for address in endpoint.addresses:
                target = zone.service_name(namespace, name, endpoint_label(endpoint, address))
                yield port.name or "", port.protocol or "TCP", port.port or 0, target, address


def _reverse(name: dns.name.Name, rdtype: dns.rdatatype.RdataType, zone: Zone) -> Answer | None:
    address = _address_of(name)
    if address is None:
        return None
    targets = [
        zone.service_name(one.metadata.namespace, one.metadata.name) for one in zone.records.services_at(address)
    ]
    if not targets:
        targets = list(_endpoint_names(address, zone))
    if not targets:
        return None
    if rdtype != T.PTR:
        return Answer(authority=(zone.soa(),))
    return Answer(records=tuple(Record(name, PTR(IN, T.PTR, target)) for target in dict.fromkeys(targets)))


def _endpoint_names(address: str, zone: Zone) -> Iterator[dns.name.Name]:
    for piece in zone.records.slices_at(address):
        for _, endpoint in ready_endpoints([piece], piece.address_type):
            if address in endpoint.addresses and service_name(piece):
                label = endpoint_label(endpoint, address)
                yield zone.service_name(piece.metadata.namespace, service_name(piece), label)


def _address_of(name: dns.name.Name) -> str | None:
    labels = [label.decode("ascii", errors="replace") for label in name.labels[:-3]]
    try:
        if name.is_subdomain(_REVERSE_4):
            return str(ipaddress.IPv4Address(".".join(reversed(labels))))
        digits = "".join(reversed(labels))
        return str(ipaddress.IPv6Address(int(digits, 16))) if len(digits) == 32 else None
    except ValueError:
        return None


def _headless_addresses(slices: Sequence[EndpointSlice], rdtype: dns.rdatatype.RdataType) -> list[str]:
    kind = "IPv6" if rdtype == T.AAAA else "IPv4"
    return list(dict.fromkeys(a for _, endpoint in ready_endpoints(slices, kind) for a in endpoint.addresses))


def _addresses(name: dns.name.Name, rdtype: dns.rdatatype.RdataType, addresses: Sequence[str]) -> Iterator[Record]:
    for address in addresses:
        if rdtype == T.A and ":" not in address:
            yield Record(name, A(IN, T.A, address))
        elif rdtype == T.AAAA and ":" in address:
            yield Record(name, AAAA(IN, T.AAAA, address))


def _only(name: dns.name.Name, rdtype: dns.rdatatype.RdataType, data: dns.rdata.Rdata) -> Answer:
    return Answer(records=(Record(name, data),)) if data.rdtype == rdtype else Answer()
