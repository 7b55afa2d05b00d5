"""Endpoints: the addresses behind a service, in one object.

Follows pkg/registry/core/endpoint, ValidateEndpoints in pkg/apis/core/validation and printEndpoints in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    is_port_number,
    is_qualified_name,
    not_supported,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import EndpointAddress, EndpointPort, Endpoints
from pybernetes.apiserver.columns import AGE, NAME, NONE
from pybernetes.apiserver.resource import Column, Document, Resource
from pybernetes.apiserver.resources.defaults import compile_defaults
from pybernetes.apiserver.validation.addresses import check_ip_or_known, ip_warnings
from pybernetes.apiserver.validation.endpoints import check_endpoint_ip
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update

_PROTOCOLS = ("SCTP", "TCP", "UDP")
_SHOWN = 3
MANAGED_BY = "endpoints.kubernetes.io/managed-by"
CONTROLLER = "endpoint-controller"


def validate(endpoints: Endpoints) -> Iterator[FieldError]:
    yield from check_metadata(endpoints.metadata, is_dns_subdomain)
    yield from _check_subsets(endpoints)


def _check_subsets(endpoints: Endpoints) -> Iterator[FieldError]:
    for index, subset in enumerate(endpoints.subsets):
        path = at.subsets[index]
        if not subset.addresses and not subset.not_ready_addresses:
            yield required(path, "must specify `addresses` or `notReadyAddresses`")
        for position, address in enumerate(subset.addresses):
            yield from _check_address(address, path.addresses[position])
        for position, address in enumerate(subset.not_ready_addresses):
            yield from _check_address(address, path.notReadyAddresses[position])
        for position, port in enumerate(subset.ports):
            yield from _check_port(port, path.ports[position], name_required=len(subset.ports) > 1)


def _check_address(address: EndpointAddress, path: FieldPath) -> Iterator[FieldError]:
    yield from check_ip_or_known(address.ip, path.ip)
    if address.hostname:
        yield from (invalid(path.hostname, address.hostname, message) for message in is_dns_label(address.hostname))
    if address.node_name is not None:
        yield from (invalid(path.nodeName, address.node_name, m) for m in is_dns_subdomain(address.node_name))
    yield from check_endpoint_ip(address.ip, path.ip)


def _check_port(port: EndpointPort, path: FieldPath, *, name_required: bool) -> Iterator[FieldError]:
    if port.name:
        yield from (invalid(path.name, port.name, message) for message in is_dns_label(port.name))
    elif name_required:
        yield required(path.name)
    yield from (invalid(path.port, port.port, message) for message in is_port_number(port.port))
    if not port.protocol:
        yield required(path.protocol)
    elif port.protocol not in _PROTOCOLS:
        yield not_supported(path.protocol, port.protocol, _PROTOCOLS)
    if port.app_protocol is not None:
        yield from (invalid(path.appProtocol, port.app_protocol, m) for m in is_qualified_name(port.app_protocol))


def validate_update(new: Endpoints, old: Endpoints) -> Iterator[FieldError]:
    """Subsets that stay as they are may be what is refused today."""
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_metadata(new.metadata, is_dns_subdomain)
    if new.subsets != old.subsets:
        yield from _check_subsets(new)


def warnings(endpoints: Document) -> Iterator[str]:
    """None about what the endpoints controller writes: it knows how to write addresses."""
    if (endpoints["metadata"].get("labels") or {}).get(MANAGED_BY) == CONTROLLER:
        return
    for index, subset in enumerate(endpoints.get("subsets") or ()):
        for name in ("addresses", "notReadyAddresses"):
            for position, address in enumerate(subset.get(name) or ()):
                yield from ip_warnings(address.get("ip", ""), at.subsets[index].child(name)[position].ip)


def _shown(endpoints: Document, now: datetime) -> str:
    pairs = []
    for subset in endpoints.get("subsets") or ():
        addresses = [address.get("ip", "") for address in subset.get("addresses") or ()]
        ports = subset.get("ports") or ()
        if not ports:
            pairs += addresses
        for port in ports:
            pairs += [f"[{ip}]:{port['port']}" if ":" in ip else f"{ip}:{port['port']}" for ip in addresses]
    if not pairs:
        return NONE
    more = f" + {len(pairs) - _SHOWN} more..." if len(pairs) > _SHOWN else ""
    return ",".join(pairs[:_SHOWN]) + more


ENDPOINTS = Resource(
    info=info_of(Endpoints),
    short_names=("ep",),
    storage="services/endpoints",
    defaults=compile_defaults({"subsets[].ports[].protocol": "TCP"}),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    warnings=warnings,
    deprecation="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    columns=(NAME, Column("Endpoints", _shown), AGE),
    allows_create_on_update=True,
)

RESOURCES = (ENDPOINTS,)
