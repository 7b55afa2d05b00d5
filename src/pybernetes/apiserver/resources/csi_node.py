"""CSINode: which storage drivers a node has.

Follows ValidateCSINode in pkg/apis/storage/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    duplicate,
    invalid,
    is_dns_subdomain,
    is_qualified_name,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.storage_v1 import CSINode, CSINodeDriver
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Resource
from pybernetes.apiserver.validation.device_names import check_driver_name
from pybernetes.apiserver.validation.metadata import check_metadata
from pybernetes.apiserver.validation.simple import check_not_negative, check_unchanged

NODE_ID_LENGTH = 256


def validate(node: CSINode) -> Iterator[FieldError]:
    yield from check_metadata(node.metadata, is_dns_subdomain, namespaced=False)
    names: set[str] = set()
    for index, driver in enumerate(node.spec.drivers):
        path = at.spec.drivers[index]
        yield from check_driver_name(driver.name, path.name)
        if not driver.node_id:
            yield required(path.nodeID)
        if len(driver.node_id.encode()) > NODE_ID_LENGTH:
            yield invalid(path.nodeID, driver.node_id, f"must be {NODE_ID_LENGTH} characters or less")
        if driver.allocatable is not None:
            yield from check_not_negative(driver.allocatable.count, path.allocatable.count)
        if driver.name in names:
            yield duplicate(path.name, driver.name)
        names.add(driver.name)
        yield from _check_topology_keys(driver.topology_keys, path)


def _check_topology_keys(keys: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    for index, key in enumerate(keys):
        if not key:
            yield required(path)
        if key in keys[:index]:
            yield duplicate(path, key)
        yield from (invalid(path, key, message) for message in is_qualified_name(key))


def validate_update(new: CSINode, old: CSINode) -> Iterator[FieldError]:
    """A driver that stays is as it was, but for how many volumes it takes."""
    yield from validate(new)
    for before in old.spec.drivers:
        for driver in new.spec.drivers:
            if driver.name == before.name:
                yield from check_unchanged(_uncounted(driver), _uncounted(before), at.spec.drivers)


def _uncounted(driver: CSINodeDriver) -> CSINodeDriver:
    return msgspec.structs.replace(driver, allocatable=None)


CSI_NODES = Resource(
    info=info_of(CSINode),
    returns_deleted=True,
    validate=validate,
    null_lists=(
        "spec.drivers",
        "spec.drivers[].topologyKeys",
    ),
    validate_update=validate_update,
    judges_updates_alone=True,
    columns=(
        NAME,
        Column("Drivers", lambda node, now: len((node.get("spec") or {}).get("drivers") or ()), "integer"),
        AGE,
    ),
    allows_unconditional_update=False,
)

RESOURCES = (CSI_NODES,)
