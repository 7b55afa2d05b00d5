"""StorageClass: how volumes of a kind are made.

Follows pkg/apis/storage/validation and printStorageClass in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import (
    FieldError,
    at,
    is_dns_subdomain,
    not_supported,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.storage_v1 import StorageClass
from pybernetes.apiserver.columns import AGE
from pybernetes.apiserver.resource import Column, Document, Resource
from pybernetes.apiserver.resources.cells import text_column
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.node_labels import DEPRECATED_LABELS
from pybernetes.apiserver.validation.simple import check_unchanged
from pybernetes.apiserver.validation.storage import check_parameters, check_provisioner, check_topologies

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
OLD_DEFAULT_CLASS = "storageclass.beta.kubernetes.io/is-default-class"
_BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
_RECLAIM_POLICIES = ("Delete", "Retain")


def fill(storage_class: Document) -> None:
    """Only what is absent: an empty text is a mistake."""
    storage_class.setdefault("reclaimPolicy", "Delete")
    storage_class.setdefault("volumeBindingMode", "Immediate")


def validate(storage_class: StorageClass) -> Iterator[FieldError]:
    yield from check_metadata(storage_class.metadata, is_dns_subdomain, namespaced=False)
    yield from check_provisioner(storage_class.provisioner, at.provisioner)
    yield from check_parameters(storage_class.parameters, at.parameters)
    policy, mode = storage_class.reclaim_policy, storage_class.volume_binding_mode
    if policy and policy not in _RECLAIM_POLICIES:
        yield not_supported(at.reclaimPolicy, policy, _RECLAIM_POLICIES)
    if mode is None:
        yield required(at.volumeBindingMode)
    elif mode not in _BINDING_MODES:
        yield not_supported(at.volumeBindingMode, mode, _BINDING_MODES)
    yield from check_topologies(storage_class.allowed_topologies, at.allowedTopologies)


def validate_update(new: StorageClass, old: StorageClass) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_unchanged(new.parameters, old.parameters, at.parameters)
    yield from check_unchanged(new.provisioner, old.provisioner, at.provisioner)
    yield from check_unchanged(new.reclaim_policy, old.reclaim_policy, at.reclaimPolicy)
    yield from check_unchanged(new.volume_binding_mode, old.volume_binding_mode, at.volumeBindingMode)


def warnings(storage_class: Document) -> Iterator[str]:
    for index, term in enumerate(storage_class.get("allowedTopologies") or ()):
        for position, expression in enumerate(term.get("matchLabelExpressions") or ()):
            if message := DEPRECATED_LABELS.get(expression.get("key", "")):
                yield f"{at.allowedTopologies[index].matchLabelExpressions[position].key}: {message}"


def _class_name(storage_class: Document, now: datetime) -> str:
    annotations = storage_class["metadata"].get("annotations") or {}
    default = "true" in (annotations.get(DEFAULT_CLASS), annotations.get(OLD_DEFAULT_CLASS))
    name: str = storage_class["metadata"].get("name", "")
    return f"{name} (default)" if default else name


def _expansion(storage_class: Document, now: datetime) -> bool:
    return bool(storage_class.get("allowVolumeExpansion"))


STORAGE_CLASSES = Resource(
    info=info_of(StorageClass),
    returns_deleted=True,
    short_names=("sc",),
    defaults=fill,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
    columns=(
        Column("Name", _class_name, format="name"),
        text_column("Provisioner", "provisioner"),
        text_column("ReclaimPolicy", "reclaimPolicy", "Delete"),
        text_column("VolumeBindingMode", "volumeBindingMode", "<unset>"),
        Column("AllowVolumeExpansion", _expansion),
        AGE,
    ),
)

RESOURCES = (STORAGE_CLASSES,)
