"""VolumeAttachment: a volume that a driver is to attach to a node.

Follows pkg/apis/storage/validation and printVolumeAttachment in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, at, invalid, is_dns_subdomain, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.storage_v1 import VolumeAttachment
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Resource, StatusSubresource
from pybernetes.apiserver.resources.cells import at_path, text_column
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update, check_only_metadata
from pybernetes.apiserver.validation.simple import check_unchanged


def validate(attachment: VolumeAttachment) -> Iterator[FieldError]:
    yield from check_metadata(attachment.metadata, is_dns_subdomain, namespaced=False)
    spec = attachment.spec
    for name, value in (("attacher", spec.attacher), ("nodeName", spec.node_name)):
        if not value:
            yield required(at.spec.child(name))
    if spec.attacher:
        messages = is_dns_subdomain(spec.attacher.lower())
        yield from (invalid(at.spec.attacher, spec.attacher, message) for message in messages)
    source = spec.source
    if source.inline_volume_spec is None and not source.persistent_volume_name:
        yield required(at.spec.source, "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
    elif source.inline_volume_spec is not None and source.persistent_volume_name:
        message = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
        yield invalid(at.spec.source, source, message)


def validate_update(new: VolumeAttachment, old: VolumeAttachment) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_unchanged(new.spec, old.spec, at.spec)


VOLUME_ATTACHMENTS = Resource(
    info=info_of(VolumeAttachment),
    validate=validate,
    validate_update=validate_update,
    initial_status=lambda attachment: {"attached": False},
    columns=(
        NAME,
        text_column("Attacher", "spec.attacher"),
        text_column("PV", "spec.source.persistentVolumeName"),
        text_column("Node", "spec.nodeName"),
        Column("Attached", lambda attachment, now: bool(at_path(attachment, "status.attached")), "boolean"),
        AGE,
    ),
    subresources=(StatusSubresource(validate=check_only_metadata),),
    allows_unconditional_update=False,
)

RESOURCES = (VOLUME_ATTACHMENTS,)
