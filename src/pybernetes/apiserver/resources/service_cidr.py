"""ServiceCIDR: a range that service addresses come from.

Follows pkg/apis/networking/validation and printServiceCIDR in pkg/printers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from pybernetes.api.fields import FieldError, at, invalid, is_cidr, is_dns_subdomain, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.networking_v1 import ServiceCIDR
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Resource, StatusSubresource, spec_changed
from pybernetes.apiserver.resources.cells import at_path
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update, check_only_metadata


def validate(cidr: ServiceCIDR) -> Iterator[FieldError]:
    yield from check_metadata(cidr.metadata, is_dns_subdomain, namespaced=False)
    ranges = cidr.spec.cidrs
    if not ranges:
        yield required(at.spec.cidrs, "at least one CIDR required")
        return
    if len(ranges) > 2:
        yield invalid(at.spec, cidr.spec, "may only hold up to 2 values")
        return
    families = set()
    for index, text in enumerate(ranges):
        messages = is_cidr(text)
        yield from (invalid(at.spec.cidrs[index], text, message) for message in messages)
        if not messages:
            families.add(ipaddress.ip_network(text, strict=False).version)
    if len(ranges) == 2 and len(families) == 1:
        yield invalid(at.spec, cidr.spec, "may specify no more than one IP for each IP family")


def validate_update(new: ServiceCIDR, old: ServiceCIDR) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    for index, known in enumerate(old.spec.cidrs):
        if new.spec.cidrs[index : index + 1] != [known]:
            yield invalid(at.spec.cidrs[index], new.spec.cidrs, "field is immutable")


SERVICE_CIDRS = Resource(
    info=info_of(ServiceCIDR),
    validate=validate,
    validate_update=validate_update,
    generation=spec_changed,
    columns=(NAME, Column("CIDRs", lambda cidr, now: ",".join(at_path(cidr, "spec.cidrs", ()))), AGE),
    subresources=(StatusSubresource(validate=check_only_metadata),),
)

RESOURCES = (SERVICE_CIDRS,)
