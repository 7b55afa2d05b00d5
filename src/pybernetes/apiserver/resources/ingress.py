"""Ingress: HTTP routes from outside to services.

Follows pkg/apis/networking/validation and printIngress in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    invalid,
    is_dns1035_label,
    is_dns_subdomain,
    is_ip,
    is_port_name,
    is_port_number,
    is_wildcard_dns_subdomain,
    not_supported,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.networking_v1 import HTTPIngressPath, Ingress, IngressBackend, IngressServiceBackend
from pybernetes.apiserver.columns import AGE, NAME, NONE
from pybernetes.apiserver.resource import Column, Document, Resource, StatusSubresource, spec_changed
from pybernetes.apiserver.resources.cells import at_path
from pybernetes.apiserver.validation.metadata import check_metadata, check_only_metadata
from pybernetes.apiserver.validation.paths import check_no_backsteps

PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_CLASS_ANNOTATION = "kubernetes.io/ingress.class"


def validate(ingress: Ingress) -> Iterator[FieldError]:
    yield from check_metadata(ingress.metadata, is_dns_subdomain)
    spec = ingress.spec
    if not spec.rules and spec.default_backend is None:
        yield invalid(at.spec, spec.rules, "either `defaultBackend` or `rules` must be specified")
    if spec.default_backend is not None:
        yield from _check_backend(spec.default_backend, at.spec.defaultBackend)
    for index, rule in enumerate(spec.rules):
        path = at.spec.rules[index]
        if rule.host:
            yield from _check_host(rule.host, path.host)
        if rule.http is None:
            continue
        if not rule.http.paths:
            yield required(path.http.paths)
        for position, one in enumerate(rule.http.paths):
            yield from _check_path(one, path.http.paths[position])
    for index, tls in enumerate(spec.tls):
        for position, host in enumerate(tls.hosts):
            yield from _check_name(host, at.spec.tls[index].hosts[position])
    if spec.ingress_class_name is not None:
        messages = is_dns_subdomain(spec.ingress_class_name)
        yield from (invalid(at.spec.ingressClassName, spec.ingress_class_name, message) for message in messages)


def _check_host(host: str, path: FieldPath) -> Iterator[FieldError]:
    if not is_ip(host):
        yield invalid(path, host, "must be a DNS name, not an IP address")
    yield from _check_name(host, path)


def _check_name(host: str, path: FieldPath) -> Iterator[FieldError]:
    check = is_wildcard_dns_subdomain if "*" in host else is_dns_subdomain
    yield from (invalid(path, host, message) for message in check(host))


def _check_path(one: HTTPIngressPath, path: FieldPath) -> Iterator[FieldError]:
    if one.path_type is None:
        yield required(path.pathType, "pathType must be specified")
    elif one.path_type not in PATH_TYPES:
        yield not_supported(path.pathType, one.path_type, PATH_TYPES)
    elif one.path_type != "ImplementationSpecific" or one.path:
        if not one.path.startswith("/"):
            yield invalid(path.path, one.path, "must be an absolute path")
        yield from check_no_backsteps(one.path, path.path)
    yield from _check_backend(one.backend, path.backend)


def _check_backend(backend: IngressBackend, path: FieldPath) -> Iterator[FieldError]:
    if backend.resource is not None and backend.service is not None:
        yield invalid(path, "", "cannot set both resource and service backends")
    elif backend.resource is not None:
        for name, value in (("kind", backend.resource.kind), ("name", backend.resource.name)):
            if not value:
                yield required(path.resource.child(name))
    elif backend.service is None:
        yield required(path, "resource or service backend is required")
    else:
        yield from _check_service(backend.service, path.service)


def _check_service(service: IngressServiceBackend, path: FieldPath) -> Iterator[FieldError]:
    if not service.name:
        yield required(path.name)
    else:
        yield from (invalid(path.name, service.name, message) for message in is_dns1035_label(service.name))
    port = service.port
    if port.name and port.number:
        yield invalid(path, "", "cannot set both port name & port number")
    elif port.name:
        yield from (invalid(path.port.name, port.name, message) for message in is_port_name(port.name))
    elif port.number:
        yield from (invalid(path.port.number, port.number, message) for message in is_port_number(port.number))
    else:
        yield required(path, "port name or number is required")


def _class(ingress: Document, now: datetime) -> str:
    annotations = ingress["metadata"].get("annotations") or {}
    name: str = at_path(ingress, "spec.ingressClassName") or annotations.get(_CLASS_ANNOTATION) or NONE
    return name


def _hosts(ingress: Document, now: datetime) -> str:
    hosts = [rule["host"] for rule in at_path(ingress, "spec.rules", ()) if rule.get("host")]
    more = f" + {len(hosts) - 3} more..." if len(hosts) > 3 else ""
    return (",".join(hosts[:3]) or "*") + more


def _address(ingress: Document, now: datetime) -> str:
    balanced = at_path(ingress, "status.loadBalancer.ingress", ())
    return ",".join(sorted({one.get("ip") or one.get("hostname", "") for one in balanced}))


def _ports(ingress: Document, now: datetime) -> str:
    return "80, 443" if at_path(ingress, "spec.tls") else "80"


INGRESSES = Resource(
    info=info_of(Ingress),
    short_names=("ing",),
    storage="ingress",
    validate=validate,
    validate_update=check_only_metadata,
    initial_status=lambda ingress: {"loadBalancer": {}},
    generation=spec_changed,
    columns=(
        NAME,
        Column("Class", _class),
        Column("Hosts", _hosts),
        Column("Address", _address),
        Column("Ports", _ports),
        AGE,
    ),
    subresources=(StatusSubresource(validate=check_only_metadata),),
)

RESOURCES = (INGRESSES,)
