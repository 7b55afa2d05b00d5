"""The spec of a persistent volume, in an object of its own or inline in a volume attachment.

Follows ValidatePersistentVolumeSpec in pkg/apis/core/validation.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any

from pybernetes.api import quantity
from pybernetes.api.fields import FieldError, FieldPath, forbidden, invalid, not_supported, required
from pybernetes.api.models.core_v1 import PersistentVolumeSpec
from pybernetes.apiserver.validation.claims import (
    VOLUME_MODES,
    check_access_modes,
    check_class_name,
    check_positive_quantity,
)
from pybernetes.apiserver.validation.persistent_sources import SOURCES, check_iscsi_portal
from pybernetes.apiserver.validation.scheduling import check_node_selector
from pybernetes.apiserver.validation.volume_sources import ONLY_ONE

RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
_INLINE = "in the context of inline volumes"


def check_volume_spec(spec: PersistentVolumeSpec, name: str, path: FieldPath) -> Iterator[FieldError]:
    """``name`` is that of the volume."""
    yield from _check_access_modes(spec, path)
    yield from _check_capacity(spec, path)
    if (policy := spec.persistent_volume_reclaim_policy) and policy not in RECLAIM_POLICIES:
        yield not_supported(path.persistentVolumeReclaimPolicy, policy, RECLAIM_POLICIES)
    if spec.node_affinity is not None:
        wanted = spec.node_affinity.required
        if wanted is None:
            yield required(path.nodeAffinity.required, "must specify required node constraints")
        else:
            yield from check_node_selector(wanted, path.nodeAffinity.required)
    yield from _check_sources(spec, path, name)
    yield from check_class_name(spec.storage_class_name, path.storageClassName)
    if spec.volume_mode is not None and spec.volume_mode not in VOLUME_MODES:
        yield not_supported(path.volumeMode, spec.volume_mode, VOLUME_MODES)
    yield from _check_attributes_class(spec, path)


def check_inline_spec(spec: PersistentVolumeSpec, path: FieldPath) -> Iterator[FieldError]:
    """Of a volume that no object of its own describes: only a driver's, and nothing that a claim would ask for."""
    if spec.claim_ref is not None:
        yield forbidden(path.claimRef, f"may not be specified {_INLINE}")
    if spec.capacity:
        yield forbidden(path.capacity, f"may not be specified {_INLINE}")
    if spec.csi is None:
        yield required(path.csi, f"has to be specified {_INLINE}")
    yield from _check_access_modes(spec, path)
    if spec.persistent_volume_reclaim_policy not in ("", "Retain"):
        yield forbidden(path.persistentVolumeReclaimPolicy, f"may only be Retain {_INLINE}")
    if spec.node_affinity is not None:
        yield forbidden(path.nodeAffinity, f"may not be specified {_INLINE}")
    yield from _check_sources(spec, path, "")
    if spec.storage_class_name:
        yield forbidden(path.storageClassName, f"may not be specified {_INLINE}")
    if spec.volume_mode not in (None, "Filesystem"):
        yield forbidden(path.volumeMode, f"may not specify volumeMode other than Filesystem {_INLINE}")


def given_sources(spec: PersistentVolumeSpec) -> dict[str, Any]:
    """What the volume is taken from, by the model's attributes."""
    found = ((source.attribute, getattr(spec, source.attribute)) for source in SOURCES)
    return {attribute: value for attribute, value in found if value is not None}


def _check_access_modes(spec: PersistentVolumeSpec, path: FieldPath) -> Iterator[FieldError]:
    if not spec.access_modes:
        yield required(path.accessModes)
    yield from check_access_modes(spec.access_modes, path.accessModes)


def _check_capacity(spec: PersistentVolumeSpec, path: FieldPath) -> Iterator[FieldError]:
    if not spec.capacity:
        yield required(path.capacity)
    if "storage" not in spec.capacity or len(spec.capacity) > 1:
        yield not_supported(path.capacity, dict(sorted(spec.capacity.items())) or None, ("storage",))
    for name, amount in spec.capacity.items():
        yield from check_valid_quantity(amount, path.capacity[name])
        yield from check_positive_quantity(amount, path.capacity[name])


def check_valid_quantity(text: str, path: FieldPath) -> Iterator[FieldError]:
    if (value := quantity.value(text)) < 0:
        yield invalid(path, value, "must be a valid resource quantity")


def _check_sources(spec: PersistentVolumeSpec, path: FieldPath, name: str) -> Iterator[FieldError]:
    first = None
    for source in SOURCES:
        value = getattr(spec, source.attribute)
        if value is None:
            continue
        if first is not None and not source.joins_others:
            yield forbidden(path.child(source.refused_as or source.name), ONLY_ONE)
            continue
        first = first or source
        if source.attribute == "iscsi":
            yield from check_iscsi_portal(value, name, path.iscsi)
        yield from source.check(value, path.child(source.checked_as or source.name))
        if source.attribute == "local" and spec.node_affinity is None:
            yield required(path.nodeAffinity, "Local volume requires node affinity")
    if first is None:
        yield required(path, "must specify a volume type")
    whole_host = spec.host_path is not None and posixpath.normpath(spec.host_path.path or ".") in ("/", "//")
    if whole_host and spec.persistent_volume_reclaim_policy == "Recycle":
        yield forbidden(path.persistentVolumeReclaimPolicy, "may not be 'recycle' for a hostPath mount of '/'")


def _check_attributes_class(spec: PersistentVolumeSpec, path: FieldPath) -> Iterator[FieldError]:
    name = spec.volume_attributes_class_name
    if name is None:
        return
    if not name:
        yield required(path.volumeAttributesClassName, "an empty string is disallowed")
    yield from check_class_name(name, path.volumeAttributesClassName)
    if spec.csi is None:
        yield required(path.csi, "has to be specified when using volumeAttributesClassName")
