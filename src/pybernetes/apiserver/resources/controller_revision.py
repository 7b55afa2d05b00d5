"""ControllerRevision: an earlier state of a daemon set or stateful set, kept for rolling back.

Follows pkg/apis/apps/validation and printControllerRevision in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import FieldError, at, invalid, is_dns_subdomain, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.apps_v1 import ControllerRevision
from pybernetes.apiserver.columns import AGE, NAME, NONE
from pybernetes.apiserver.resource import Column, Document, Resource
from pybernetes.apiserver.resources.cells import number_column
from pybernetes.apiserver.validation.metadata import IMMUTABLE, check_metadata, check_metadata_update
from pybernetes.apiserver.validation.simple import check_not_negative


def validate(revision: ControllerRevision) -> Iterator[FieldError]:
    yield from _check_revision(revision)
    if revision.data is None:
        yield required(at.data, "data is mandatory")
    elif not isinstance(revision.data, dict):
        yield required(at.data, "data must be a valid JSON object")


def _check_revision(revision: ControllerRevision) -> Iterator[FieldError]:
    yield from check_metadata(revision.metadata, is_dns_subdomain)
    yield from check_not_negative(revision.revision, at.revision)


def validate_update(new: ControllerRevision, old: ControllerRevision) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from _check_revision(new)
    if new.data != old.data:
        yield invalid(at.data, new.data, IMMUTABLE)


def _controller(revision: Document, now: datetime) -> str:
    for owner in revision["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            group = owner["apiVersion"].rpartition("/")[0]
            kind = owner["kind"].lower()
            return f"{kind}.{group}/{owner['name']}" if group else f"{kind}/{owner['name']}"
    return NONE


CONTROLLER_REVISIONS = Resource(
    info=info_of(ControllerRevision),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    columns=(NAME, Column("Controller", _controller), number_column("Revision", "revision", "string"), AGE),
)

RESOURCES = (CONTROLLER_REVISIONS,)
