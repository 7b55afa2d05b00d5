"""IPAddress: an address of the service range that an object holds.

Follows pkg/apis/networking/validation and printIPAddress in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import FieldError, at, invalid, is_dns_subdomain, is_path_segment, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.networking_v1 import IPAddress
from pybernetes.apiserver.columns import NAME, NONE, UNTITLED_AGE
from pybernetes.apiserver.resource import Column, Document, Resource
from pybernetes.apiserver.resources.cells import at_path
from pybernetes.apiserver.validation.addresses import canonical_ip_messages
from pybernetes.apiserver.validation.ingress import check_segment
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.simple import check_unchanged


def validate(address: IPAddress) -> Iterator[FieldError]:
    yield from check_metadata(address.metadata, canonical_ip_messages, namespaced=False)
    reference = address.spec.parent_ref
    path = at.spec.parentRef
    if reference is None:
        yield required(path)
        return
    if reference.group:
        yield from (invalid(path.group, reference.group, message) for message in is_dns_subdomain(reference.group))
    yield from check_segment(reference.resource, path.resource)
    yield from check_segment(reference.name, path.name)
    messages = is_path_segment(reference.namespace)
    yield from (invalid(path.namespace, reference.namespace, message) for message in messages)


def validate_update(new: IPAddress, old: IPAddress) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_unchanged(new.spec.parent_ref, old.spec.parent_ref, at.spec.parentRef)


def _parent(address: Document, now: datetime) -> str:
    reference = at_path(address, "spec.parentRef")
    if not reference:
        return NONE
    resource = reference.get("resource", "")
    if reference.get("group"):
        resource += f".{reference['group']}"
    place = f"/{reference['namespace']}" if reference.get("namespace") else ""
    return f"{resource.lower()}{place}/{reference.get('name', '')}"


IP_ADDRESSES = Resource(
    info=info_of(IPAddress),
    short_names=("ip",),
    validate=validate,
    validate_update=validate_update,
    columns=(NAME, Column("ParentRef", _parent), UNTITLED_AGE),
)

RESOURCES = (IP_ADDRESSES,)
