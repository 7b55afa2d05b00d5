"""CSINode: which storage drivers a node has.

Follows ValidateCSINode in pkg/apis/storage/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import (
    FieldError,
    at,
    duplicate,
    is_dns_subdomain,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.storage_v1 import CSINode
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Resource
from pybernetes.apiserver.validation.metadata import check_metadata, check_only_metadata


def validate(node: CSINode) -> Iterator[FieldError]:
    yield from check_metadata(node.metadata, is_dns_subdomain, namespaced=False)
    names: set[str] = set()
    for index, driver in enumerate(node.spec.drivers):
        path = at.spec.drivers[index]
        if not driver.name:
            yield required(path.name)
        if not driver.node_id:
            yield required(path.nodeID)
        if driver.name in names:
            yield duplicate(path.name, driver.name)
        names.add(driver.name)


CSI_NODES = Resource(
    info=info_of(CSINode),
    validate=validate,
    validate_update=check_only_metadata,
    columns=(
        NAME,
        Column("Drivers", lambda node, now: len((node.get("spec") or {}).get("drivers") or ()), "integer"),
        AGE,
    ),
    allows_unconditional_update=False,
)

RESOURCES = (CSI_NODES,)
