"""VolumeAttachment: a volume that a driver is to attach to a node.

Follows pkg/apis/storage/validation and printVolumeAttachment in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    forbidden,
    invalid,
    is_dns_subdomain,
    range_error,
    required,
    too_long,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.storage_v1 import VolumeAttachment, VolumeAttachmentSource, VolumeAttachmentStatus
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Resource, StatusSubresource
from pybernetes.apiserver.resources.cells import at_path, text_column
from pybernetes.apiserver.resources.defaults import compile_defaults, under
from pybernetes.apiserver.resources.pod_defaults import SOURCES
from pybernetes.apiserver.rules import keep_metadata
from pybernetes.apiserver.validation.device_names import check_dns_subdomain, check_driver_name
from pybernetes.apiserver.validation.metadata import check_metadata
from pybernetes.apiserver.validation.persistent_volume import check_inline_spec
from pybernetes.apiserver.validation.simple import check_unchanged

LARGEST_METADATA = 256 * 1024
LONGEST_MESSAGE = 1024
_ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


def validate(attachment: VolumeAttachment) -> Iterator[FieldError]:
    yield from check_metadata(attachment.metadata, is_dns_subdomain, namespaced=False)
    spec, path = attachment.spec, at.spec
    yield from check_driver_name(spec.attacher, path.attacher)
    yield from _check_source(spec.source, path.source)
    yield from check_dns_subdomain(spec.node_name, path.nodeName)
    yield from _check_status(attachment.status)
    if spec.source.persistent_volume_name is not None:
        yield from check_dns_subdomain(spec.source.persistent_volume_name, path.source.persistentVolumeName)


def _check_source(source: VolumeAttachmentSource, path: FieldPath) -> Iterator[FieldError]:
    inline, name = source.inline_volume_spec, source.persistent_volume_name
    if inline is None and name is None:
        yield required(path, _ONE_SOURCE)
    elif inline is not None and name is not None:
        yield forbidden(path, _ONE_SOURCE)
    elif inline is not None:
        yield from check_inline_spec(inline, path.inlineVolumeSpec)
    elif not name:
        yield required(path.persistentVolumeName, "must specify non empty persistentVolumeName")


def _check_status(status: VolumeAttachmentStatus) -> Iterator[FieldError]:
    path, metadata = at.status, status.attachment_metadata
    if sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items()) > LARGEST_METADATA:
        yield too_long(path.attachmentMetadata, "", LARGEST_METADATA)
    for error, where in ((status.attach_error, path.attachError), (status.detach_error, path.detachError)):
        if error is None:
            continue
        if len(error.message.encode()) > LONGEST_MESSAGE:
            yield too_long(where.message, error.message, LARGEST_METADATA)
        if error.error_code is not None and error.error_code < 0:
            yield invalid(where.errorCode, error.error_code, range_error(0, 2**31 - 1))


def validate_update(new: VolumeAttachment, old: VolumeAttachment) -> Iterator[FieldError]:
    yield from validate(new)
    yield from check_unchanged(new.spec, old.spec, at.spec)


VOLUME_ATTACHMENTS = Resource(
    info=info_of(VolumeAttachment),
    returns_deleted=True,
    defaults=compile_defaults(under("spec.source.inlineVolumeSpec", SOURCES)),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    initial_status=lambda attachment: {"attached": False},
    columns=(
        NAME,
        Column("Attacher", lambda attachment, now: at_path(attachment, "spec.attacher", ""), format="name"),
        text_column("PV", "spec.source.persistentVolumeName"),
        text_column("Node", "spec.nodeName"),
        Column("Attached", lambda attachment, now: bool(at_path(attachment, "status.attached")), "boolean"),
        AGE,
    ),
    subresources=(StatusSubresource(prepare=keep_metadata, validate=validate_update),),
    allows_unconditional_update=False,
)

RESOURCES = (VOLUME_ATTACHMENTS,)
