"""What a service may say.

Follows ValidateServiceCreate and ValidateServiceUpdate in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    duplicate,
    forbidden,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    is_port_number,
    is_qualified_name,
    not_supported,
    required,
)
from pybernetes.api.models.core_v1 import Service, ServicePort, ServiceSpec
from pybernetes.apiserver.validation.addresses import check_ip_or_known
from pybernetes.apiserver.validation.endpoints import check_endpoint_ip
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.metadata import check_labels
from pybernetes.apiserver.validation.probes import check_port
from pybernetes.apiserver.validation.service_addresses import check_addresses_update, check_cluster_ips, is_headless
from pybernetes.apiserver.validation.service_traffic import (
    check_balancer_class,
    check_balancing,
    check_external_traffic,
    check_internal_traffic,
)

HINTS_ANNOTATION = "service.kubernetes.io/topology-aware-hints"
MODE_ANNOTATION = "service.kubernetes.io/topology-mode"
PROTOCOLS = ("SCTP", "TCP", "UDP")
TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
MAXIMUM_AFFINITY_SECONDS = 86400
_NONE = Service()


def check_service(service: Service, old: Service = _NONE) -> Iterator[FieldError]:
    """All but the metadata; ``old`` is an empty one for a service that is made."""
    spec, path = service.spec, at.spec
    yield from _check_annotations(service)
    yield from _check_type(spec, path)
    yield from _check_ports(spec, path.ports)
    yield from check_labels(spec.selector, path.selector)
    yield from _check_affinity(spec, path)
    yield from check_cluster_ips(spec, old.spec)
    for index, address in enumerate(spec.external_ips):
        yield from _check_external_ip(address, path.externalIPs[index], old.spec.external_ips)
    if not spec.type:
        yield required(path.type)
    elif spec.type not in TYPES:
        yield not_supported(path.type, spec.type, TYPES)
    yield from _check_together(spec, path.ports)
    yield from check_balancing(service, old)
    yield from check_external_traffic(spec, path)
    yield from check_internal_traffic(spec, path)


def check_service_update(new: Service, old: Service) -> Iterator[FieldError]:
    before, after = old.spec, new.spec
    yield from check_addresses_update(after, before)
    if before.type == after.type == "LoadBalancer" and before.load_balancer_class != after.load_balancer_class:
        yield invalid(at.spec.loadBalancerClass, after.load_balancer_class, "may not change once set")
    yield from check_balancer_class(after, at.spec.loadBalancerClass)
    checked = all(spec.type == "LoadBalancer" and spec.external_traffic_policy == "Local" for spec in (before, after))
    if checked and before.health_check_node_port != after.health_check_node_port:
        yield forbidden(at.spec.healthCheckNodePort, "field is immutable")
    yield from check_service(new, old)


def _check_annotations(service: Service) -> Iterator[FieldError]:
    annotations = service.metadata.annotations
    hints, mode = annotations.get(HINTS_ANNOTATION), annotations.get(MODE_ANNOTATION)
    if None not in (hints, mode) and hints != mode:
        path = at.metadata.annotations[MODE_ANNOTATION]
        yield invalid(path, mode, f"must match annotations[{HINTS_ANNOTATION}] when both are specified")


def _check_type(spec: ServiceSpec, path: FieldPath) -> Iterator[FieldError]:
    if not spec.ports and not is_headless(spec) and spec.type != "ExternalName":
        yield required(path.ports)
    if spec.type in ("LoadBalancer", "NodePort") and is_headless(spec):
        yield invalid(path.clusterIPs[0], "None", f"may not be set to 'None' for {spec.type} services")
    if spec.type != "ExternalName":
        return
    for name, is_set in (
        ("clusterIPs", bool(spec.cluster_ips)),
        ("ipFamilies", bool(spec.ip_families)),
        ("ipFamilyPolicy", spec.ip_family_policy is not None),
    ):
        if is_set:
            yield forbidden(path.child(name), "may not be set for ExternalName services")
    name = spec.external_name.removesuffix(".")
    if not name:
        yield required(path.externalName)
    yield from (invalid(path.externalName, name, message) for message in (is_dns_subdomain(name) if name else ()))


def _check_ports(spec: ServiceSpec, path: FieldPath) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, port in enumerate(spec.ports):
        yield from _check_port(port, names, path[index], name_required=len(spec.ports) > 1)


def _check_port(port: ServicePort, names: set[str], path: FieldPath, *, name_required: bool) -> Iterator[FieldError]:
    if port.name:
        yield from (invalid(path.name, port.name, message) for message in is_dns_label(port.name))
        if port.name in names:
            yield duplicate(path.name, port.name)
        names.add(port.name)
    elif name_required:
        yield required(path.name)
    yield from (invalid(path.port, port.port, message) for message in is_port_number(port.port))
    if not port.protocol:
        yield required(path.protocol)
    elif port.protocol not in PROTOCOLS:
        yield not_supported(path.protocol, port.protocol, PROTOCOLS)
    yield from check_port(port.target_port or 0, path.targetPort)
    if port.app_protocol is not None:
        yield from (invalid(path.appProtocol, port.app_protocol, m) for m in is_qualified_name(port.app_protocol))


def _check_together(spec: ServiceSpec, path: FieldPath) -> Iterator[FieldError]:
    """What two ports may not share."""
    if spec.type == "ClusterIP":
        for index, port in enumerate(spec.ports):
            if port.node_port:
                yield forbidden(path[index].nodePort, "may not be used when `type` is 'ClusterIP'")
    node_ports: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.ports):
        if port.node_port and (port.protocol, port.node_port) in node_ports:
            yield duplicate(path[index].nodePort, port.node_port)
        node_ports.add((port.protocol, port.node_port))
    pairs: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.ports):
        if (port.protocol, port.port) in pairs:
            yield duplicate(
                path[index], internal_form(ServicePort(protocol=port.protocol, port=port.port, target_port=0))
            )
        pairs.add((port.protocol, port.port))


def _check_affinity(spec: ServiceSpec, path: FieldPath) -> Iterator[FieldError]:
    config, at_config = spec.session_affinity_config, path.sessionAffinityConfig
    match spec.session_affinity:
        case "":
            yield required(path.sessionAffinity)
        case "ClientIP":
            client = config.client_ip if config is not None else None
            seconds = client.timeout_seconds if client is not None else None
            if seconds is None:
                missing = at_config if config is None else at_config.clientIP
                missing = missing if client is None else missing.timeoutSeconds
                yield required(missing, "when session affinity type is ClientIP")
            elif not 0 < seconds <= MAXIMUM_AFFINITY_SECONDS:
                message = f"must be greater than 0 and less than {MAXIMUM_AFFINITY_SECONDS}"
                yield invalid(at_config.clientIP.timeoutSeconds, seconds, message)
        case "None":
            if config is not None:
                yield forbidden(at_config, "must not be set when session affinity is None")
        case other:
            yield not_supported(path.sessionAffinity, other, ("ClientIP", "None"))


def _check_external_ip(address: str, path: FieldPath, known: list[str]) -> Iterator[FieldError]:
    problems = list(check_ip_or_known(address, path, known))
    yield from problems or check_endpoint_ip(address, path)
