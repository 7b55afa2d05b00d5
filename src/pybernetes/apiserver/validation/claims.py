"""The spec of a claim to storage, in a claim of its own or in a template.

Follows ValidatePersistentVolumeClaimSpec in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pybernetes.api import quantity
from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    forbidden,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    not_supported,
    required,
)
from pybernetes.api.models.core_v1 import (
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimTemplate,
    TypedLocalObjectReference,
    TypedObjectReference,
)
from pybernetes.apiserver.validation.metadata import check_template_metadata
from pybernetes.apiserver.validation.selectors import check_label_selector

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
_ALONE = "ReadWriteOncePod"
_ONLY_CLAIMS = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"


def check_access_modes(modes: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    for mode in modes:
        if mode not in ACCESS_MODES:
            yield not_supported(path, mode, ACCESS_MODES)
    if _ALONE in modes and any(mode != _ALONE and mode in ACCESS_MODES for mode in modes):
        yield forbidden(path, "may not use ReadWriteOncePod with other access modes")


def check_positive_quantity(text: str, path: FieldPath) -> Iterator[FieldError]:
    if quantity.parse(text) <= quantity.ZERO:
        yield invalid(path, text, "must be greater than zero")


def check_claim_spec(
    spec: PersistentVolumeClaimSpec, path: FieldPath, *, known: PersistentVolumeClaimSpec | None = None
) -> Iterator[FieldError]:
    """``known`` is what the claim was before: the group of a source is then taken as it is."""
    if not spec.access_modes:
        yield required(path.accessModes, "at least 1 access mode is required")
    yield from check_label_selector(spec.selector, path.selector)
    yield from check_access_modes(spec.access_modes, path.accessModes)
    storage = spec.resources.requests.get("storage")
    if storage is None:
        yield required(path.resources["storage"])
    else:
        yield from check_positive_quantity(storage, path.resources["storage"])
    yield from check_class_name(spec.storage_class_name, path.storageClassName)
    if spec.volume_mode is not None and spec.volume_mode not in VOLUME_MODES:
        yield not_supported(path.volumeMode, spec.volume_mode, VOLUME_MODES)
    lenient = known is not None and any(
        one is not None and one.api_group is not None for one in (known.data_source, known.data_source_ref)
    )
    yield from _check_data_sources(spec, path, lenient=lenient)
    yield from check_class_name(spec.volume_attributes_class_name, path.volumeAttributesClassName)


def check_class_name(name: str | None, path: FieldPath) -> Iterator[FieldError]:
    if name:
        yield from (invalid(path, name, message) for message in is_dns_subdomain(name))


def _check_data_sources(spec: PersistentVolumeClaimSpec, path: FieldPath, *, lenient: bool) -> Iterator[FieldError]:
    source, reference = spec.data_source, spec.data_source_ref
    if source is not None:
        yield from _check_data_source(source, path.dataSource, lenient=lenient)
    if reference is None:
        return
    yield from _check_data_source(reference, path.dataSourceRef, lenient=lenient)
    if reference.namespace:
        messages = is_dns_label(reference.namespace)
        yield from (invalid(path.dataSourceRef.namespace, reference.namespace, message) for message in messages)
    if source is None:
        return
    if reference.namespace:
        yield invalid(path, {}, "may not be specified when dataSourceRef.namespace is specified")
    elif (source.api_group, source.kind, source.name) != (reference.api_group, reference.kind, reference.name):
        yield invalid(path, {}, "must match dataSourceRef")


def _check_data_source(
    source: TypedLocalObjectReference | TypedObjectReference, path: FieldPath, *, lenient: bool
) -> Iterator[FieldError]:
    if not source.name:
        yield required(path.name)
    if not source.kind:
        yield required(path.kind)
    if not source.api_group:
        if source.kind != "PersistentVolumeClaim":
            yield invalid(path, source.kind, _ONLY_CLAIMS)
    elif not lenient:
        yield from (invalid(path.apiGroup, source.api_group, message) for message in is_dns_subdomain(source.api_group))


def check_claim_template(template: PersistentVolumeClaimTemplate, path: FieldPath) -> Iterator[FieldError]:
    yield from check_template_metadata(template.metadata, path.metadata)
    yield from check_claim_spec(template.spec, path.spec)
