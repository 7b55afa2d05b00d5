"""EndpointSlice: some of the addresses behind a service.

Follows pkg/registry/discovery/endpointslice and pkg/apis/discovery/validation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    duplicate,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    is_ip,
    is_label_value,
    is_qualified_name,
    not_supported,
    required,
    too_many,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.discovery_v1 import Endpoint, EndpointPort, EndpointSlice
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Context, Document, Resource
from pybernetes.apiserver.resources.cells import text_column
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults
from pybernetes.apiserver.validation.addresses import canonical_ip_messages, ip_warnings
from pybernetes.apiserver.validation.endpoints import check_endpoint_ip, check_full_name
from pybernetes.apiserver.validation.metadata import check_labels, check_metadata
from pybernetes.apiserver.validation.simple import check_unchanged

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
MAXIMUM_ENDPOINTS = 1000
MAXIMUM_ADDRESSES = 100
MAXIMUM_PORTS = 20000
MAXIMUM_TOPOLOGY = 16
MAXIMUM_HINTS = 8
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLERS = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")
_SHOWN = 3


def default_port(port: Document) -> None:
    port.setdefault("name", "")
    port.setdefault("protocol", "TCP")


def validate(endpoint_slice: EndpointSlice) -> Iterator[FieldError]:
    yield from _check_all_but_endpoints(endpoint_slice)
    yield from _check_endpoints(endpoint_slice)


def _check_all_but_endpoints(endpoint_slice: EndpointSlice) -> Iterator[FieldError]:
    yield from check_metadata(endpoint_slice.metadata, is_dns_subdomain)
    kind, ports = endpoint_slice.address_type, endpoint_slice.ports
    if not kind:
        yield required(at.addressType)
    elif kind not in ADDRESS_TYPES:
        yield not_supported(at.addressType, kind, ADDRESS_TYPES)
    if len(ports) > MAXIMUM_PORTS:
        yield too_many(at.ports, len(ports), MAXIMUM_PORTS)
        return
    names: set[str] = set()
    for index, port in enumerate(ports):
        yield from _check_port(port, names, at.ports[index])


def _check_endpoints(endpoint_slice: EndpointSlice) -> Iterator[FieldError]:
    endpoints = endpoint_slice.endpoints
    if len(endpoints) > MAXIMUM_ENDPOINTS:
        yield too_many(at.endpoints, len(endpoints), MAXIMUM_ENDPOINTS)
        return
    for index, endpoint in enumerate(endpoints):
        yield from _check_endpoint(endpoint, endpoint_slice.address_type, at.endpoints[index])


def _check_endpoint(endpoint: Endpoint, kind: str, path: FieldPath) -> Iterator[FieldError]:
    if not endpoint.addresses:
        yield required(path.addresses, "must contain at least 1 address")
    elif len(endpoint.addresses) > MAXIMUM_ADDRESSES:
        yield too_many(path.addresses, len(endpoint.addresses), MAXIMUM_ADDRESSES)
    for index, address in enumerate(endpoint.addresses):
        yield from _check_address(address, kind, path.addresses, index)
    if endpoint.node_name is not None:
        yield from (invalid(path.nodeName, endpoint.node_name, m) for m in is_dns_subdomain(endpoint.node_name))
    if len(endpoint.deprecated_topology) > MAXIMUM_TOPOLOGY:
        yield too_many(path.deprecatedTopology, len(endpoint.deprecated_topology), MAXIMUM_TOPOLOGY)
    yield from check_labels(endpoint.deprecated_topology, path.deprecatedTopology)
    if endpoint.hostname is not None:
        yield from (invalid(path.hostname, endpoint.hostname, message) for message in is_dns_label(endpoint.hostname))
    if endpoint.hints is not None:
        zones, nodes = ([one.name for one in some] for some in (endpoint.hints.for_zones, endpoint.hints.for_nodes))
        yield from _check_hints(zones, is_label_value, path.hints.forZones)
        if len(zones) <= MAXIMUM_HINTS:
            yield from _check_hints(nodes, is_dns_subdomain, path.hints.forNodes)


def _check_address(address: str, kind: str, path: FieldPath, index: int) -> Iterator[FieldError]:
    """Of an unknown kind nothing is known to be wrong."""
    if kind == "FQDN":
        yield from check_full_name(address, path[index])
    if kind not in ("IPv4", "IPv6"):
        return
    messages = is_ip(address) if kind == "IPv4" else canonical_ip_messages(address)
    if messages:
        yield from (invalid(path[index], address, message) for message in messages)
        return
    if (kind == "IPv6") != (":" in address):
        yield invalid(path, address, f"must be an {kind} address")
    yield from check_endpoint_ip(address, path[index])


def _check_hints(names: Sequence[str], check: Callable[[str], list[str]], path: FieldPath) -> Iterator[FieldError]:
    if len(names) > MAXIMUM_HINTS:
        yield too_many(path, len(names), MAXIMUM_HINTS)
        return
    for index, name in enumerate(names):
        if name in names[:index]:
            yield duplicate(path[index].name, name)
        yield from (invalid(path[index].name, name, message) for message in check(name))


def _check_port(port: EndpointPort, names: set[str], path: FieldPath) -> Iterator[FieldError]:
    name = port.name or ""
    if name:
        yield from (invalid(path.name, name, message) for message in is_dns_label(name))
    if name in names:
        yield duplicate(path.name, name)
    names.add(name)
    if port.protocol is None:
        yield required(path.protocol)
    elif port.protocol not in _PROTOCOLS:
        yield not_supported(path.protocol, port.protocol, _PROTOCOLS)
    if port.app_protocol is not None:
        yield from (invalid(path.appProtocol, port.app_protocol, m) for m in is_qualified_name(port.app_protocol))


def validate_update(new: EndpointSlice, old: EndpointSlice) -> Iterator[FieldError]:
    """Endpoints that stay as they are may be what is refused today."""
    yield from _check_all_but_endpoints(new)
    if new.endpoints != old.endpoints:
        yield from _check_endpoints(new)
    yield from check_unchanged(new.address_type, old.address_type, at.addressType)


def warnings(endpoint_slice: Document) -> Iterator[str]:
    if endpoint_slice.get("addressType") == "FQDN":
        yield "spec.addressType: FQDN endpoints are deprecated"
    yield from address_warnings(endpoint_slice)


def address_warnings(endpoint_slice: Document) -> Iterator[str]:
    """None about what the controllers write: they know how to write addresses."""
    if (endpoint_slice["metadata"].get("labels") or {}).get(MANAGED_BY) in CONTROLLERS:
        return
    for index, endpoint in enumerate(endpoint_slice.get("endpoints") or ()):
        for position, address in enumerate(endpoint.get("addresses") or ()):
            yield from ip_warnings(address, at.endpoints[index].addresses[position])


def prepare_create(new: Document, context: Context) -> None:
    """What was called topology has fields of its own in this version."""
    for endpoint in new.get("endpoints") or ():
        endpoint.pop("deprecatedTopology", None)


def prepare_update(new: Document, old: Document, context: Context) -> None:
    """The generation follows what was sent, whether it is kept or not."""
    if generation_rises(new, old):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    if new.get("endpoints") != old.get("endpoints"):
        prepare_create(new, context)


def generation_rises(new: Document, old: Document) -> bool:
    fields = ("addressType", "endpoints", "ports")
    labels = new["metadata"].get("labels") != old["metadata"].get("labels")
    return labels or any(new.get(field) != old.get(field) for field in fields)


def raised_already(new: Document, old: Document) -> bool:
    return False


def _listed(values: list[str]) -> str:
    more = f" + {len(values) - _SHOWN} more..." if len(values) > _SHOWN else ""
    return ",".join(values[:_SHOWN]) + more or "<unset>"


def _ports(endpoint_slice: Document, now: datetime) -> str:
    ports = endpoint_slice.get("ports") or ()
    return _listed([str(port["port"]) if "port" in port else port.get("name", "*") for port in ports])


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
    judges_updates_alone=True,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    warnings=warnings,
    update_warnings=lambda new, old: address_warnings(new),
    generation=raised_already,
    columns=(
        NAME,
        text_column("AddressType", "addressType"),
        Column("Ports", _ports),
        Column("Endpoints", _endpoints),
        AGE,
    ),
)

RESOURCES = (ENDPOINT_SLICES,)
