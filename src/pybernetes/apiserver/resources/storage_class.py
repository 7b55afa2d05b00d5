"""StorageClass: how volumes of a kind are made.

Follows pkg/apis/storage/validation and printStorageClass in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import (
    FieldError,
    at,
    forbidden,
    invalid,
    is_dns_subdomain,
    is_qualified_name,
    not_supported,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.storage_v1 import StorageClass
from pybernetes.apiserver.columns import AGE
from pybernetes.apiserver.resource import Column, Document, Resource
from pybernetes.apiserver.resources.cells import text_column
from pybernetes.apiserver.resources.defaults import compile_defaults
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.simple import check_unchanged

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
OLD_DEFAULT_CLASS = "storageclass.beta.kubernetes.io/is-default-class"
_BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
_RECLAIM_POLICIES = ("Delete", "Retain")


def validate(storage_class: StorageClass) -> Iterator[FieldError]:
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


def validate_update(new: StorageClass, old: StorageClass) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    if new.parameters != old.parameters:
        yield forbidden(at.parameters, "updates to parameters are forbidden.")
    if new.provisioner != old.provisioner:
        yield forbidden(at.provisioner, "updates to provisioner are forbidden.")
    if new.reclaim_policy != old.reclaim_policy:
        yield forbidden(at.reclaimPolicy, "updates to reclaimPolicy are forbidden.")
    yield from check_unchanged(new.volume_binding_mode, old.volume_binding_mode, at.volumeBindingMode)


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
    validate=validate,
    validate_update=validate_update,
    columns=(
        Column("Name", _class_name, format="name"),
        text_column("Provisioner", "provisioner"),
        text_column("ReclaimPolicy", "reclaimPolicy", "Delete"),
        text_column("VolumeBindingMode", "volumeBindingMode", "<unset>"),
        Column("AllowVolumeExpansion", _expansion, "boolean"),
        AGE,
    ),
)

RESOURCES = (STORAGE_CLASSES,)
