"""Whether a group version can be had of its server: what its service says, and what the server answers. Pure.

Follows pkg/controllers/status/remote of kube-aggregator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pybernetes.api.fields import quoted
from pybernetes.api.meta import format_time
from pybernetes.apiserver.aggregation.records import ServiceReference
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.resources.api_service import AVAILABLE, LOCAL


@dataclass(frozen=True, slots=True)
class Verdict:
    """The condition, but for its type and time."""

    status: str
    reason: str
    message: str


LOCALLY = Verdict(LOCAL["status"], LOCAL["reason"], LOCAL["message"])
PASSED = Verdict("True", "Passed", "all checks passed")


def failed(message: str) -> Verdict:
    return Verdict("False", "FailedDiscoveryCheck", message)


def judge_service(reference: ServiceReference, service: Document | None, slices: Sequence[Document]) -> Verdict | None:
    """None where only the server itself can tell."""
    named = f'service/{reference.name} in "{reference.namespace}"'
    if service is None:
        return Verdict("False", "ServiceNotFound", f"{named} is not present")
    spec = service["spec"]
    if spec.get("type", "ClusterIP") != "ClusterIP":
        return None
    port = next((one for one in spec.get("ports") or () if one["port"] == reference.port), None)
    if port is None:
        return Verdict("False", "ServicePortError", f"{named} is not listening on port {reference.port}")
    if not slices:
        return Verdict("False", "EndpointsNotFound", f"cannot find endpointslices for {named}")
    name = port.get("name", "")
    if not any(_serves(one, name) for one in slices):
        message = f"endpointslices for {named} have no addresses with port name {quoted(name)}"
        return Verdict("False", "MissingEndpoints", message)
    return None


def _serves(endpoint_slice: Document, port_name: str) -> bool:
    endpoints = endpoint_slice.get("endpoints") or ()
    ports = endpoint_slice.get("ports") or ()
    return any((one.get("conditions") or {}).get("ready") is not False for one in endpoints) and any(
        (one.get("name") or "") == port_name and one.get("port") is not None for one in ports
    )


def with_verdict(status: Document | None, verdict: Verdict, now: datetime) -> Document:
    """The status with its condition; the time is that of the last change from one status to another."""
    conditions = list((status or {}).get("conditions") or ())
    place = next((at for at, one in enumerate(conditions) if one.get("type") == AVAILABLE), len(conditions))
    before = conditions[place] if place < len(conditions) else {}
    kept = before.get("lastTransitionTime") if before.get("status") == verdict.status else None
    condition = {
        "type": AVAILABLE,
        "status": verdict.status,
        "lastTransitionTime": kept or format_time(now),
        "reason": verdict.reason,
        "message": verdict.message,
    }
    conditions[place : place + 1] = [condition]
    return {**(status or {}), "conditions": conditions}
