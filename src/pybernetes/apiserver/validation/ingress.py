"""What an ingress must be: rules for hosts, paths below them, and the backends they lead to.

Follows validateIngress in pkg/apis/networking/validation. What an older ingress holds and a new one could not may stay
in an update of it (`Leniency`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    is_path_segment,
    is_port_name,
    is_port_number,
    is_wildcard_dns_subdomain,
    not_supported,
    required,
)
from pybernetes.api.models.core_v1 import TypedLocalObjectReference
from pybernetes.api.models.networking_v1 import (
    HTTPIngressPath,
    HTTPIngressRuleValue,
    IngressBackend,
    IngressLoadBalancerIngress,
    IngressServiceBackend,
    IngressSpec,
)
from pybernetes.apiserver.validation.addresses import check_ip_or_known, is_loose_ip
from pybernetes.apiserver.validation.internal_form import internal_form

PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_NOT_IN_PATHS = ("//", "/./", "/../", "%2f", "%2F")
_NOT_AT_ENDS = ("/..", "/.")
_IS_AN_IP = "must be a DNS name, not an IP address"


@dataclass(frozen=True, slots=True)
class Leniency:
    any_secret_name: bool = False
    anything_under_wildcards: bool = False


STRICT = Leniency()


def leniency_for(old: IngressSpec) -> Leniency:
    return Leniency(
        any_secret_name=any(tls.secret_name and is_dns_subdomain(tls.secret_name) for tls in old.tls),
        anything_under_wildcards=any(
            "*" in rule.host and rule.http is not None and any(_check_http(rule.http, at)) for rule in old.rules
        ),
    )


def check_ingress_spec(spec: IngressSpec, path: FieldPath, leniency: Leniency = STRICT) -> Iterator[FieldError]:
    if not spec.rules and spec.default_backend is None:
        yield invalid(path, internal_form(spec.rules), "either `defaultBackend` or `rules` must be specified")
    if spec.default_backend is not None:
        yield from _check_backend(spec.default_backend, path.defaultBackend)
    for index, rule in enumerate(spec.rules):
        each = path.rules[index]
        if rule.host:
            if is_loose_ip(rule.host):
                yield invalid(each.host, rule.host, _IS_AN_IP)
            yield from _check_host(rule.host, each.host)
        if rule.http is not None and not ("*" in rule.host and leniency.anything_under_wildcards):
            yield from _check_http(rule.http, each.http)
    for index, tls in enumerate(spec.tls):
        each = path.tls[index]
        for position, host in enumerate(tls.hosts):
            yield from _check_host(host, each.hosts[position])
        if tls.secret_name and not leniency.any_secret_name:
            messages = is_dns_subdomain(tls.secret_name)
            yield from (invalid(each.secretName, tls.secret_name, message) for message in messages)
    if spec.ingress_class_name is not None:
        messages = is_dns_subdomain(spec.ingress_class_name)
        yield from (invalid(path.ingressClassName, spec.ingress_class_name, message) for message in messages)


def _check_host(host: str, path: FieldPath) -> Iterator[FieldError]:
    check = is_wildcard_dns_subdomain if "*" in host else is_dns_subdomain
    yield from (invalid(path, host, message) for message in check(host))


def _check_http(http: HTTPIngressRuleValue, path: FieldPath) -> Iterator[FieldError]:
    if not http.paths:
        yield required(path.paths)
    for index, one in enumerate(http.paths):
        yield from _check_path(one, path.paths[index])


def _check_path(one: HTTPIngressPath, path: FieldPath) -> Iterator[FieldError]:
    match one.path_type:
        case None:
            yield required(path.pathType, "pathType must be specified")
            return
        case "Exact" | "Prefix":
            if not one.path.startswith("/"):
                yield invalid(path.path, one.path, "must be an absolute path")
            yield from (
                invalid(path.path, one.path, f"must not contain '{part}'") for part in _NOT_IN_PATHS if part in one.path
            )
            yield from (
                invalid(path.path, one.path, f"cannot end with '{end}'")
                for end in _NOT_AT_ENDS
                if one.path.endswith(end)
            )
        case "ImplementationSpecific":
            if one.path and not one.path.startswith("/"):
                yield invalid(path.path, one.path, "must be an absolute path")
        case other:
            yield not_supported(path.pathType, other, PATH_TYPES)
    yield from _check_backend(one.backend, path.backend)


def _check_backend(backend: IngressBackend, path: FieldPath) -> Iterator[FieldError]:
    if backend.resource is not None and backend.service is not None:
        yield invalid(path, "", "cannot set both resource and service backends")
    elif backend.resource is not None:
        yield from _check_reference(backend.resource, path.resource)
    elif backend.service is not None:
        yield from _check_service(backend.service, path)
    else:
        yield invalid(path, "", "resource or service backend is required")


def _check_reference(reference: TypedLocalObjectReference, path: FieldPath) -> Iterator[FieldError]:
    if reference.api_group is not None:
        messages = is_dns_subdomain(reference.api_group)
        yield from (invalid(path.apiGroup, reference.api_group, message) for message in messages)
    yield from check_segment(reference.kind, path.kind)
    yield from check_segment(reference.name, path.name)


def check_segment(value: str, path: FieldPath) -> Iterator[FieldError]:
    """A part of a URL's path that must be given."""
    if not value:
        yield required(path)
    yield from (invalid(path, value, message) for message in is_path_segment(value))


def _check_service(service: IngressServiceBackend, path: FieldPath) -> Iterator[FieldError]:
    if not service.name:
        yield required(path.service.name)
    else:
        yield from (invalid(path.service.name, service.name, message) for message in is_dns_label(service.name))
    port, at_port = service.port, path.service.port
    if port.name and port.number:
        yield invalid(path, "", "cannot set both port name & port number")
    elif port.name:
        yield from (invalid(at_port.name, port.name, message) for message in is_port_name(port.name))
    elif port.number:
        yield from (invalid(at_port.number, port.number, message) for message in is_port_number(port.number))
    else:
        yield required(path, "port name or number is required")


def check_balanced(
    new: Sequence[IngressLoadBalancerIngress], old: Sequence[IngressLoadBalancerIngress], path: FieldPath
) -> Iterator[FieldError]:
    """The addresses that a load balancer has given to an ingress."""
    known = {one.ip for one in old}
    for index, one in enumerate(new):
        each = path[index]
        if one.ip:
            yield from check_ip_or_known(one.ip, each.ip, known)
        if one.hostname:
            yield from (invalid(each.hostname, one.hostname, message) for message in is_dns_subdomain(one.hostname))
            if is_loose_ip(one.hostname):
                yield invalid(each.hostname, one.hostname, _IS_AN_IP)
