"""CSIStorageCapacity: how much a driver can still provide somewhere.

Follows pkg/apis/storage/validation and printCSIStorageCapacity in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, at, invalid, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.models.storage_v1 import CSIStorageCapacity
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Resource
from pybernetes.apiserver.resources.cells import text_column
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.resources import check_quantity
from pybernetes.apiserver.validation.selectors import check_label_selector
from pybernetes.apiserver.validation.simple import check_unchanged


def validate(capacity: CSIStorageCapacity) -> Iterator[FieldError]:
    yield from check_metadata(capacity.metadata, is_dns_subdomain)
    yield from check_label_selector(capacity.node_topology, at.nodeTopology)
    name = capacity.storage_class_name
    yield from (invalid(at.storageClassName, name, message) for message in is_dns_subdomain(name))
    for path, amount in ((at.capacity, capacity.capacity), (at.maximumVolumeSize, capacity.maximum_volume_size)):
        if amount is not None:
            yield from check_quantity(amount, path)


def validate_update(new: CSIStorageCapacity, old: CSIStorageCapacity) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_unchanged(new.node_topology, old.node_topology, at.nodeTopology)
    yield from check_unchanged(new.storage_class_name, old.storage_class_name, at.storageClassName)


CSI_STORAGE_CAPACITIES = Resource(
    info=info_of(CSIStorageCapacity),
    validate=validate,
    validate_update=validate_update,
    columns=(
        NAME,
        text_column("StorageClassName", "storageClassName"),
        text_column("Capacity", "capacity", "<unset>"),
        AGE,
    ),
    allows_unconditional_update=False,
)

RESOURCES = (CSI_STORAGE_CAPACITIES,)
