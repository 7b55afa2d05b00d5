"""How traffic comes to a service: load balancers, external and internal policies.

Follows validateService and ValidateLoadBalancerStatus in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    forbidden,
    invalid,
    is_dns_subdomain,
    is_port_number,
    is_qualified_name,
    not_supported,
    required,
)
from pybernetes.api.models.core_v1 import LoadBalancerIngress, Service, ServiceSpec
from pybernetes.apiserver.validation.addresses import check_cidr_or_known, check_ip_or_known, is_loose_ip

RANGES_ANNOTATION = "service.beta.kubernetes.io/load-balancer-source-ranges"
POLICIES = ("Cluster", "Local")
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
IP_MODES = ("Proxy", "VIP")
_ONLY_BALANCED = "may only be used when `type` is 'LoadBalancer'"


def check_balancing(service: Service, old: Service) -> Iterator[FieldError]:
    spec, path = service.spec, at.spec
    yield from _check_source_ranges(service, old)
    if spec.allocate_load_balancer_node_ports is not None and spec.type != "LoadBalancer":
        yield forbidden(path.allocateLoadBalancerNodePorts, _ONLY_BALANCED)
    yield from check_balancer_class(spec, path.loadBalancerClass)


def _check_source_ranges(service: Service, old: Service) -> Iterator[FieldError]:
    """The field may be padded with blanks, as the annotation that it replaced."""
    spec, annotation = service.spec, service.metadata.annotations.get(RANGES_ANNOTATION)
    balanced = spec.type == "LoadBalancer"
    if spec.load_balancer_source_ranges:
        path = at.spec.LoadBalancerSourceRanges
        if not balanced:
            yield forbidden(path, _ONLY_BALANCED)
        known = [cidr.strip() for cidr in old.spec.load_balancer_source_ranges]
        for index, cidr in enumerate(spec.load_balancer_source_ranges):
            yield from check_cidr_or_known(cidr.strip(), path[index], known)
    elif annotation is not None:
        path = at.metadata.annotations[RANGES_ANNOTATION]
        if not balanced:
            yield forbidden(path, _ONLY_BALANCED)
        if annotation.strip() and old.metadata.annotations.get(RANGES_ANNOTATION) != annotation:
            for cidr in annotation.strip().split(","):
                yield from check_cidr_or_known(cidr.strip(), path)


def check_balancer_class(spec: ServiceSpec, path: FieldPath) -> Iterator[FieldError]:
    name = spec.load_balancer_class
    if name is None:
        return
    if spec.type != "LoadBalancer":
        yield forbidden(path, _ONLY_BALANCED)
    else:
        yield from (invalid(path, name, message) for message in is_qualified_name(name))


def check_external_traffic(spec: ServiceSpec, path: FieldPath) -> Iterator[FieldError]:
    accessible = spec.type in ("NodePort", "LoadBalancer") or (spec.type == "ClusterIP" and bool(spec.external_ips))
    policy = spec.external_traffic_policy
    if not accessible:
        if policy:
            yield invalid(path.externalTrafficPolicy, policy, "may only be set for externally-accessible services")
    elif not policy:
        yield required(path.externalTrafficPolicy)
    elif policy not in POLICIES:
        yield not_supported(path.externalTrafficPolicy, policy, POLICIES)
    port, at_port = spec.health_check_node_port, path.healthCheckNodePort
    if spec.type == "LoadBalancer" and policy == "Local":
        if not port:
            yield required(at_port)
        else:
            yield from (invalid(at_port, port, message) for message in is_port_number(port))
    elif port:
        message = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield invalid(at_port, port, message)


def check_internal_traffic(spec: ServiceSpec, path: FieldPath) -> Iterator[FieldError]:
    policy = spec.internal_traffic_policy
    if policy is None:
        if spec.type in ("NodePort", "LoadBalancer", "ClusterIP"):
            yield required(path.internalTrafficPolicy)
    elif policy not in POLICIES:
        yield not_supported(path.internalTrafficPolicy, policy, POLICIES)
    distribution = spec.traffic_distribution
    if distribution is not None and distribution not in DISTRIBUTIONS:
        yield not_supported(path.trafficDistribution, distribution, DISTRIBUTIONS)


def check_balancer_status(new: Service, old: Service) -> Iterator[FieldError]:
    path, balanced = at.status.loadBalancer.ingress, new.status.load_balancer.ingress
    if new.spec.type != "LoadBalancer" and balanced:
        yield forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")
        return
    known = [one.ip for one in old.status.load_balancer.ingress if one.ip]
    for index, one in enumerate(balanced):
        yield from _check_balancer(one, path[index], known)


def _check_balancer(one: LoadBalancerIngress, path: FieldPath, known: list[str]) -> Iterator[FieldError]:
    if one.ip:
        yield from check_ip_or_known(one.ip, path.ip, known)
    if one.ip_mode is None:
        if one.ip:
            yield required(path.ipMode, "must be specified when `ip` is set")
    elif not one.ip:
        yield forbidden(path.ipMode, "may not be specified when `ip` is not set")
    elif one.ip_mode not in IP_MODES:
        yield not_supported(path.ipMode, one.ip_mode, IP_MODES)
    if one.hostname:
        yield from (invalid(path.hostname, one.hostname, message) for message in is_dns_subdomain(one.hostname))
        if is_loose_ip(one.hostname):
            yield invalid(path.hostname, one.hostname, "must be a DNS name, not an IP address")
