"""VolumeAttributesClass: what a volume is like, and may become.

Follows pkg/apis/storage/validation and printVolumeAttributesClass in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, at, forbidden, is_dns_subdomain, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.storage_v1 import VolumeAttributesClass
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Resource
from pybernetes.apiserver.resources.cells import text_column
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.storage import check_parameters, check_provisioner


def validate(attributes: VolumeAttributesClass) -> Iterator[FieldError]:
    yield from check_metadata(attributes.metadata, is_dns_subdomain, namespaced=False)
    yield from check_provisioner(attributes.driver_name, at.driverName)
    yield from check_parameters(attributes.parameters, at.parameters)
    if not attributes.parameters:
        yield required(at.parameters, "must contain at least one key/value pair")


def validate_update(new: VolumeAttributesClass, old: VolumeAttributesClass) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    if new.driver_name != old.driver_name:
        yield forbidden(at.driverName, "updates to driverName are forbidden.")
    if new.parameters != old.parameters:
        yield forbidden(at.parameters, "updates to parameters are forbidden.")
    yield from validate(new)


VOLUME_ATTRIBUTES_CLASSES = Resource(
    info=info_of(VolumeAttributesClass),
    returns_deleted=True,
    short_names=("vac",),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    columns=(NAME, text_column("DriverName", "driverName"), AGE),
)

RESOURCES = (VOLUME_ATTRIBUTES_CLASSES,)
