"""ServiceCIDR: a range that service addresses come from.

Follows pkg/apis/networking/validation and printServiceCIDR in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, at, invalid, is_dns_subdomain, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.networking_v1 import ServiceCIDR, ServiceCIDRSpec
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Resource, StatusSubresource
from pybernetes.apiserver.resources.cells import at_path
from pybernetes.apiserver.rules import keep_metadata
from pybernetes.apiserver.validation.addresses import check_canonical_cidr, parse_cidr
from pybernetes.apiserver.validation.metadata import (
    IMMUTABLE,
    check_metadata,
    check_metadata_update,
    check_only_metadata,
)
from pybernetes.apiserver.validation.simple import check_unchanged


def validate(cidr: ServiceCIDR) -> Iterator[FieldError]:
    yield from check_metadata(cidr.metadata, is_dns_subdomain, namespaced=False)
    yield from _check_spec(cidr.spec)


def _check_spec(spec: ServiceCIDRSpec) -> Iterator[FieldError]:
    path, ranges = at.spec.cidrs, spec.cidrs
    if not ranges:
        yield required(path, "at least one CIDR required")
        return
    if len(ranges) > 2:
        yield invalid(path, {"CIDRs": ranges}, "may only hold up to 2 values")
        return
    for index, text in enumerate(ranges):
        yield from check_canonical_cidr(text, path[index])
    networks = [parse_cidr(text) for text in ranges]
    families = [network.version for network in networks if network is not None]
    if len(families) == 2 and len(set(families)) == 1:
        message = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        yield invalid(path, ranges, message)


def validate_update(new: ServiceCIDR, old: ServiceCIDR) -> Iterator[FieldError]:
    """Ranges stay; one range may get a second one of the other family."""
    yield from check_metadata_update(new.metadata, old.metadata)
    path, ranges, before = at.spec.cidrs, new.spec.cidrs, old.spec.cidrs
    second_added = len(before) == 1 and len(ranges) == 2
    if not second_added and len(ranges) != len(before):
        yield invalid(path, ranges or None, IMMUTABLE)
        return
    for index, known in enumerate(before):
        yield from check_unchanged(ranges[index], known, path[index])
    if second_added:
        yield from _check_spec(new.spec)


SERVICE_CIDRS = Resource(
    info=info_of(ServiceCIDR),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    columns=(NAME, Column("CIDRs", lambda cidr, now: ",".join(at_path(cidr, "spec.cidrs", ()))), AGE),
    subresources=(StatusSubresource(prepare=keep_metadata, validate=check_only_metadata),),
)

RESOURCES = (SERVICE_CIDRS,)
