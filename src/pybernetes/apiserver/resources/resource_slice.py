"""ResourceSlice: devices that a driver offers, on one node or on several.

Follows pkg/registry/resource/resourceslice and pkg/apis/resource/v1/defaults.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, is_dns_subdomain, quoted
from pybernetes.api.kinds import info_of
from pybernetes.api.meta import format_time
from pybernetes.api.models.resource_v1 import ResourceSlice
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Context, Document, Resource, spec_changed
from pybernetes.apiserver.resources.cells import text_at, text_column
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.resource_slice import check_slice_spec

_OFF_IN_ATTRIBUTES = ("ints", "bools", "strings", "versions")
_OFF_IN_DEVICES = ("nodeAllocatableResourceMappings",)


def validate(slice_: ResourceSlice) -> Iterator[FieldError]:
    yield from check_metadata(slice_.metadata, is_dns_subdomain, namespaced=False)
    yield from check_slice_spec(slice_.spec, None)


def validate_update(new: ResourceSlice, old: ResourceSlice) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_slice_spec(new.spec, old.spec)


def prepare_create(slice_: Document, context: Context) -> None:
    """Times new taints, and drops the fields whose features are off by default."""
    for device in (slice_.get("spec") or {}).get("devices") or ():
        for field in _OFF_IN_DEVICES:
            device.pop(field, None)
        for attribute in (device.get("attributes") or {}).values():
            for field in _OFF_IN_ATTRIBUTES:
                attribute.pop(field, None)
        for taint in device.get("taints") or ():
            if not taint.get("timeAdded"):
                taint["timeAdded"] = format_time(context.now)


def prepare_update(new: Document, old: Document, context: Context) -> None:
    prepare_create(new, context)


def warnings(slice_: Document) -> Iterator[str]:
    driver = (slice_.get("spec") or {}).get("driver") or ""
    if driver != driver.lower():
        yield f"spec.driver: driver names should be lowercase; {quoted(driver)} contains uppercase characters"


RESOURCE_SLICES = Resource(
    info=info_of(ResourceSlice),
    returns_deleted=True,
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    warnings=warnings,
    generation=spec_changed,
    columns=(
        NAME,
        text_column("Node", "spec.nodeName"),
        text_column("Driver", "spec.driver"),
        text_column("Pool", "spec.pool.name"),
        AGE,
    ),
    selectable={"spec.nodeName": text_at("spec.nodeName"), "spec.driver": text_at("spec.driver")},
    refuses_field="field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {}".format,
    dispatch=("spec.nodeName",),
)

RESOURCES = (RESOURCE_SLICES,)
