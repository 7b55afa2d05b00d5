"""What a service may say.

Follows ValidateService and ValidateServiceUpdate in pkg/apis/core/validation.
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
    is_cidr,
    is_dns_label,
    is_dns_subdomain,
    is_port_number,
    is_qualified_name,
    not_supported,
    required,
)
from pybernetes.api.models.core_v1 import Service, ServicePort, ServiceSpec
from pybernetes.apiserver.validation.metadata import check_labels
from pybernetes.apiserver.validation.probes import check_port
from pybernetes.apiserver.validation.simple import check_ip

PROTOCOLS = ("SCTP", "TCP", "UDP")
TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
TRAFFIC_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
KUBELET_PORT = 10250
MAXIMUM_AFFINITY_SECONDS = 86400
_ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'"


def is_headless(spec: ServiceSpec) -> bool:
    return spec.cluster_ip == "None" or spec.cluster_ips == ["None"]


def check_service_spec(spec: ServiceSpec, path: FieldPath) -> Iterator[FieldError]:
    if not spec.ports and not is_headless(spec) and spec.type != "ExternalName":
        yield required(path.ports)
    yield from _check_type(spec, path)
    yield from _check_ports(spec, path.ports)
    yield from check_labels(spec.selector, path.selector)
    yield from _check_affinity(spec, path)
    yield from _check_addresses(spec, path)
    yield from _check_load_balancer(spec, path)
    yield from _check_traffic(spec, path)


def _check_type(spec: ServiceSpec, path: FieldPath) -> Iterator[FieldError]:
    match spec.type:
        case "LoadBalancer" | "NodePort":
            if spec.type == "LoadBalancer":
                for index, port in enumerate(spec.ports):
                    if port.port == KUBELET_PORT:
                        message = f"may not expose port {KUBELET_PORT} externally since it is used by kubelet"
                        yield invalid(path.ports[index], port.port, message)
            if is_headless(spec):
                message = f"may not be set to 'None' for {spec.type} services"
                yield invalid(path.clusterIPs[0], "None", message)
        case "ExternalName":
            for name, value in (
                ("clusterIPs", spec.cluster_ips or spec.cluster_ip),
                ("ipFamilies", spec.ip_families),
                ("ipFamilyPolicy", spec.ip_family_policy),
            ):
                if value:
                    yield forbidden(getattr(path, name), "may not be set for ExternalName services")
            name = spec.external_name.removesuffix(".")
            if not name:
                yield required(path.externalName)
            else:
                yield from (invalid(path.externalName, name, message) for message in is_dns_subdomain(name))
        case "ClusterIP":
            for index, port in enumerate(spec.ports):
                if port.node_port:
                    yield forbidden(path.ports[index].nodePort, "may not be used when `type` is 'ClusterIP'")
        case "":
            yield required(path.type)
        case _:
            yield not_supported(path.type, spec.type, TYPES)


def _check_ports(spec: ServiceSpec, path: FieldPath) -> Iterator[FieldError]:
    names: set[str] = set()
    pairs: set[tuple[str, int]] = set()
    node_ports: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.ports):
        yield from _check_port(port, names, path[index], name_required=len(spec.ports) > 1)
    for index, port in enumerate(spec.ports):
        if (port.protocol, port.port) in pairs:
            yield duplicate(path[index], {"protocol": port.protocol, "port": port.port})
        pairs.add((port.protocol, port.port))
        if port.node_port:
            if (port.protocol, port.node_port) in node_ports:
                yield duplicate(path[index].nodePort, port.node_port)
            node_ports.add((port.protocol, port.node_port))


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
    if port.target_port not in (None, "", 0):
        yield from check_port(port.target_port or 0, path.targetPort)
    if port.app_protocol is not None:
        yield from (invalid(path.appProtocol, port.app_protocol, m) for m in is_qualified_name(port.app_protocol))


def _check_affinity(spec: ServiceSpec, path: FieldPath) -> Iterator[FieldError]:
    config = spec.session_affinity_config
    match spec.session_affinity:
        case "":
            yield required(path.sessionAffinity)
        case "ClientIP":
            client = config.client_ip if config is not None else None
            at_client = path.sessionAffinityConfig
            if config is None:
                yield required(at_client, "when session affinity type is ClientIP")
            elif client is None:
                yield required(at_client.clientIP, "when session affinity type is ClientIP")
            elif client.timeout_seconds is None:
                yield required(at_client.clientIP.timeoutSeconds, "when session affinity type is ClientIP")
            elif not 0 < client.timeout_seconds <= MAXIMUM_AFFINITY_SECONDS:
                message = f"must be greater than 0 and less than {MAXIMUM_AFFINITY_SECONDS}"
                yield invalid(at_client.clientIP.timeoutSeconds, client.timeout_seconds, message)
        case "None":
            if config is not None:
                yield forbidden(path.sessionAffinityConfig, "must not be set when session affinity is None")
        case other:
            yield not_supported(path.sessionAffinity, other, ("ClientIP", "None"))


def _check_addresses(spec: ServiceSpec, path: FieldPath) -> Iterator[FieldError]:
    for index, address in enumerate(spec.external_ips):
        yield from check_ip(address, path.externalIPs[index])
    if spec.type == "ExternalName":
        return
    families: set[str] = set()
    for index, family in enumerate(spec.ip_families):
        if family not in ("IPv4", "IPv6"):
            yield not_supported(path.ipFamilies[index], family, ("IPv4", "IPv6"))
        if family in families:
            yield duplicate(path.ipFamilies[index], family)
        families.add(family)
    if spec.ip_family_policy is not None and spec.ip_family_policy not in FAMILY_POLICIES:
        yield not_supported(path.ipFamilyPolicy, spec.ip_family_policy, FAMILY_POLICIES)
    addresses = spec.cluster_ips
    if not addresses:
        if spec.cluster_ip:
            yield required(path.clusterIPs)
        return
    if len(addresses) > 2:
        yield invalid(path.clusterIPs, addresses, "may only hold up to 2 values")
    if addresses[0] != spec.cluster_ip:
        yield invalid(path.clusterIPs, addresses, "first value must match `clusterIP`")
    for index, address in enumerate(addresses):
        if address != "None":
            yield from check_ip(address, path.clusterIPs[index])
        elif len(addresses) > 1:
            yield invalid(path.clusterIPs, addresses, "'None' must be the first and only value")


def _check_load_balancer(spec: ServiceSpec, path: FieldPath) -> Iterator[FieldError]:
    balanced = spec.type == "LoadBalancer"
    if spec.load_balancer_source_ranges:
        if not balanced:
            yield forbidden(path.loadBalancerSourceRanges, _ONLY_LOAD_BALANCER)
        for index, cidr in enumerate(spec.load_balancer_source_ranges):
            messages = is_cidr(cidr.strip())
            yield from (invalid(path.loadBalancerSourceRanges[index], cidr, message) for message in messages)
    if spec.allocate_load_balancer_node_ports is not None and not balanced:
        yield forbidden(path.allocateLoadBalancerNodePorts, _ONLY_LOAD_BALANCER)
    if spec.load_balancer_class is not None:
        if not balanced:
            yield forbidden(path.loadBalancerClass, _ONLY_LOAD_BALANCER)
        name = spec.load_balancer_class
        yield from (invalid(path.loadBalancerClass, name, message) for message in is_qualified_name(name))


def _check_traffic(spec: ServiceSpec, path: FieldPath) -> Iterator[FieldError]:
    accessible = spec.type in ("NodePort", "LoadBalancer") or (spec.type == "ClusterIP" and bool(spec.external_ips))
    policy = spec.external_traffic_policy
    if not accessible:
        if policy:
            message = "may only be set for externally-accessible services"
            yield invalid(path.externalTrafficPolicy, policy, message)
    elif not policy:
        yield required(path.externalTrafficPolicy)
    elif policy not in ("Cluster", "Local"):
        yield not_supported(path.externalTrafficPolicy, policy, ("Cluster", "Local"))
    if spec.health_check_node_port and not (spec.type == "LoadBalancer" and policy == "Local"):
        message = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield invalid(path.healthCheckNodePort, spec.health_check_node_port, message)
    if spec.type in ("NodePort", "LoadBalancer", "ClusterIP"):
        internal = spec.internal_traffic_policy
        if internal is None:
            yield required(path.internalTrafficPolicy)
        elif internal not in ("Cluster", "Local"):
            yield not_supported(path.internalTrafficPolicy, internal, ("Cluster", "Local"))
    distribution = spec.traffic_distribution
    if distribution is not None and distribution not in TRAFFIC_DISTRIBUTIONS:
        yield not_supported(path.trafficDistribution, distribution, TRAFFIC_DISTRIBUTIONS)


def check_service_update(new: Service, old: Service) -> Iterator[FieldError]:
    before, after = old.spec, new.spec
    proxied = "ExternalName" not in (before.type, after.type)
    if proxied and before.cluster_ips and after.cluster_ips and before.cluster_ips[0] != after.cluster_ips[0]:
        yield invalid(at.spec.clusterIPs[0], after.cluster_ips, "may not change once set")
    if proxied and before.ip_families and after.ip_families and before.ip_families[0] != after.ip_families[0]:
        yield invalid(at.spec.ipFamilies[0], after.ip_families, "may not change once set")
    checked = all(spec.type == "LoadBalancer" and spec.external_traffic_policy == "Local" for spec in (before, after))
    if checked and before.health_check_node_port != after.health_check_node_port:
        yield forbidden(at.spec.healthCheckNodePort, "field is immutable")
    both_balanced = before.type == after.type == "LoadBalancer"
    if both_balanced and before.load_balancer_class != after.load_balancer_class:
        yield invalid(at.spec.loadBalancerClass, after.load_balancer_class, "may not change once set")
