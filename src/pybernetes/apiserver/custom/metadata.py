"""Metadata of custom resources and their definitions: as of every object, but any qualified name is a finalizer.

Follows apimachinery's pkg/api/validation/objectmeta.go, and ``validateKubeFinalizerName`` of apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from pybernetes.api.fields import FieldError, FieldPath, at, quoted
from pybernetes.api.models.meta_v1 import ObjectMeta
from pybernetes.apiserver.validation.metadata import (
    STANDARD_FINALIZERS,
    NameCheck,
    check_metadata,
    check_metadata_update,
    label_key_messages,
)

_UNQUALIFIED = "name is neither a standard finalizer name nor is it fully qualified"


def check_object_metadata(
    metadata: ObjectMeta, name: NameCheck, *, namespaced: bool, path: FieldPath = at.metadata
) -> Iterator[FieldError]:
    yield from _relaxed(check_metadata(metadata, name, namespaced=namespaced, path=path))


def check_object_metadata_update(new: ObjectMeta, old: ObjectMeta) -> Iterator[FieldError]:
    yield from _relaxed(check_metadata_update(new, old))


def _relaxed(errors: Iterator[FieldError]) -> Iterator[FieldError]:
    return (error for error in errors if error.detail != _UNQUALIFIED)


def metadata_of(document: dict[str, object]) -> ObjectMeta:
    return msgspec.convert(document.get("metadata") or {}, ObjectMeta)


def finalizer_warnings(new: Sequence[str], old: Sequence[str]) -> Iterator[str]:
    """About finalizers that were not there and are easily mistaken for somebody else's."""
    where = "metadata.finalizers"
    for finalizer in sorted(set(new) - set(old)):
        for message in label_key_messages(finalizer):
            yield f"{where}: {quoted(finalizer)}: {message}"
        if "/" not in finalizer and finalizer not in STANDARD_FINALIZERS:
            including = " including a path (/)" if "." in finalizer else ""
            yield (
                f"{where}: {quoted(finalizer)}: prefer a domain-qualified finalizer name{including} "
                "to avoid accidental conflicts with other finalizer writers"
            )
