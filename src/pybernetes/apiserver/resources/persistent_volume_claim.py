"""PersistentVolumeClaim: a wish for storage.

Follows ValidatePersistentVolumeClaim in pkg/apis/core/validation and printPersistentVolumeClaim in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from pybernetes.api import quantity
from pybernetes.api.fields import (
    FieldError,
    at,
    forbidden,
    is_dns_subdomain,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import PersistentVolumeClaim
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Document, Resource, StatusSubresource
from pybernetes.apiserver.resources.cells import access_modes, at_path, text_column
from pybernetes.apiserver.resources.defaults import compile_defaults, under
from pybernetes.apiserver.resources.pod_defaults import CLAIM_SPEC
from pybernetes.apiserver.validation.claims import check_claim_spec
from pybernetes.apiserver.validation.internal_form import difference
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update, check_only_metadata

_FROZEN = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n"


def validate(claim: PersistentVolumeClaim) -> Iterator[FieldError]:
    yield from check_metadata(claim.metadata, is_dns_subdomain)
    yield from check_claim_spec(claim.spec, at.spec)


def validate_update(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    before, after = old.spec, new.spec
    bound = old.status.phase == "Bound"
    munged = after
    if bound:
        munged = msgspec.structs.replace(
            munged, resources=before.resources, volume_attributes_class_name=before.volume_attributes_class_name
        )
        asked, had = after.resources.requests.get("storage"), before.resources.requests.get("storage")
        if asked and had and quantity.parse(asked) < quantity.parse(had):
            yield forbidden(at.spec.resources.requests.storage, "field can not be less than previous value")
    if not before.volume_name:
        munged = msgspec.structs.replace(munged, volume_name=before.volume_name)
    if before.storage_class_name is None:
        munged = msgspec.structs.replace(munged, storage_class_name=None)
    if munged != before:
        yield forbidden(at.spec, _FROZEN + difference(before, munged))


def _status(claim: Document, now: datetime) -> str:
    if claim["metadata"].get("deletionTimestamp"):
        return "Terminating"
    phase: str = at_path(claim, "status.phase", "")
    return phase


def _capacity(claim: Document, now: datetime) -> str:
    if not claim["spec"].get("volumeName"):
        return ""
    amount: str = at_path(claim, "status.capacity.storage", "")
    return amount


def _modes(claim: Document, now: datetime) -> str:
    return access_modes(at_path(claim, "status.accessModes")) if claim["spec"].get("volumeName") else ""


PERSISTENT_VOLUME_CLAIMS = Resource(
    info=info_of(PersistentVolumeClaim),
    returns_deleted=True,
    short_names=("pvc",),
    defaults=compile_defaults(under("spec", CLAIM_SPEC)),
    validate=validate,
    validate_update=validate_update,
    initial_status=lambda claim: {"phase": "Pending"},
    columns=(
        NAME,
        Column("Status", _status),
        text_column("Volume", "spec.volumeName"),
        Column("Capacity", _capacity),
        Column("Access Modes", _modes),
        text_column("StorageClass", "spec.storageClassName"),
        text_column("VolumeAttributesClass", "spec.volumeAttributesClassName", "<unset>"),
        AGE,
        text_column("VolumeMode", "spec.volumeMode", "<unset>", priority=1),
    ),
    subresources=(StatusSubresource(validate=check_only_metadata),),
)

RESOURCES = (PERSISTENT_VOLUME_CLAIMS,)
