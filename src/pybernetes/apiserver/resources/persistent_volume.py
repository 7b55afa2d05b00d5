"""PersistentVolume: a piece of storage that a claim can have.

Follows pkg/registry/core/persistentvolume, ValidatePersistentVolume in pkg/apis/core/validation and
printPersistentVolume in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from pybernetes.api.fields import FieldError, at, forbidden, invalid, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.meta import format_time
from pybernetes.api.models.core_v1 import (
    NodeSelectorRequirement,
    PersistentVolume,
    PersistentVolumeSpec,
    VolumeNodeAffinity,
)
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Context, Document, Resource, StatusSubresource
from pybernetes.apiserver.resources.cells import ATTRIBUTES_CLASS, access_modes, at_path, storage_class, text_column
from pybernetes.apiserver.resources.defaults import compile_defaults, under
from pybernetes.apiserver.resources.pod_defaults import SOURCES, volume_mode
from pybernetes.apiserver.validation.internal_form import form_difference, internal_form
from pybernetes.apiserver.validation.metadata import IMMUTABLE, check_metadata, check_only_metadata
from pybernetes.apiserver.validation.node_labels import term_warnings
from pybernetes.apiserver.validation.persistent_volume import check_volume_spec, given_sources
from pybernetes.apiserver.validation.simple import check_unchanged

MOUNT_OPTIONS = "volume.beta.kubernetes.io/mount-options"
_MOUNTED_WITH_OPTIONS = frozenset(
    (
        "gce_persistent_disk",
        "aws_elastic_block_store",
        "glusterfs",
        "nfs",
        "rbd",
        "quobyte",
        "iscsi",
        "cinder",
        "cephfs",
        "azure_file",
        "vsphere_volume",
        "azure_disk",
        "photon_persistent_disk",
    )
)
_RENAMED_LABELS = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
}
_DEPRECATED_ANNOTATIONS = {
    "volume.beta.kubernetes.io/storage-class": 'deprecated since v1.8; use "storageClassName" attribute instead',
    MOUNT_OPTIONS: 'deprecated since v1.31; use "mountOptions" attribute instead',
}
_DEPRECATED_SOURCES = (
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
)
_RECYCLE = (
    "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. "
    "Instead, the recommended approach is to use dynamic provisioning."
)


def validate(volume: PersistentVolume) -> Iterator[FieldError]:
    yield from _check_volume(volume)
    yield from _check_mount_options(volume)


def _check_volume(volume: PersistentVolume) -> Iterator[FieldError]:
    yield from check_metadata(volume.metadata, is_dns_subdomain, namespaced=False)
    yield from check_volume_spec(volume.spec, volume.metadata.name, at.spec)


def _check_mount_options(volume: PersistentVolume) -> Iterator[FieldError]:
    if MOUNT_OPTIONS in volume.metadata.annotations and _MOUNTED_WITH_OPTIONS.isdisjoint(given_sources(volume.spec)):
        path = at.metadata.annotations.child(MOUNT_OPTIONS)
        yield forbidden(path, "may not specify mount options for this volume type")


def validate_update(new: PersistentVolume, old: PersistentVolume) -> Iterator[FieldError]:
    """Upstream judges the volume twice, and what it finds is told twice."""
    yield from _check_volume(new)
    before, after = _sources_form(old.spec), _sources_form(_without_added_secret(new.spec, old.spec))
    if before != after:
        frozen = "spec.persistentvolumesource is immutable after creation\n" + form_difference(before, after)
        yield forbidden(at.spec.persistentvolumesource, frozen)
    yield from check_unchanged(new.spec.volume_mode, old.spec.volume_mode, at.volumeMode)
    if old.spec.node_affinity is not None:
        yield from _check_affinity_kept(new.spec.node_affinity, old.spec.node_affinity)
    if old.spec.volume_attributes_class_name is not None and new.spec.volume_attributes_class_name is None:
        yield forbidden(at.spec.volumeAttributesClassName, "update from non-nil value to nil is forbidden")


def _sources_form(spec: PersistentVolumeSpec) -> Document:
    rest = {"Capacity", "AccessModes", "ClaimRef", "PersistentVolumeReclaimPolicy", "StorageClassName", "MountOptions"}
    rest |= {"VolumeMode", "NodeAffinity", "VolumeAttributesClassName"}
    return {name: value for name, value in internal_form(spec).items() if name not in rest}


def _without_added_secret(spec: PersistentVolumeSpec, old: PersistentVolumeSpec) -> PersistentVolumeSpec:
    """The secret for expansion may be named later."""
    if spec.csi is None or old.csi is None or old.csi.controller_expand_secret_ref is not None:
        return spec
    return msgspec.structs.replace(spec, csi=msgspec.structs.replace(spec.csi, controller_expand_secret_ref=None))


def _check_affinity_kept(new: VolumeNodeAffinity | None, old: VolumeNodeAffinity) -> Iterator[FieldError]:
    if new is not None and _renamed(new, old) == new:
        return
    yield invalid(at.nodeAffinity, internal_form(new), f"{IMMUTABLE}, except for updating from beta label to GA")


def _renamed(new: VolumeNodeAffinity, old: VolumeNodeAffinity) -> VolumeNodeAffinity:
    """The old affinity with the labels' new names where the new affinity has them."""
    if new.required is None or old.required is None:
        return old
    replace = msgspec.structs.replace
    terms = [
        replace(
            before,
            match_expressions=_renamed_keys(before.match_expressions, after.match_expressions),
            match_fields=_renamed_keys(before.match_fields, after.match_fields),
        )
        for before, after in zip(old.required.node_selector_terms, new.required.node_selector_terms, strict=False)
    ]
    rest = old.required.node_selector_terms[len(terms) :]
    return replace(old, required=replace(old.required, node_selector_terms=[*terms, *rest]))


