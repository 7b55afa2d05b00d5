"""NetworkPolicy: which traffic pods may take part in.

Follows pkg/apis/networking/v1/defaults.go and validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    forbidden,
    invalid,
    is_dns_subdomain,
    not_supported,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.networking_v1 import (
    IPBlock,
    NetworkPolicy,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
)
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Document, Resource, spec_changed
from pybernetes.apiserver.resources.cells import format_selector
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults
from pybernetes.apiserver.validation.addresses import check_cidr_or_known, cidr_warnings, parse_cidr
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.probes import check_port
from pybernetes.apiserver.validation.selectors import check_label_selector

_PROTOCOLS = ("TCP", "UDP", "SCTP")
_TYPES = ("Ingress", "Egress")


def default_types(spec: Document) -> list[str] | None:
    if spec.get("policyTypes"):
        return None
    return ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def default_protocol(port: Document) -> None:
    port.setdefault("protocol", "TCP")


def validate(policy: NetworkPolicy) -> Iterator[FieldError]:
    yield from check_metadata(policy.metadata, is_dns_subdomain)
    yield from _check_spec(policy.spec, frozenset())


def validate_update(new: NetworkPolicy, old: NetworkPolicy) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from _check_spec(new.spec, _ranges(old.spec))


def _ranges(spec: NetworkPolicySpec) -> frozenset[str]:
    """Every range that the policy names: they may stay where they are, or move, whatever they are."""
    peers = [
        *(peer for rule in spec.ingress for peer in rule.from_),
        *(peer for rule in spec.egress for peer in rule.to),
    ]
    blocks = [peer.ip_block for peer in peers if peer.ip_block is not None]
    return frozenset(text for block in blocks for text in (block.cidr, *block.except_))


def _check_spec(spec: NetworkPolicySpec, known: frozenset[str]) -> Iterator[FieldError]:
    yield from check_label_selector(spec.pod_selector, at.spec.podSelector)
    for index, rule in enumerate(spec.ingress):
        path = at.spec.ingress[index]
        yield from _check_ports(rule.ports, path.ports)
        yield from _check_peers(rule.from_, path.child("from"), known)
    for index, egress in enumerate(spec.egress):
        path = at.spec.egress[index]
        yield from _check_ports(egress.ports, path.ports)
        yield from _check_peers(egress.to, path.to, known)
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
        if isinstance(port.port, int):
            yield from check_port(port.port, each.port)
            if port.end_port is not None:
                if port.end_port < port.port:
                    yield invalid(each.endPort, port.port, "must be greater than or equal to `port`")
                yield from check_port(port.end_port, each.endPort)
            continue
        if port.end_port is not None:
            wrong = "not specified" if port.port is None else "non-numeric"
            yield invalid(each.endPort, port.end_port, f"may not be specified when `port` is {wrong}")
        if port.port is not None:
            yield from check_port(port.port, each.port)


def _check_peers(peers: Sequence[NetworkPolicyPeer], path: FieldPath, known: frozenset[str]) -> Iterator[FieldError]:
    for index, peer in enumerate(peers):
        each = path[index]
        yield from check_label_selector(peer.pod_selector, each.podSelector)
        yield from check_label_selector(peer.namespace_selector, each.namespaceSelector)
        selects = peer.pod_selector is not None or peer.namespace_selector is not None
        if peer.ip_block is not None:
            yield from _check_block(peer.ip_block, each.ipBlock, known)
            if selects:
                yield forbidden(each, "may not specify both ipBlock and another peer")
        elif not selects:
            yield required(each, "must specify a peer")


def _check_block(block: IPBlock, path: FieldPath, known: frozenset[str]) -> Iterator[FieldError]:
    if not block.cidr:
        yield required(path.cidr)
        return
    yield from check_cidr_or_known(block.cidr, path.cidr, known)
    whole = parse_cidr(block.cidr)
    if whole is None:
        return
    for index, excepted in enumerate(block.except_):
        each = path.child("except")[index]
        yield from check_cidr_or_known(excepted, each, known)
        part = parse_cidr(excepted)
        if part is None:
            continue
        inside = part.version == whole.version and part.network_address in whole
        if not inside or part.prefixlen <= whole.prefixlen:
            yield invalid(each, excepted, "must be a strict subset of `cidr`")


def warnings(policy: Document) -> Iterator[str]:
    spec = policy.get("spec") or {}
    for rules, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(rules) or ()):
            for position, peer in enumerate(rule.get(peers) or ()):
                block = peer.get("ipBlock") or {}
                path = at.spec.child(rules)[index].child(peers)[position].ipBlock
                yield from cidr_warnings(block.get("cidr", ""), path.cidr)
                for place, excepted in enumerate(block.get("except") or ()):
                    yield from cidr_warnings(excepted, path.child("except")[place])


NETWORK_POLICIES = Resource(
    info=info_of(NetworkPolicy),
    short_names=("netpol",),
    defaults=compile_defaults(
        {
            "spec.policyTypes": default_types,
            "spec.ingress[].ports[]": Rule(default_protocol),
            "spec.egress[].ports[]": Rule(default_protocol),
        }
    ),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    warnings=warnings,
    generation=spec_changed,
    compared_exactly="spec",
    columns=(
        NAME,
        Column("Pod-Selector", lambda policy, now: format_selector((policy.get("spec") or {}).get("podSelector"))),
        AGE,
    ),
)

RESOURCES = (NETWORK_POLICIES,)
