"""NetworkPolicy: which traffic pods may take part in.

Follows pkg/apis/networking/v1/defaults.go and validation.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    forbidden,
    invalid,
    is_cidr,
    is_dns_subdomain,
    not_supported,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.networking_v1 import IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Document, Resource, spec_changed
from pybernetes.apiserver.resources.cells import format_selector
from pybernetes.apiserver.resources.defaults import compile_defaults
from pybernetes.apiserver.validation.metadata import check_metadata, check_only_metadata
from pybernetes.apiserver.validation.probes import check_port
from pybernetes.apiserver.validation.selectors import check_label_selector

_PROTOCOLS = ("SCTP", "TCP", "UDP")
_TYPES = ("Egress", "Ingress")


def default_types(spec: Document) -> list[str] | None:
    if spec.get("policyTypes"):
        return None
    return ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def validate(policy: NetworkPolicy) -> Iterator[FieldError]:
    yield from check_metadata(policy.metadata, is_dns_subdomain)
    spec = policy.spec
    yield from check_label_selector(spec.pod_selector, at.spec.podSelector)
    for index, rule in enumerate(spec.ingress):
        path = at.spec.ingress[index]
        yield from _check_ports(rule.ports, path.ports)
        yield from _check_peers(rule.from_, path.child("from"))
    for index, egress in enumerate(spec.egress):
        path = at.spec.egress[index]
        yield from _check_ports(egress.ports, path.ports)
        yield from _check_peers(egress.to, path.to)
    if len(spec.policy_types) > len(_TYPES):
        yield invalid(at.spec.policyTypes, spec.policy_types, "may not specify more than two policyTypes")
        return
    for index, type_ in enumerate(spec.policy_types):
        if type_ not in _TYPES:
            yield not_supported(at.spec.policyTypes[index], type_, _TYPES)


def _check_ports(ports: Sequence[NetworkPolicyPort], path: FieldPath) -> Iterator[FieldError]:
    for index, port in enumerate(ports):
        each = path[index]
        if port.protocol is not None and port.protocol not in _PROTOCOLS:
            yield not_supported(each.protocol, port.protocol, _PROTOCOLS)
        if port.port is None:
            if port.end_port is not None:
                yield required(each.port, "must be specified when `endPort` is specified")
            continue
        yield from check_port(port.port, each.port)
        if port.end_port is None:
            continue
        if isinstance(port.port, str):
            yield required(each.port, "must be a numeric port when `endPort` is specified")
        elif port.end_port < port.port:
            yield invalid(each.endPort, port.end_port, "must be greater than or equal to `port`")


def _check_peers(peers: Sequence[NetworkPolicyPeer], path: FieldPath) -> Iterator[FieldError]:
    for index, peer in enumerate(peers):
        each = path[index]
        yield from check_label_selector(peer.pod_selector, each.podSelector)
        yield from check_label_selector(peer.namespace_selector, each.namespaceSelector)
        selects = peer.pod_selector is not None or peer.namespace_selector is not None
        if peer.ip_block is not None:
            yield from _check_block(peer.ip_block, each.ipBlock)
            if selects:
                yield forbidden(each, "may not specify both ipBlock and another peer")
        elif not selects:
            yield required(each, "must specify a peer")


def _check_block(block: IPBlock, path: FieldPath) -> Iterator[FieldError]:
    if not block.cidr:
        yield required(path.cidr)
        return
    messages = is_cidr(block.cidr)
    yield from (invalid(path.cidr, block.cidr, message) for message in messages)
    for index, excepted in enumerate(block.except_):
        each = path.child("except")[index]
        wrong = is_cidr(excepted)
        yield from (invalid(each, excepted, message) for message in wrong)
        if not messages and not wrong and not _is_within(excepted, block.cidr):
            yield invalid(each, excepted, "must be a strict subset of `cidr`")


def _is_within(inner: str, outer: str) -> bool:
    small, large = ipaddress.ip_network(inner, strict=False), ipaddress.ip_network(outer, strict=False)
    return small.version == large.version and small.prefixlen > large.prefixlen and small.network_address in large


NETWORK_POLICIES = Resource(
    info=info_of(NetworkPolicy),
    short_names=("netpol",),
    defaults=compile_defaults(
        {
            "spec.policyTypes": default_types,
            "spec.ingress[].ports[].protocol": "TCP",
            "spec.egress[].ports[].protocol": "TCP",
        }
    ),
    validate=validate,
    validate_update=check_only_metadata,
    generation=spec_changed,
    columns=(
        NAME,
        Column("Pod-Selector", lambda policy, now: format_selector((policy.get("spec") or {}).get("podSelector"))),
        AGE,
    ),
)

RESOURCES = (NETWORK_POLICIES,)
