"""Namespace: a scope for names, which goes only when all that is in it is gone.

Follows pkg/registry/core/namespace.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import FieldError, at, invalid, is_dns_label
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import Namespace
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Context, Document, Resource, SpecialSubresource, StatusSubresource
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults
from pybernetes.apiserver.validation.metadata import check_finalizer_name, check_metadata, check_metadata_update

NAME_LABEL = "kubernetes.io/metadata.name"
FINALIZER = "kubernetes"


def _label_with_name(namespace: Document) -> None:
    metadata = namespace["metadata"]
    if name := metadata.get("name"):
        metadata.setdefault("labels", {})[NAME_LABEL] = name


def _default_phase(status: Document) -> None:
    if not status.get("phase"):
        status["phase"] = "Active"


def prepare_create(namespace: Document, context: Context) -> None:
    _label_with_name(namespace)
    finalizers = namespace.setdefault("spec", {}).setdefault("finalizers", [])
    if FINALIZER not in finalizers:
        finalizers.append(FINALIZER)


def prepare_update(new: Document, old: Document, context: Context) -> None:
    new["spec"] = old.get("spec", {})


def prepare_finalize(new: Document, old: Document, context: Context) -> None:
    new["status"] = old.get("status", {})


def initial_status(namespace: Document) -> Document:
    return {"phase": "Active"}


def validate(namespace: Namespace) -> Iterator[FieldError]:
    yield from check_metadata(namespace.metadata, is_dns_label, namespaced=False)
    for finalizer in namespace.spec.finalizers:
        yield from check_finalizer_name(finalizer, at.spec.finalizers)


def validate_update(new: Namespace, old: Namespace) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)


def validate_finalize(new: Namespace, old: Namespace) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    for index, finalizer in enumerate(new.spec.finalizers):
        yield from check_finalizer_name(finalizer, at.spec.finalizers[index])


def validate_status(new: Namespace, old: Namespace) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    phase = new.status.phase
    if new.metadata.deletion_timestamp is None:
        if phase != "Active":
            yield invalid(at.status.Phase, phase, "may only be 'Active' if `deletionTimestamp` is empty")
    elif phase != "Terminating":
        yield invalid(at.status.Phase, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")


def is_held(namespace: Document) -> bool:
    return bool((namespace.get("spec") or {}).get("finalizers"))


def mark_terminating(namespace: Document) -> None:
    metadata = {name: value for name, value in namespace["metadata"].items() if name != "deletionGracePeriodSeconds"}
    namespace["metadata"] = metadata
    namespace["status"] = {**(namespace.get("status") or {}), "phase": "Terminating"}


def phase_of(namespace: Document) -> str:
    phase: str = (namespace.get("status") or {}).get("phase", "")
    return phase


def _phase_cell(namespace: Document, now: datetime) -> str:
    return phase_of(namespace)


NAMESPACES = Resource(
    info=info_of(Namespace),
    returns_deleted=True,
    short_names=("ns",),
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    defaults=compile_defaults({"": Rule(_label_with_name), "status": Rule(_default_phase)}),
    validate=validate,
    validate_update=validate_update,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    initial_status=initial_status,
    held=is_held,
    on_marked=mark_terminating,
    columns=(NAME, Column("Status", _phase_cell), AGE),
    selectable={"status.phase": phase_of},
    subresources=(
        StatusSubresource(validate=validate_status),
        SpecialSubresource(
            "finalize", ("update",), ("", "v1", "Namespace"), parent_update=prepare_finalize, validate=validate_finalize
        ),
    ),
)

RESOURCES = (NAMESPACES,)
