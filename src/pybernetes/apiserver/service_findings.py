"""What does not fit together among services, their IPAddresses and their node ports: pure.

Follows pkg/registry/core/service/ipallocator/controller/repairip.go and portallocator/controller/repair.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.resources.service_addresses import (
    FAMILY_LABEL,
    MANAGED_BY,
    MANAGER_LABEL,
    family_of,
    parse_address,
)
from pybernetes.apiserver.resources.service_ports import held_ports
from pybernetes.apiserver.resources.service_rules import cluster_ips

GRACE_SECONDS = 60.0
SETTLING_SECONDS = 5.0
_REFERENCE = ("group", "resource", "namespace", "name")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and whether the IPAddress has to go, to come, or both."""

    about: Document
    reason: str
    message: str
    delete: bool = False
    create: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """Too early to say."""

    seconds: float


def out_of_range(service: Document, name: str) -> Finding:
    message = (
        f"Cluster IP [{family_of(name)}]: {name} is not within any configured Service CIDR; please recreate service"
    )
    return Finding(service, "ClusterIPOutOfRange", message)


def judge_service(service: Document, name: str, found: Document | None, parent: Document | None) -> Finding | None:
    """``found`` is the IPAddress of an address that the service carries, ``parent`` the service that it names."""
    family, metadata = family_of(name), service["metadata"]
    place = f"{metadata['namespace']}/{metadata['name']}"
    if found is None:
        message = f"Cluster IP [{family}]: {name} is not allocated; repairing"
        return Finding(service, "ClusterIPNotAllocated", message, create=True)
    reference = found["spec"]["parentRef"]
    mine = (reference.get("namespace"), reference.get("name")) == (metadata["namespace"], metadata["name"])
    if not _names_service(found) or (not mine and parent is None):
        message = f"the ClusterIP [{family}]: {name} for Service {place} has a wrong reference; repairing"
        return Finding(service, "ClusterIPNotAllocated", message, delete=True, create=True)
    if not mine and parent is not None and name in cluster_ips(parent):
        message = f"Cluster IP [{family}]:{name} was assigned to multiple services; please recreate service"
        return Finding(service, "ClusterIPAlreadyAllocated", message)
    labels = found["metadata"].get("labels") or {}
    if (labels.get(FAMILY_LABEL), labels.get(MANAGER_LABEL)) != (family, MANAGED_BY):
        return Finding(service, "", "", delete=True, create=True)
    return None


def judge_address(address: Document, parent: Document | None, age: float) -> Finding | Later | None:
    """``age`` in seconds."""
    name, reference = address["metadata"]["name"], address["spec"]["parentRef"]
    if (address["metadata"].get("labels") or {}).get(MANAGER_LABEL) != MANAGED_BY:
        return None
    if not _names_service(address):
        shown = ",".join(f"{key.capitalize()}:{reference.get(key, '')}" for key in _REFERENCE)
        message = f"IPAddress {name} appears to have been modified, not referencing a Service "
        message += f"&ParentReference{{{shown},}}: cleaning up"
        return Finding(address, "IPAddressNotAllocated", message, delete=True)
    place = f"{reference.get('namespace', '')}/{reference['name']}"
    if parent is None:
        if age <= GRACE_SECONDS:
            return Later(GRACE_SECONDS - age + 1)
        message = f"IPAddress: {name} for Service {place} appears to have leaked: cleaning up"
        return Finding(address, "IPAddressNotAllocated", message, delete=True)
    if name in map(str, map(parse_address, cluster_ips(parent))):
        return None
    if age < SETTLING_SECONDS:
        return Later(SETTLING_SECONDS)
    message = f"IPAddress: {name} for Service {place} has a wrong reference; cleaning up"
    return Finding(address, "IPAddressWrongReference", message, delete=True)


def judge_ports(services: Iterable[Document], low: int, high: int) -> Iterator[Finding]:
    held: set[int] = set()
    for service in services:
        for port in held_ports(service):
            if not low <= port <= high:
                message = f"Port {port} is not within the port range {low}-{high}; please recreate service"
                yield Finding(service, "PortOutOfRange", message)
            elif port in held:
                message = f"Port {port} was assigned to multiple services; please recreate service"
                yield Finding(service, "PortAlreadyAllocated", message)
            held.add(port)


def _names_service(address: Document) -> bool:
    reference = address["spec"]["parentRef"]
    return not reference.get("group") and reference.get("resource") == "services"
