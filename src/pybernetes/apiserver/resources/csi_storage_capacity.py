"""CSIStorageCapacity: how much a driver can still provide somewhere.

Follows pkg/apis/storage/validation; upstream prints it as it prints kinds without columns of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, at, invalid, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.models.storage_v1 import CSIStorageCapacity
from pybernetes.apiserver.columns import NAME
from pybernetes.apiserver.resource import Document, Resource
from pybernetes.apiserver.resources.cells import CREATED_AT
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.node_labels import selector_warnings
from pybernetes.apiserver.validation.resources import check_quantity
from pybernetes.apiserver.validation.selectors import check_label_selector
from pybernetes.apiserver.validation.simple import check_unchanged


def validate(capacity: CSIStorageCapacity) -> Iterator[FieldError]:
    yield from check_metadata(capacity.metadata, is_dns_subdomain)
    yield from check_label_selector(capacity.node_topology, at.nodeTopology)
    name = capacity.storage_class_name
    yield from (invalid(at.storageClassName, name, message) for message in is_dns_subdomain(name))
    if capacity.capacity is not None:
        yield from check_quantity(capacity.capacity, at.capacity)


def validate_update(new: CSIStorageCapacity, old: CSIStorageCapacity) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_unchanged(new.node_topology, old.node_topology, at.nodeTopology)
    yield from check_unchanged(new.storage_class_name, old.storage_class_name, at.storageClassName)


def warnings(capacity: Document) -> Iterator[str]:
    return selector_warnings(capacity.get("nodeTopology"), at.nodeTopology)


CSI_STORAGE_CAPACITIES = Resource(
    info=info_of(CSIStorageCapacity),
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
    columns=(NAME, CREATED_AT),
    allows_unconditional_update=False,
)

RESOURCES = (CSI_STORAGE_CAPACITIES,)
