"""StorageClass, CSINode and CSIDriver: kinds that storage drivers act upon.

Follows pkg/apis/storage/validation and pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import (
    FieldError,
    at,
    duplicate,
    forbidden,
    invalid,
    is_dns_subdomain,
    is_qualified_name,
    not_supported,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.storage_v1 import CSIDriver, CSINode, StorageClass
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Document, Resource
from pybernetes.apiserver.resources.cells import text_column
from pybernetes.apiserver.resources.defaults import compile_defaults
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update, check_only_metadata
from pybernetes.apiserver.validation.simple import check_unchanged

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
OLD_DEFAULT_CLASS = "storageclass.beta.kubernetes.io/is-default-class"
_BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
_RECLAIM_POLICIES = ("Delete", "Retain")


def validate_class(storage_class: StorageClass) -> Iterator[FieldError]:
    yield from check_metadata(storage_class.metadata, is_dns_subdomain, namespaced=False)
    provisioner = storage_class.provisioner
    if not provisioner:
        yield required(at.provisioner)
    else:
        yield from (invalid(at.provisioner, provisioner, m) for m in is_qualified_name(provisioner.lower()))
    if any(not key for key in storage_class.parameters):
        yield invalid(at.parameters, "", "field can not be empty.")
    policy, mode = storage_class.reclaim_policy, storage_class.volume_binding_mode
    if policy is not None and policy not in _RECLAIM_POLICIES:
        yield not_supported(at.reclaimPolicy, policy, _RECLAIM_POLICIES)
    if mode is None:
        yield required(at.volumeBindingMode)
    elif mode not in _BINDING_MODES:
        yield not_supported(at.volumeBindingMode, mode, _BINDING_MODES)


def validate_class_update(new: StorageClass, old: StorageClass) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    if new.parameters != old.parameters:
        yield forbidden(at.parameters, "updates to parameters are forbidden.")
    if new.provisioner != old.provisioner:
        yield forbidden(at.provisioner, "updates to provisioner are forbidden.")
    if new.reclaim_policy != old.reclaim_policy:
        yield forbidden(at.reclaimPolicy, "updates to reclaimPolicy are forbidden.")
    yield from check_unchanged(new.volume_binding_mode, old.volume_binding_mode, at.volumeBindingMode)


def validate_csi_node(node: CSINode) -> Iterator[FieldError]:
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


def validate_csi_driver(driver: CSIDriver) -> Iterator[FieldError]:
    yield from check_metadata(driver.metadata, is_dns_subdomain, namespaced=False)


def _class_name(storage_class: Document, now: datetime) -> str:
    annotations = storage_class["metadata"].get("annotations") or {}
    default = "true" in (annotations.get(DEFAULT_CLASS), annotations.get(OLD_DEFAULT_CLASS))
    name: str = storage_class["metadata"].get("name", "")
    return f"{name} (default)" if default else name


def _expansion(storage_class: Document, now: datetime) -> bool:
    return bool(storage_class.get("allowVolumeExpansion"))


STORAGE_CLASSES = Resource(
    info=info_of(StorageClass),
    short_names=("sc",),
    defaults=compile_defaults({"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}),
    validate=validate_class,
    validate_update=validate_class_update,
    columns=(
        Column("Name", _class_name, format="name"),
        text_column("Provisioner", "provisioner"),
        text_column("ReclaimPolicy", "reclaimPolicy", "Delete"),
        text_column("VolumeBindingMode", "volumeBindingMode", "<unset>"),
        Column("AllowVolumeExpansion", _expansion, "boolean"),
        AGE,
    ),
)

CSI_NODES = Resource(
    info=info_of(CSINode),
    validate=validate_csi_node,
    validate_update=check_only_metadata,
    columns=(
        NAME,
        Column("Drivers", lambda node, now: len((node.get("spec") or {}).get("drivers") or ()), "integer"),
        AGE,
    ),
    allows_unconditional_update=False,
)

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
    validate=validate_csi_driver,
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

RESOURCES = (STORAGE_CLASSES, CSI_NODES, CSI_DRIVERS)
