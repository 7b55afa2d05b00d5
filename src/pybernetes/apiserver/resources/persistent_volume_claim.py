"""PersistentVolumeClaim: a wish for storage.

Follows pkg/registry/core/persistentvolumeclaim, ValidatePersistentVolumeClaim in pkg/apis/core/validation and
printPersistentVolumeClaim in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from pybernetes.api import quantity
from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    forbidden,
    invalid,
    is_dns_subdomain,
    is_qualified_name,
    not_supported,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import PersistentVolumeClaim, PersistentVolumeClaimSpec
from pybernetes.api.resource_names import is_native
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Context, Document, Resource, StatusSubresource
from pybernetes.apiserver.resources.cells import (
    ATTRIBUTES_CLASS,
    CLASS_ANNOTATION,
    access_modes,
    at_path,
    storage_class,
    text_column,
)
from pybernetes.apiserver.resources.defaults import compile_defaults, under
from pybernetes.apiserver.resources.pod_defaults import CLAIM_SPEC
from pybernetes.apiserver.validation.claims import check_claim_spec
from pybernetes.apiserver.validation.internal_form import difference
from pybernetes.apiserver.validation.metadata import IMMUTABLE, check_metadata, check_metadata_update
from pybernetes.apiserver.validation.persistent_volume import check_valid_quantity
from pybernetes.apiserver.validation.simple import NOT_NEGATIVE, check_unchanged
from pybernetes.apiserver.validation.volume_warnings import claim_warnings

RESIZE_STATUSES = (
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
)
_FROZEN = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n"
_CLASS_APPLIED = "is forbidden when status.currentVolumeAttributesClassName is not nil"
_CLASS_DEPRECATED = (
    f'metadata.annotations[{CLASS_ANNOTATION}]: deprecated since v1.8; use "storageClassName" attribute instead'
)


def validate(claim: PersistentVolumeClaim) -> Iterator[FieldError]:
    yield from check_metadata(claim.metadata, is_dns_subdomain)
    yield from check_claim_spec(claim.spec, at.spec)


def validate_update(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_metadata(new.metadata, is_dns_subdomain)
    yield from check_claim_spec(new.spec, at.spec, known=old.spec)
    if not _moves_class_from_annotation(new, old):
        was, told = (
            old.metadata.annotations.get(CLASS_ANNOTATION, ""),
            new.metadata.annotations.get(CLASS_ANNOTATION, ""),
        )
        if was != told:
            yield invalid(at.metadata.annotations.child(CLASS_ANNOTATION), told, IMMUTABLE)
    before, after = _comparable(new, old)
    if before != after:
        yield forbidden(at.spec, _FROZEN + difference(before, after))
    asked, had, has = (
        _storage(new.spec.resources.requests),
        _storage(old.spec.resources.requests),
        _storage(old.status.capacity),
    )
    if asked < had and asked <= has:
        yield forbidden(at.spec.resources.requests.storage, "field can not be less than status.capacity")
    yield from check_unchanged(new.spec.volume_mode, old.spec.volume_mode, at.volumeMode)
    wanted = new.spec.volume_attributes_class_name
    applied = old.status.current_volume_attributes_class_name is not None
    if applied and not wanted and wanted != old.spec.volume_attributes_class_name:
        change = "update to nil" if wanted is None else "update to empty string"
        yield forbidden(at.spec.volumeAttributesClassName, f"{change} {_CLASS_APPLIED}")


def _storage(amounts: Mapping[str, str]) -> quantity.Quantity:
    amount = amounts.get("storage")
    return quantity.ZERO if amount is None else quantity.parse(amount)


def _comparable(
    new: PersistentVolumeClaim, old: PersistentVolumeClaim
) -> tuple[PersistentVolumeClaimSpec, PersistentVolumeClaimSpec]:
    """The two specs without what may change: the volume and the class are given once, a bound claim may grow."""
    replace = msgspec.structs.replace
    before, after = old.spec, new.spec
    if not before.volume_name:
        before = replace(before, volume_name=after.volume_name)
    if _moves_class_from_annotation(new, old):
        after = replace(after, storage_class_name=None)
    elif _gets_its_class(new, old):
        after = replace(after, storage_class_name=before.storage_class_name)
    if new.status.phase != "Bound":
        return before, after
    requests = after.resources.requests
    if requests:
        grown = {**requests, "storage": before.resources.requests.get("storage", "0")}
        after = replace(after, resources=replace(after.resources, requests=grown))
    return before, replace(after, volume_attributes_class_name=before.volume_attributes_class_name)


def _moves_class_from_annotation(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> bool:
    annotated = old.metadata.annotations.get(CLASS_ANNOTATION)
    return (
        annotated is not None
        and old.spec.storage_class_name is None
        and new.spec.storage_class_name == annotated
        and new.metadata.annotations.get(CLASS_ANNOTATION, annotated) == annotated
    )


def _gets_its_class(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> bool:
    if new.spec.storage_class_name is None or old.spec.storage_class_name is not None:
        return False
    annotated = old.metadata.annotations.get(CLASS_ANNOTATION)
    return annotated is None or new.spec.storage_class_name == annotated


def validate_status(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    if not new.spec.access_modes:
        yield required(at.Spec.accessModes)
    for name, amount in new.status.capacity.items():
        yield from check_valid_quantity(amount, at.status.capacity[name])
    for name, status in new.status.allocated_resource_statuses.items():
        yield from _check_resource_key(name, at.status.allocatedResourceStatuses)
        if status not in RESIZE_STATUSES:
            yield not_supported(at.status.allocatedResourceStatuses, name, RESIZE_STATUSES)
    for name, amount in new.status.allocated_resources.items():
        yield from _check_allocated(name, amount)


def _check_allocated(name: str, amount: str) -> Iterator[FieldError]:
    path = at.status.allocatedResources
    if wrong := [*_check_resource_key(name, path)] or [*check_valid_quantity(amount, path[name])]:
        yield from wrong
    elif quantity.parse(amount) < quantity.ZERO:
        yield invalid(path[name], amount, NOT_NEGATIVE)


def _check_resource_key(name: str, path: FieldPath) -> Iterator[FieldError]:
    messages = is_qualified_name(name)
    yield from (invalid(path, name, message) for message in messages)
    if not messages and is_native(name) and name != "storage":
        yield not_supported(path, name, ("storage",))


def prepare_create(claim: Document, context: Context) -> None:
    _complete_data_sources(claim["spec"], {})


def prepare_update(new: Document, old: Document, context: Context) -> None:
    _complete_data_sources(new["spec"], old["spec"])


def _complete_data_sources(spec: Document, old: Document) -> None:
    """The two ways to name a source say the same; one that only the newer way allows is dropped from the older."""
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if reference and reference.get("namespace") and "dataSourceRef" not in old:
        del spec["dataSourceRef"]
        reference = None
    in_use = "dataSource" in old or "dataSourceRef" in old
    if source is not None and reference is None and not in_use and not _is_claim_or_snapshot(source):
        del spec["dataSource"]
        source = None
    if source is not None and reference is None:
        spec["dataSourceRef"] = dict(source)
    elif reference is not None and source is None and not reference.get("namespace"):
        spec["dataSource"] = {name: reference.get(name) for name in ("apiGroup", "kind", "name")}


def _is_claim_or_snapshot(source: Document) -> bool:
    named = source.get("apiGroup") or "", source.get("kind")
    return named in (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot"))


def warnings(claim: Document) -> Iterator[str]:
    if CLASS_ANNOTATION in (claim["metadata"].get("annotations") or ()):
        yield _CLASS_DEPRECATED
    yield from claim_warnings(claim["spec"], "spec")


def _status(claim: Document, now: datetime) -> str:
    if claim["metadata"].get("deletionTimestamp"):
        return "Terminating"
    phase: str = at_path(claim, "status.phase", "")
    return phase


def _capacity(claim: Document, now: datetime) -> str:
    if not claim["spec"].get("volumeName"):
        return ""
    amount: str = at_path(claim, "status.capacity.storage", "0")
    return amount


def _modes(claim: Document, now: datetime) -> str:
    return access_modes(at_path(claim, "status.accessModes")) if claim["spec"].get("volumeName") else ""


PERSISTENT_VOLUME_CLAIMS = Resource(
    info=info_of(PersistentVolumeClaim),
    returns_deleted=True,
    short_names=("pvc",),
    defaults=compile_defaults(under("spec", CLAIM_SPEC), {"status.phase": "Pending"}),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    warnings=warnings,
    initial_status=lambda claim: {"phase": "Pending"},
    columns=(
        NAME,
        Column("Status", _status),
        text_column("Volume", "spec.volumeName"),
        Column("Capacity", _capacity),
        Column("Access Modes", _modes),
        Column("StorageClass", storage_class),
        Column("VolumeAttributesClass", lambda claim, now: at_path(claim, ATTRIBUTES_CLASS, "<unset>")),
        AGE,
        Column("VolumeMode", lambda claim, now: at_path(claim, "spec.volumeMode", "<unset>"), priority=1),
    ),
    subresources=(StatusSubresource(validate=validate_status),),
)

RESOURCES = (PERSISTENT_VOLUME_CLAIMS,)
