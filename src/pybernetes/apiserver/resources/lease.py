"""Lease: who holds a role, and until when; nodes' heartbeats and leader election.

Follows pkg/registry/coordination/lease and pkg/apis/coordination/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, FieldPath, at, invalid, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.models.coordination_v1 import Lease, LeaseSpec
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Context, Document, Resource
from pybernetes.apiserver.validation.metadata import check_common_metadata, check_common_metadata_update
from pybernetes.apiserver.validation.simple import NOT_NEGATIVE


def validate(lease: Lease) -> Iterator[FieldError]:
    yield from check_common_metadata(lease.metadata, is_dns_subdomain)
    yield from _check_spec(lease.spec, at.spec)


def _check_spec(spec: LeaseSpec, path: FieldPath) -> Iterator[FieldError]:
    if spec.lease_duration_seconds is not None and spec.lease_duration_seconds <= 0:
        yield invalid(path.leaseDurationSeconds, spec.lease_duration_seconds, "must be greater than 0")
    if spec.lease_transitions is not None and spec.lease_transitions < 0:
        yield invalid(path.leaseTransitions, spec.lease_transitions, NOT_NEGATIVE)


def prepare_create(lease: Document, context: Context) -> None:
    """Electing leaders among candidates is off by default."""
    spec = lease.get("spec") or {}
    for field in ("strategy", "preferredHolder"):
        spec.pop(field, None)


def prepare_update(new: Document, old: Document, context: Context) -> None:
    prepare_create(new, context)


def validate_update(new: Lease, old: Lease) -> Iterator[FieldError]:
    yield from check_common_metadata_update(new.metadata, old.metadata)
    yield from _check_spec(new.spec, at.spec)


def holder_of(lease: Document) -> str:
    holder: str = (lease.get("spec") or {}).get("holderIdentity") or ""
    return holder


LEASES = Resource(
    info=info_of(Lease),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    columns=(NAME, Column("Holder", lambda lease, now: holder_of(lease)), AGE),
    allows_create_on_update=True,
    patience=0.01,
    allows_unconditional_update=False,
)

RESOURCES = (LEASES,)
