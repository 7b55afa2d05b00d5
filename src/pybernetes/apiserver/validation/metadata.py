"""What every object's metadata must be, on creation and on update.

Follows apimachinery's pkg/api/validation/objectmeta.go, with the stricter finalizer names of pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Protocol

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    forbidden,
    invalid,
    is_dns_label,
    is_label_value,
    is_path_segment,
    is_qualified_name,
    required,
    too_long,
)
from pybernetes.api.models.meta_v1 import ObjectMeta, OwnerReference

NameCheck = Callable[[str], Sequence[str]]

IMMUTABLE = "field is immutable"
ANNOTATIONS_SIZE_LIMIT = 256 * 1024
STANDARD_FINALIZERS = frozenset(("kubernetes", "orphan", "foregroundDeletion"))
_BANNED_OWNERS = frozenset((("v1", "Event"),))

label_key_messages = lru_cache(maxsize=4096)(lambda key: tuple(is_qualified_name(key)))
label_value_messages = lru_cache(maxsize=4096)(lambda value: tuple(is_label_value(value)))


_namespace_messages = lru_cache(maxsize=4096)(lambda name: tuple(is_dns_label(name)))


def check_metadata(
    metadata: ObjectMeta, name: NameCheck, *, namespaced: bool = True, path: FieldPath = at.metadata
) -> Iterator[FieldError]:
    yield from check_common_metadata(metadata, name, namespaced=namespaced, path=path)
    for index, finalizer in enumerate(metadata.finalizers):
        yield from _check_known(finalizer, path.finalizers[index])


def check_common_metadata(
    metadata: ObjectMeta, name: NameCheck, *, namespaced: bool = True, path: FieldPath = at.metadata
) -> Iterator[FieldError]:
    """The same for kinds that take finalizers of any name."""
    if metadata.generate_name:
        yield from (
            invalid(path.generateName, metadata.generate_name, m) for m in name(_prefix(metadata.generate_name))
        )
    if not metadata.name:
        yield required(path.name, "name or generateName is required")
    else:
        for message in name(metadata.name):
            yield invalid(path.name, metadata.name, message)
    if not namespaced:
        if metadata.namespace:
            yield forbidden(path.namespace, "not allowed on this type")
    elif not metadata.namespace:
        yield required(path.namespace)
    else:
        for message in _namespace_messages(metadata.namespace):
            yield invalid(path.namespace, metadata.namespace, message)
    if metadata.generation < 0:
        yield invalid(path.generation, metadata.generation, "must be greater than or equal to 0")
    yield from _check_maps(metadata, path)
    if metadata.finalizers:
        yield from _check_finalizer_format(metadata.finalizers, path.finalizers)


def check_metadata_update(new: ObjectMeta, old: ObjectMeta, path: FieldPath = at.metadata) -> Iterator[FieldError]:
    yield from check_common_metadata_update(new, old, path)
    for index, finalizer in enumerate(new.finalizers):
        yield from _check_known(finalizer, path.finalizers[index])


def check_common_metadata_update(
    new: ObjectMeta, old: ObjectMeta, path: FieldPath = at.metadata
) -> Iterator[FieldError]:
    """The same for kinds that take finalizers of any name."""
    yield from _check_identity(new, old, path)
    yield from _check_maps(new, path)


def check_any_update(new: ObjectMeta, old: ObjectMeta, path: FieldPath = at.metadata) -> Iterator[FieldError]:
    """What an update of any kind is asked before the kind's own rules."""
    if new.generate_name:
        yield from (invalid(path.generateName, new.generate_name, m) for m in is_path_segment(new.generate_name))
    yield from (invalid(path.name, new.name, message) for message in is_path_segment(new.name))
    yield from _check_maps(new, path)
    yield from _check_finalizer_format(new.finalizers, path.finalizers)
    yield from _check_identity(new, old, path)
    yield from _check_maps(new, path)


def _check_identity(new: ObjectMeta, old: ObjectMeta, path: FieldPath) -> Iterator[FieldError]:
    if old.deletion_timestamp is not None:
        added = [finalizer for finalizer in new.finalizers if finalizer not in old.finalizers]
        if added:
            listing = ", ".join(f'"{finalizer}"' for finalizer in sorted(added))
            message = "no new finalizers can be added if the object is being deleted, found new finalizers "
            yield forbidden(path.finalizers, f"{message}[]string{{{listing}}}")
    before, after = _identity(old), _identity(new)
    if before != after:
        for field, known, fresh in zip(_IDENTITY.values(), before, after, strict=True):
            if known != fresh:
                yield invalid(path.child(field), fresh, IMMUTABLE)


