"""Service: one address for the pods that a selector names.

Follows pkg/registry/core/service and printService in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import FieldError, is_dns_label
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import Service
from pybernetes.apiserver.columns import AGE, NAME, NONE
from pybernetes.apiserver.resource import (
    Column,
    Context,
    Document,
    Resource,
    SpecialSubresource,
    StatusSubresource,
)
from pybernetes.apiserver.resources.cells import at_path, format_labels, text_at
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults
from pybernetes.apiserver.resources.service_reservations import ServiceReservations
from pybernetes.apiserver.resources.service_rules import drop_by_type, is_externally_accessible, is_proxied
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.service import check_service, check_service_update
from pybernetes.apiserver.validation.service_traffic import POLICIES, check_balancer_status
from pybernetes.apiserver.validation.service_warnings import service_warnings, status_warnings

AFFINITY_SECONDS = 10800


def default_affinity(spec: Document) -> None:
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if client.get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}}


def default_traffic(spec: Document) -> None:
    if is_externally_accessible(spec) and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if is_proxied(spec):
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def default_ip_mode(service: Document) -> None:
    if (service.get("spec") or {}).get("type") == "LoadBalancer":
        for ingress in at_path(service, "status.loadBalancer.ingress", ()):
            if ingress.get("ip"):
                ingress.setdefault("ipMode", "VIP")


def target_port(port: Document) -> int | None:
    return port.get("port")


def zero_target(port: Document) -> None:
    if port.get("targetPort") in (0, ""):
        del port["targetPort"]


def prepare_create(service: Document, context: Context) -> None:
    _drop_idle_policy(service["spec"])


def prepare_update(new: Document, old: Document, context: Context) -> None:
    drop_by_type(new["spec"], old["spec"])
    if new["spec"].get("type") != "LoadBalancer":
        new["status"] = {**(new.get("status") or {}), "loadBalancer": {}}
    _drop_idle_policy(new["spec"])


def _drop_idle_policy(spec: Document) -> None:
    """A name has no use for it; upstream keeps it and does not show it."""
    if spec.get("type") == "ExternalName" and spec.get("internalTrafficPolicy") in POLICIES:
        del spec["internalTrafficPolicy"]


def initial_status(service: Document) -> Document:
    return {"loadBalancer": {}}


def validate(service: Service) -> Iterator[FieldError]:
    yield from check_metadata(service.metadata, is_dns_label)
    yield from check_service(service)


def validate_update(new: Service, old: Service) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_service_update(new, old)


def validate_status(new: Service, old: Service) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_balancer_status(new, old)


def _cluster_ip(service: Document, now: datetime) -> str:
    addresses = service["spec"].get("clusterIPs") or [service["spec"].get("clusterIP") or NONE]
    address: str = addresses[0]
    return address


def _external_ip(service: Document, now: datetime) -> str:
    spec = service["spec"]
    addresses = list(spec.get("externalIPs") or ())
    match spec.get("type"):
        case "LoadBalancer":
            ingress = at_path(service, "status.loadBalancer.ingress", ())
            balanced = [one.get("ip") or one.get("hostname", "") for one in ingress]
            return ",".join(sorted(set(balanced)) + addresses) or "<pending>"
        case "ExternalName":
            name: str = spec.get("externalName", "")
            return name
        case _:
            return ",".join(addresses) or NONE


def _ports(service: Document, now: datetime) -> str:
    cells = []
    for port in service["spec"].get("ports") or ():
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        cells.append(f"{port['port']}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(cells) or NONE


SERVICES = Resource(
    info=info_of(Service),
    returns_deleted=True,
    short_names=("svc",),
    categories=("all",),
    storage="services/specs",
    defaults=compile_defaults(
        {
            "spec.sessionAffinity": "None",
            "spec.type": "ClusterIP",
            "spec": Rule(default_affinity),
            "spec.ports[]": Rule(zero_target),
            "spec.ports[].protocol": "TCP",
            "spec.ports[].targetPort": target_port,
        },
        {"spec": Rule(default_traffic), "": Rule(default_ip_mode)},
    ),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    initial_status=initial_status,
    warnings=service_warnings,
    reservations=ServiceReservations,
    columns=(
        NAME,
        Column("Type", lambda service, now: service["spec"].get("type", "")),
        Column("Cluster-IP", _cluster_ip),
        Column("External-IP", _external_ip),
        Column("Port(s)", _ports),
        AGE,
        Column("Selector", lambda service, now: format_labels(service["spec"].get("selector")), priority=1),
    ),
    selectable={"spec.clusterIP": text_at("spec.clusterIP"), "spec.type": text_at("spec.type")},
    subresources=(
        StatusSubresource(validate=validate_status, warnings=status_warnings),
        SpecialSubresource("proxy", ("create", "delete", "get", "patch", "update"), ("", "v1", "ServiceProxyOptions")),
    ),
    allows_create_on_update=True,
)

RESOURCES = (SERVICES,)
