"""CSIDriver: what a storage driver wants of the cluster.

Follows pkg/apis/storage/v1/defaults.go and printCSIDriver in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import (
    FieldError,
    is_dns_subdomain,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.storage_v1 import CSIDriver
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Resource
from pybernetes.apiserver.resources.defaults import compile_defaults
from pybernetes.apiserver.validation.metadata import check_metadata, check_only_metadata


def validate(driver: CSIDriver) -> Iterator[FieldError]:
    yield from check_metadata(driver.metadata, is_dns_subdomain, namespaced=False)


CSI_DRIVERS = Resource(
    info=info_of(CSIDriver),
    defaults=compile_defaults(
        {
            "spec.attachRequired": True,
            "spec.podInfoOnMount": False,
            "spec.storageCapacity": False,
            "spec.fsGroupPolicy": "ReadWriteOnceWithFSType",
            "spec.volumeLifecycleModes": ["Persistent"],
            "spec.requiresRepublish": False,
            "spec.seLinuxMount": False,
        }
    ),
    validate=validate,
    validate_update=check_only_metadata,
    columns=(
        NAME,
        Column("AttachRequired", lambda driver, now: bool(driver["spec"].get("attachRequired")), "boolean"),
        Column("PodInfoOnMount", lambda driver, now: bool(driver["spec"].get("podInfoOnMount")), "boolean"),
        Column("StorageCapacity", lambda driver, now: bool(driver["spec"].get("storageCapacity")), "boolean"),
        Column(
            "TokenRequests",
            lambda driver, now: (
                ",".join(one.get("audience", "") for one in driver["spec"].get("tokenRequests") or ()) or "<unset>"
            ),
        ),
        Column("RequiresRepublish", lambda driver, now: bool(driver["spec"].get("requiresRepublish")), "boolean"),
        Column("Modes", lambda driver, now: ",".join(driver["spec"].get("volumeLifecycleModes") or ()) or "<none>"),
        AGE,
    ),
    allows_unconditional_update=False,
)

RESOURCES = (CSI_DRIVERS,)
