"""EndpointSlice: some of the addresses behind a service.

Follows pkg/registry/discovery/endpointslice and pkg/apis/discovery/validation.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    duplicate,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    is_port_number,
    is_qualified_name,
    not_supported,
    required,
    too_many,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.discovery_v1 import Endpoint, EndpointPort, EndpointSlice
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Document, Resource
from pybernetes.apiserver.resources.cells import text_column
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults
from pybernetes.apiserver.validation.endpoints import check_endpoint_ip
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.simple import check_unchanged

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
MAXIMUM_ENDPOINTS = 1000
MAXIMUM_ADDRESSES = 100
MAXIMUM_PORTS = 100
_SHOWN = 3


def default_port(port: Document) -> None:
    port.setdefault("name", "")
    if not port.get("protocol"):
        port["protocol"] = "TCP"


def generation_rises(new: Document, old: Document) -> bool:
    fields = ("addressType", "endpoints", "ports")
    labels = new["metadata"].get("labels") != old["metadata"].get("labels")
    return labels or any(new.get(field) != old.get(field) for field in fields)


def validate(endpoint_slice: EndpointSlice) -> Iterator[FieldError]:
    yield from check_metadata(endpoint_slice.metadata, is_dns_subdomain)
    kind = endpoint_slice.address_type
    if not kind:
        yield required(at.addressType)
    elif kind not in ADDRESS_TYPES:
        yield not_supported(at.addressType, kind, ADDRESS_TYPES)
    if len(endpoint_slice.endpoints) > MAXIMUM_ENDPOINTS:
        yield too_many(at.endpoints, len(endpoint_slice.endpoints), MAXIMUM_ENDPOINTS)
    else:
        for index, endpoint in enumerate(endpoint_slice.endpoints):
            yield from _check_endpoint(endpoint, kind, at.endpoints[index])
    if len(endpoint_slice.ports) > MAXIMUM_PORTS:
        yield too_many(at.ports, len(endpoint_slice.ports), MAXIMUM_PORTS)
    else:
        names: set[str] = set()
        for index, port in enumerate(endpoint_slice.ports):
            yield from _check_port(port, names, at.ports[index])


def _check_endpoint(endpoint: Endpoint, kind: str, path: FieldPath) -> Iterator[FieldError]:
    if not endpoint.addresses:
        yield required(path.addresses, "must contain at least 1 address")
    elif len(endpoint.addresses) > MAXIMUM_ADDRESSES:
        yield too_many(path.addresses, len(endpoint.addresses), MAXIMUM_ADDRESSES)
    for index, address in enumerate(endpoint.addresses):
        if kind == "FQDN":
            yield from (invalid(path.addresses[index], address, message) for message in is_dns_subdomain(address))
        else:
            yield from check_endpoint_ip(address, path.addresses[index])
            if kind in ("IPv4", "IPv6") and not _is_of_family(address, kind):
                yield invalid(path.addresses[index], address, f"must be an {kind} address")
    if endpoint.node_name:
        yield from (invalid(path.nodeName, endpoint.node_name, m) for m in is_dns_subdomain(endpoint.node_name))
    if endpoint.hostname is not None:
        yield from (invalid(path.hostname, endpoint.hostname, message) for message in is_dns_label(endpoint.hostname))


def _is_of_family(address: str, kind: str) -> bool:
    try:
        return f"IPv{ipaddress.ip_address(address).version}" == kind
    except ValueError:
        return True


def _check_port(port: EndpointPort, names: set[str], path: FieldPath) -> Iterator[FieldError]:
    name = port.name or ""
    if name:
        yield from (invalid(path.name, name, message) for message in is_dns_label(name))
    if name in names:
        yield duplicate(path.name, name)
    names.add(name)
    if not port.protocol:
        yield required(path.protocol)
    elif port.protocol not in _PROTOCOLS:
        yield not_supported(path.protocol, port.protocol, _PROTOCOLS)
    if port.port is not None:
        yield from (invalid(path.port, port.port, message) for message in is_port_number(port.port))
    if port.app_protocol is not None:
        yield from (invalid(path.appProtocol, port.app_protocol, m) for m in is_qualified_name(port.app_protocol))


def validate_update(new: EndpointSlice, old: EndpointSlice) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_unchanged(new.address_type, old.address_type, at.addressType)


def _listed(values: list[str]) -> str:
    if not values:
        return "<unset>"
    more = f" + {len(values) - _SHOWN} more..." if len(values) > _SHOWN else ""
    return ",".join(values[:_SHOWN]) + more


def _ports(endpoint_slice: Document, now: datetime) -> str:
    return _listed([str(port.get("port", "*")) for port in endpoint_slice.get("ports") or ()])


def _endpoints(endpoint_slice: Document, now: datetime) -> str:
    endpoints = endpoint_slice.get("endpoints") or ()
    return _listed([address for endpoint in endpoints for address in endpoint.get("addresses") or ()])


ENDPOINT_SLICES = Resource(
    info=info_of(EndpointSlice),
    defaults=compile_defaults({"ports[]": Rule(default_port)}),
    validate=validate,
    null_lists=(
        "endpoints",
        "ports",
    ),
    validate_update=validate_update,
    generation=generation_rises,
    columns=(
        NAME,
        text_column("AddressType", "addressType"),
        Column("Ports", _ports),
        Column("Endpoints", _endpoints),
        AGE,
    ),
)

RESOURCES = (ENDPOINT_SLICES,)
