"""Sentences about the devices that a pod's claims want and a node does not give."""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api import placement
from pybernetes.api.models import core_v1, resource_v1
from pybernetes.client import key_of
from pybernetes.scheduler.device_objects import DeviceObjects
from pybernetes.scheduler.devices.requests import ALL, AllocationFailed, Wanted, wanted
from pybernetes.scheduler.devices.selection import Selection, is_repelled
from pybernetes.scheduler.plugins.dynamic_resources import UNAVAILABLE
from pybernetes.scheduler.pod_claims import ClaimUnusable, claims_of
from pybernetes.scheduler.pod_info import PodInfo


def lacking(pod: PodInfo, node: core_v1.Node, devices: DeviceObjects, reason: str) -> Iterator[str]:
    """By what there is now. Nothing where each request by itself could be served."""
    try:
        claims = claims_of(pod.pod, devices.claim)
        for claim in claims:
            if reason == UNAVAILABLE:
                yield from _elsewhere(claim, node)
            elif claim.status.allocation is None:
                for alternatives in wanted(claim, devices.classes).requests:
                    yield from _short(alternatives, node, devices)
    except (ClaimUnusable, AllocationFailed) as error:
        yield str(error)


def _elsewhere(claim: resource_v1.ResourceClaim, node: core_v1.Node) -> Iterator[str]:
    allocation = claim.status.allocation
    selector = allocation.node_selector if allocation is not None else None
    if selector is not None and not any(placement.matches_term(one, node) for one in selector.node_selector_terms):
        yield f"claim {key_of(claim)} has devices elsewhere"


def _short(alternatives: tuple[Wanted, ...], node: core_v1.Node, devices: DeviceObjects) -> Iterator[str]:
    """When none of the alternatives has enough devices."""
    said = [_missing(one, node, devices) for one in alternatives]
    if all(said):
        yield " and ".join(said)


def _missing(one: Wanted, node: core_v1.Node, devices: DeviceObjects) -> str:
    selection = Selection()
    pools = [pool for pool in devices.slices.pools_for(node) if not pool.is_incomplete and not pool.is_invalid]
    matching = [found for pool in pools for found in pool.devices() if selection.matches(one, found, node)]
    free = [
        found
        for found in matching
        if (one.admin or not devices.taken.is_taken(found.id)) and not is_repelled(one, found.device)
    ]
    needed = max(len(matching), 1) if one.mode == ALL else one.count
    if len(free) >= needed:
        return ""
    named = f"request {one.reference} of claim {one.claim}"
    return f"has {len(free)} free of {len(matching)} devices that match {named} ({needed} wanted)"
