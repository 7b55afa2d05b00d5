"""IPAddress: an address of the service range that an object holds.

Follows pkg/apis/networking/validation and printIPAddress in pkg/printers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import FieldError, at, invalid, is_dns_label, is_ip, is_path_segment, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.networking_v1 import IPAddress
from pybernetes.apiserver.columns import AGE, NAME, NONE
from pybernetes.apiserver.resource import Column, Document, Resource
from pybernetes.apiserver.resources.cells import at_path
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.simple import check_unchanged


def is_canonical_ip(name: str) -> list[str]:
    messages = is_ip(name)
    if not messages and (canonical := str(ipaddress.ip_address(name))) != name:
        return [f"must be in canonical form ({canonical!r})"]
    return messages


def validate(address: IPAddress) -> Iterator[FieldError]:
    yield from check_metadata(address.metadata, is_canonical_ip, namespaced=False)
    reference = address.spec.parent_ref
    path = at.spec.parentRef
    if reference is None:
        yield required(path)
        return
    for name, value in (("resource", reference.resource), ("name", reference.name)):
        if not value:
            yield required(path.child(name))
        else:
            yield from (invalid(path.child(name), value, message) for message in is_path_segment(value))
    if reference.namespace:
        messages = is_dns_label(reference.namespace)
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
    return "/".join(part for part in (resource, reference.get("namespace"), reference.get("name")) if part)


IP_ADDRESSES = Resource(
    info=info_of(IPAddress),
    short_names=("ip",),
    validate=validate,
    validate_update=validate_update,
    generation=lambda new, old: bool(new.get("spec") != old.get("spec")),
    columns=(NAME, Column("ParentRef", _parent), AGE),
)

RESOURCES = (IP_ADDRESSES,)
