"""What nodes may say of themselves, and what of it may change.

Follows ValidateNode and ValidateNodeUpdate in pkg/apis/core/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    duplicate,
    forbidden,
    internal,
    invalid,
    is_config_key,
    is_dns_label,
    is_dns_subdomain,
    quoted,
    required,
)
from pybernetes.api.models.core_v1 import ConfigMapNodeConfigSource, Node, NodeConfigSource, NodeStatus
from pybernetes.apiserver.validation.addresses import check_cidr_or_known, parse_cidr
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.metadata import (
    check_metadata,
    check_metadata_update,
)
from pybernetes.apiserver.validation.node_annotations import check_node_annotations
from pybernetes.apiserver.validation.resources import check_resource_quantity
from pybernetes.apiserver.validation.simple import check_positive
from pybernetes.apiserver.validation.taints import check_taints

LONGEST_FEATURE = 253
_is_feature = re.compile(r"[A-Z][a-zA-Z0-9]*(/[a-zA-Z][a-zA-Z0-9]*)*").fullmatch
_FEATURE = (
    "must start with an UpperCamelCase segment, with subsequent segments separated by '/' "
    "(e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"
)
_ONE_REFERENCE = "exactly one reference subfield must be non-nil"


def check_node(node: Node) -> Iterator[FieldError]:
    yield from check_metadata(node.metadata, is_dns_subdomain, namespaced=False)
    yield from check_node_annotations(node.metadata.annotations, at.metadata.annotations)
    yield from check_taints(node.spec.taints, at.metadata.taints)
    yield from _check_amounts(node.status)
    swap = node.status.node_info.swap
    if swap is not None:
        yield from check_positive(swap.capacity, at.metadata.nodeSwapStatus.capacity)
    yield from _check_features(node.status.declared_features, at.status.declaredFeatures)
    yield from _check_pod_cidrs(node.spec.pod_cidrs, at.spec.podCIDRs)


def check_node_update(new: Node, old: Node) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_node_annotations(new.metadata.annotations, at.metadata.annotations)
    yield from _check_amounts(new.status)
    yield from _check_features(new.status.declared_features, at.status.declaredFeatures)
    for index, address in enumerate(new.status.addresses):
        if address in new.status.addresses[:index]:
            yield duplicate(at.status.addresses[index], internal_form(address))
    yield from _check_pod_cidrs_kept(new.spec.pod_cidrs, old.spec.pod_cidrs)
    if old.spec.provider_id and new.spec.provider_id != old.spec.provider_id:
        yield forbidden(at.spec.providerID, 'node updates may not change providerID except from "" to valid')
    if new.spec.config_source is not None:
        yield from _check_source(new.spec.config_source, at.spec.configSource, reported=False)
    if (config := new.status.config) is not None:
        for name, source in (
            ("assigned", config.assigned),
            ("active", config.active),
            ("lastKnownGood", config.last_known_good),
        ):
            if source is not None:
                yield from _check_source(source, at.status.config.child(name), reported=True)
    yield from check_taints(new.spec.taints, at.metadata.taints)
    if new.spec.external_id != old.spec.external_id:
        yield forbidden(at.spec.externalID, "may not be updated")


def _check_amounts(status: NodeStatus) -> Iterator[FieldError]:
    amounts: tuple[tuple[FieldPath, Mapping[str, str]], ...] = (
        (at.status.capacity, status.capacity),
        (at.status.allocatable, status.allocatable),
    )
    for path, quantities in amounts:
        for name, quantity in quantities.items():
            yield from check_resource_quantity(name, quantity, path.child(name))


def _check_features(features: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    for index, feature in enumerate(features):
        if len(feature.encode()) > LONGEST_FEATURE:
            wrong = f"must be no more than {LONGEST_FEATURE} characters"
            yield invalid(path[index], feature, f"invalid feature name {quoted(feature)}: {wrong}")
        elif not _is_feature(feature):
            yield invalid(path[index], feature, f"invalid feature name {quoted(feature)}: {_FEATURE}")
        for other in features[index + 1 : index + 2]:
            if feature == other:
                yield duplicate(path[index + 1], other)
            elif feature > other:
                yield invalid(path[index + 1], other, "list must be sorted alphabetically")


def _check_pod_cidrs(cidrs: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    for index, cidr in enumerate(cidrs):
        yield from check_cidr_or_known(cidr, path[index])
    if len(cidrs) < 2:
        return
    parsed = [parse_cidr(cidr) for cidr in cidrs]
    families = {network.version for network in parsed if network is not None}
    if None in parsed:
        wrong = cidrs[parsed.index(None)]
        why = f"invalid CIDR[{parsed.index(None)}]: <nil> (invalid CIDR address: {wrong})"
        yield internal(path, f"invalid PodCIDRs. failed to check with dual stack with error:{why}")
        families.clear()
    if len(families) != 2 or len(cidrs) > 2:
        yield invalid(path, cidrs, "may specify no more than one CIDR for each IP family")


def _check_pod_cidrs_kept(new: Sequence[str], old: Sequence[str]) -> Iterator[FieldError]:
    kept = forbidden(at.spec.podCIDRs, 'node updates may not change podCIDR except from "" to valid')
    if old and len(new) != len(old):
        yield kept
    elif old:
        yield from (kept for before, after in zip(old, new, strict=True) if before != after)


def _check_source(source: NodeConfigSource, path: FieldPath, *, reported: bool) -> Iterator[FieldError]:
    """Where a kubelet's configuration comes from; ``reported`` by the kubelet it names one version of it."""
    if source.config_map is None:
        yield invalid(path, internal_form(source), _ONE_REFERENCE)
        return
    config_map, path = source.config_map, path.configMap
    for name, value in (("uid", config_map.uid), ("resourceVersion", config_map.resource_version)):
        if reported and not value:
            yield required(path.child(name))
        elif value and not reported:
            yield forbidden(path.child(name), f"{name} must not be set in spec")
    yield from _check_config_map(config_map, path)


def _check_config_map(source: ConfigMapNodeConfigSource, path: FieldPath) -> Iterator[FieldError]:
    for name, value, messages_of in (
        ("namespace", source.namespace, is_dns_label),
        ("name", source.name, is_dns_subdomain),
        ("kubeletConfigKey", source.kubelet_config_key, is_config_key),
    ):
        if not value:
            yield required(path.child(name))
        else:
            yield from (invalid(path.child(name), value, message) for message in messages_of(value))