def _renamed_keys(
    old: list[NodeSelectorRequirement], new: list[NodeSelectorRequirement]
) -> list[NodeSelectorRequirement]:
    renamed = [
        msgspec.structs.replace(before, key=after.key) if _RENAMED_LABELS.get(before.key, "") == after.key else before
        for before, after in zip(old, new, strict=False)
    ]
    return [*renamed, *old[len(renamed) :]]


def warnings(volume: Document) -> Iterator[str]:
    annotations, spec = volume["metadata"].get("annotations") or (), volume["spec"]
    for key, message in _DEPRECATED_ANNOTATIONS.items():
        if key in annotations:
            yield f"metadata.annotations[{key}]: {message}"
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        yield _RECYCLE
    for index, term in enumerate(at_path(spec, "nodeAffinity.required.nodeSelectorTerms") or ()):
        path = f"spec.nodeAffinity.required.nodeSelectorTerms[{index}]"
        yield from term_warnings(term, path, preferred=False)
    for name, shown, message in _DEPRECATED_SOURCES:
        if spec.get(name) is not None:
            yield f"spec.{shown}: {message}"


def prepare_create(volume: Document, context: Context) -> None:
    volume["status"] = {"phase": "Pending", "lastPhaseTransitionTime": format_time(context.now)}


def prepare_status(new: Document, old: Document, context: Context) -> None:
    """When the phase changes the time of it is noted, unless the client says another one."""
    before, after = old.get("status") or {}, new.setdefault("status", {})
    was, told = before.get("lastPhaseTransitionTime"), after.get("lastPhaseTransitionTime")
    if before.get("phase") == after.get("phase"):
        if told is None and was is not None:
            after["lastPhaseTransitionTime"] = was
    elif told is None or told == was:
        after["lastPhaseTransitionTime"] = format_time(context.now)


def _claim(volume: Document, now: datetime) -> str:
    claim = volume["spec"].get("claimRef")
    return "" if claim is None else f"{claim.get('namespace', '')}/{claim.get('name', '')}"


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
            "status.phase": "Pending",
            **under("spec", SOURCES),
        }
    ),
    validate=validate,
    validate_update=validate_update,
    prepare_create=prepare_create,
    warnings=warnings,
    columns=(
        NAME,
        text_column("Capacity", "spec.capacity.storage", "0"),
        Column("Access Modes", lambda volume, now: access_modes(volume["spec"].get("accessModes"))),
        text_column("Reclaim Policy", "spec.persistentVolumeReclaimPolicy"),
        Column("Status", _status),
        Column("Claim", _claim),
        Column("StorageClass", storage_class),
        Column("VolumeAttributesClass", lambda volume, now: at_path(volume, ATTRIBUTES_CLASS, "<unset>")),
        text_column("Reason", "status.reason"),
        AGE,
        Column("VolumeMode", lambda volume, now: at_path(volume, "spec.volumeMode", "<unset>"), priority=1),
    ),
    subresources=(StatusSubresource(prepare=prepare_status, validate=check_only_metadata),),
)

RESOURCES = (PERSISTENT_VOLUMES,)