_IDENTITY = {
    "name": "name",
    "namespace": "namespace",
    "uid": "uid",
    "creation_timestamp": "creationTimestamp",
    "deletion_timestamp": "deletionTimestamp",
    "deletion_grace_period_seconds": "deletionGracePeriodSeconds",
}
"""What no update changes."""
_identity = attrgetter(*_IDENTITY)


def _check_maps(metadata: ObjectMeta, path: FieldPath) -> Iterator[FieldError]:
    if metadata.labels:
        yield from check_labels(metadata.labels, path.labels)
    if metadata.annotations:
        yield from check_annotations(metadata.annotations, path.annotations)
    if metadata.owner_references:
        yield from check_owner_references(metadata.owner_references, path.ownerReferences)


def _prefix(generate_name: str) -> str:
    """The part of a name that is given, without the dash that the random part will follow."""
    if len(generate_name) > 1 and generate_name.endswith("-"):
        return generate_name[:-2] + "a"
    return generate_name


def check_labels(labels: Mapping[str, str], path: FieldPath) -> Iterator[FieldError]:
    for key, value in labels.items():
        for message in label_key_messages(key):
            yield invalid(path, key, message)
        for message in label_value_messages(value):
            yield invalid(path, value, message)


def check_annotations(annotations: Mapping[str, str], path: FieldPath) -> Iterator[FieldError]:
    size = 0
    for key, value in annotations.items():
        for message in label_key_messages(key.lower()):
            yield invalid(path, key, message)
        size += len(key.encode()) + len(value.encode())
    if size > ANNOTATIONS_SIZE_LIMIT:
        yield too_long(path, "", ANNOTATIONS_SIZE_LIMIT)


def check_template_metadata(metadata: ObjectMeta, path: FieldPath) -> Iterator[FieldError]:
    """Of objects that are made from a template: labels and annotations, and nothing else."""
    yield from check_annotations(metadata.annotations, path.annotations)
    yield from check_labels(metadata.labels, path.labels)
    for field, name in zip(metadata.__struct_fields__, metadata.__struct_encode_fields__, strict=True):
        value = getattr(metadata, field)
        given = value is not None if field == "deletion_grace_period_seconds" else bool(value)
        if field not in ("annotations", "labels") and given:
            yield forbidden(path.child("uID" if name == "uid" else name), "cannot be set")


def check_owner_references(references: Sequence[OwnerReference], path: FieldPath) -> Iterator[FieldError]:
    controller = ""
    for reference in references:
        group, _, version = reference.api_version.rpartition("/")
        if not version or "/" in group:
            yield invalid(path.apiVersion, reference.api_version, "version must not be empty")
        for field, value in (("kind", reference.kind), ("name", reference.name), ("uid", reference.uid)):
            if not value:
                yield invalid(path.child(field), value, "must not be empty")
        if (reference.api_version, reference.kind) in _BANNED_OWNERS:
            kind = f"{group}/{version}, Kind={reference.kind}"
            yield invalid(path, reference, f"{kind} is disallowed from being an owner")
        if reference.controller:
            name = f"{reference.kind}/{reference.name}"
            if controller:
                message = 'Only one reference can have Controller set to true. Found "true" in references for '
                yield invalid(path, references, f"{message}{controller} and {name}")
            controller = controller or name


def _check_finalizer_format(finalizers: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    for finalizer in finalizers:
        yield from (invalid(path, finalizer, message) for message in label_key_messages(finalizer))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        yield invalid(path, finalizers, "finalizer orphan and foregroundDeletion cannot be both set")


def is_another(new: ObjectMeta, old: ObjectMeta) -> bool:
    """Whether an update would change what no update changes."""
    return bool(_identity(new) != _identity(old))


def has_odd_finalizers(metadata: ObjectMeta) -> bool:
    """Whether they are at fault in ways that the kinds' own update rules do not look for."""
    return bool(metadata.finalizers) and any(_check_finalizer_format(metadata.finalizers, at))


def check_finalizer_name(finalizer: str, path: FieldPath) -> Iterator[FieldError]:
    yield from (invalid(path, finalizer, message) for message in label_key_messages(finalizer))
    yield from _check_known(finalizer, path)


def _check_known(finalizer: str, path: FieldPath) -> Iterator[FieldError]:
    if "/" not in finalizer and finalizer not in STANDARD_FINALIZERS:
        yield invalid(path, finalizer, "name is neither a standard finalizer name nor is it fully qualified")


class _HasMetadata(Protocol):
    metadata: ObjectMeta


def check_only_metadata(new: _HasMetadata, old: _HasMetadata) -> Iterator[FieldError]:
    """The update rule of kinds that may change in everything but their identity."""
    yield from check_metadata_update(new.metadata, old.metadata)
