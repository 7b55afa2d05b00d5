"""ResourceClaim: devices that somebody wants, and which ones were given.

Follows pkg/registry/resource/resourceclaim and pkg/apis/resource/v1/defaults.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import FieldError, at, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.models.resource_v1 import ResourceClaim
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Context, Document, Resource, StatusSubresource
from pybernetes.apiserver.resources.cells import at_path
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults, under
from pybernetes.apiserver.rules import keep_metadata
from pybernetes.apiserver.validation.device_allocation import check_claim_status
from pybernetes.apiserver.validation.device_claim import check_claim_spec
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.simple import check_unchanged


def default_count(request: Document) -> None:
    if request["allocationMode"] == "ExactCount" and not request.get("count"):
        request["count"] = 1


_REQUEST = {"allocationMode": "ExactCount", "": Rule(default_count), "tolerations[].operator": "Equal"}
SPEC_DEFAULTS = {
    **under("devices.requests[].exactly", _REQUEST),
    **under("devices.requests[].firstAvailable[]", _REQUEST),
}


def validate(claim: ResourceClaim) -> Iterator[FieldError]:
    yield from check_metadata(claim.metadata, is_dns_subdomain)
    yield from check_claim_spec(claim.spec, at.spec)


def validate_update(new: ResourceClaim, old: ResourceClaim) -> Iterator[FieldError]:
    yield from check_metadata(new.metadata, is_dns_subdomain)
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_unchanged(new.spec, old.spec, at.spec)


def prepare_status(new: Document, old: Document, context: Context) -> None:
    """What drivers say of devices goes with the devices; metadata is not changed by this door."""
    keep_metadata(new, old, context)
    status = new.get("status") or {}
    devices = status.get("devices")
    if not devices:
        return
    gone = _allocated(old) - _allocated(new)
    kept = [device for device in devices if _identity(device) not in gone]
    if kept:
        status["devices"] = kept
    else:
        del status["devices"]


def _allocated(claim: Document) -> set[tuple[str, ...]]:
    return (
        {_identity(result) for result in at_path(claim, "status.allocation.devices.results", ())}
        if claim.get("status")
        else set()
    )


def _identity(device: Document) -> tuple[str, ...]:
    return tuple(device.get(field) or "" for field in ("driver", "pool", "device", "shareID"))


def validate_status(new: ResourceClaim, old: ResourceClaim) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_claim_status(new, old)


def _state(claim: Document, now: datetime) -> str:
    deleted = bool(claim["metadata"].get("deletionTimestamp"))
    status = claim.get("status") or {}
    states = ["deleted"] if deleted else []
    if status.get("allocation") is not None:
        states.append("allocated")
        if status.get("reservedFor"):
            states.append("reserved")
    elif not deleted:
        states.append("pending")
    return ",".join(states)


RESOURCE_CLAIMS = Resource(
    info=info_of(ResourceClaim),
    null_lists=("spec.devices.requests",),
    returns_deleted=True,
    defaults=compile_defaults(
        under("spec", SPEC_DEFAULTS), {"status.allocation.devices.results[].tolerations[].operator": "Equal"}
    ),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    columns=(
        NAME,
        Column("State", _state, description="A summary of the current state (allocated, pending, reserved, etc.)."),
        AGE,
    ),
    subresources=(StatusSubresource(prepare=prepare_status, validate=validate_status),),
)

RESOURCES = (RESOURCE_CLAIMS,)
