"""PersistentVolume: a piece of storage that a claim can have.

Follows ValidatePersistentVolume in pkg/apis/core/validation and printPersistentVolume in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from pybernetes.api.fields import (
    FieldError,
    at,
    forbidden,
    invalid,
    is_dns_subdomain,
    not_supported,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import PersistentVolume, PersistentVolumeSpec
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Document, Resource, StatusSubresource
from pybernetes.apiserver.resources.cells import access_modes, at_path, text_column
from pybernetes.apiserver.resources.defaults import compile_defaults
from pybernetes.apiserver.resources.pod_defaults import volume_mode
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update, check_only_metadata
from pybernetes.apiserver.validation.paths import check_no_backsteps
from pybernetes.apiserver.validation.resources import check_quantity
from pybernetes.apiserver.validation.scheduling import check_node_selector
from pybernetes.apiserver.validation.simple import check_unchanged

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
VOLUME_MODES = ("Block", "Filesystem")
_NOT_SOURCES = frozenset(
    (
        "capacity",
        "access_modes",
        "claim_ref",
        "persistent_volume_reclaim_policy",
        "storage_class_name",
        "mount_options",
        "volume_mode",
        "node_affinity",
        "volume_attributes_class_name",
    )
)
_SOURCES = tuple(field for field in msgspec.structs.fields(PersistentVolumeSpec) if field.name not in _NOT_SOURCES)


def _sources(spec: PersistentVolumeSpec) -> dict[str, object]:
    return {one.encode_name: value for one in _SOURCES if (value := getattr(spec, one.name)) is not None}


def validate(volume: PersistentVolume) -> Iterator[FieldError]:
    yield from check_metadata(volume.metadata, is_dns_subdomain, namespaced=False)
    spec = volume.spec
    if not spec.access_modes:
        yield required(at.spec.accessModes)
    for mode in spec.access_modes:
        if mode not in ACCESS_MODES:
            yield not_supported(at.spec.accessModes, mode, ACCESS_MODES)
    if not spec.capacity:
        yield required(at.spec.capacity)
    if spec.capacity and ("storage" not in spec.capacity or len(spec.capacity) > 1):
        yield not_supported(at.spec.capacity, spec.capacity, ("storage",))
    for name, amount in spec.capacity.items():
        yield from check_quantity(amount, at.spec.capacity[name])
    if spec.persistent_volume_reclaim_policy not in RECLAIM_POLICIES:
        yield not_supported(
            at.spec.persistentVolumeReclaimPolicy, spec.persistent_volume_reclaim_policy, RECLAIM_POLICIES
        )
    yield from _check_source(spec)
    if spec.storage_class_name:
        messages = is_dns_subdomain(spec.storage_class_name)
        yield from (invalid(at.spec.storageClassName, spec.storage_class_name, message) for message in messages)
    if spec.volume_mode is None:
        yield required(at.spec.volumeMode)
    elif spec.volume_mode not in VOLUME_MODES:
        yield not_supported(at.spec.volumeMode, spec.volume_mode, VOLUME_MODES)
    if spec.node_affinity is not None:
        if spec.node_affinity.required is None:
            yield required(at.spec.nodeAffinity.required, "must specify required node constraints")
        else:
            yield from check_node_selector(spec.node_affinity.required, at.spec.nodeAffinity.required)


def _check_source(spec: PersistentVolumeSpec) -> Iterator[FieldError]:
    given = list(_sources(spec))
    if not given:
        yield required(at.spec, "must specify a volume type")
    for extra in given[1:]:
        yield forbidden(at.spec.child(extra), "may not specify more than 1 volume type")
    if spec.host_path is not None:
        if not spec.host_path.path:
            yield required(at.spec.hostPath.path)
        yield from check_no_backsteps(spec.host_path.path, at.spec.hostPath.path)
        if spec.host_path.path == "/" and spec.persistent_volume_reclaim_policy == "Recycle":
            message = "may not be 'recycle' for a hostPath mount of '/'"
            yield forbidden(at.spec.persistentVolumeReclaimPolicy, message)
    if spec.local is not None:
        if not spec.local.path:
            yield required(at.spec.local.path)
        if spec.node_affinity is None:
            yield required(at.spec.nodeAffinity, "Local volume requires node affinity")
    if spec.csi is not None:
        for name, value in (("driver", spec.csi.driver), ("volumeHandle", spec.csi.volume_handle)):
            if not value:
                yield required(at.spec.csi.child(name))


def validate_update(new: PersistentVolume, old: PersistentVolume) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    if _sources(new.spec) != _sources(old.spec):
        yield forbidden(at.spec.persistentvolumesource, "spec.persistentvolumesource is immutable after creation")
    yield from check_unchanged(new.spec.volume_mode, old.spec.volume_mode, at.spec.volumeMode)


def _claim(volume: Document, now: datetime) -> str:
    claim = volume["spec"].get("claimRef")
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""


def _status(volume: Document, now: datetime) -> str:
    if volume["metadata"].get("deletionTimestamp"):
        return "Terminating"
    phase: str = at_path(volume, "status.phase", "")
    return phase


PERSISTENT_VOLUMES = Resource(
    info=info_of(PersistentVolume),
    returns_deleted=True,
    short_names=("pv",),
    defaults=compile_defaults(
        {
            "spec.persistentVolumeReclaimPolicy": "Retain",
            "spec.volumeMode": volume_mode,
            "spec.hostPath.type": "",
        }
    ),
    validate=validate,
    validate_update=validate_update,
    initial_status=lambda volume: {"phase": "Pending"},
    columns=(
        NAME,
        text_column("Capacity", "spec.capacity.storage"),
        Column("Access Modes", lambda volume, now: access_modes(volume["spec"].get("accessModes"))),
        text_column("Reclaim Policy", "spec.persistentVolumeReclaimPolicy"),
        Column("Status", _status),
        Column("Claim", _claim),
        text_column("StorageClass", "spec.storageClassName"),
        text_column("VolumeAttributesClass", "spec.volumeAttributesClassName", "<unset>"),
        text_column("Reason", "status.reason"),
        AGE,
        text_column("VolumeMode", "spec.volumeMode", "<unset>", priority=1),
    ),
    subresources=(StatusSubresource(validate=check_only_metadata),),
)

RESOURCES = (PERSISTENT_VOLUMES,)
