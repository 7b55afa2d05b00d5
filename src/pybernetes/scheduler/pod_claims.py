"""The claims of devices that a pod names, and what they say about the pod: pure.

Follows k8s.io/dynamic-resource-allocation/resourceclaim.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from pybernetes.api.fields import quoted
from pybernetes.api.meta import Key, is_controlled_by
from pybernetes.api.models import core_v1, meta_v1, resource_v1

FINALIZER = "resource.kubernetes.io/delete-protection"


class ClaimUnusable(Exception):
    """A claim of the pod is not there, or not for it; ``str`` is why, in upstream's words."""


class BindingFailed(Exception):
    """A device could not be made ready for its claim."""


def claims_of(
    pod: core_v1.Pod, find: Callable[[Key], resource_v1.ResourceClaim | None]
) -> list[resource_v1.ResourceClaim]:
    """In the order of the pod's; without those that turned out not to be needed. Raises ClaimUnusable."""
    claims = (_claim_of(pod, wanted, find) for wanted in pod.spec.resource_claims)
    return [one for one in claims if one is not None]


def _claim_of(
    pod: core_v1.Pod, wanted: core_v1.PodResourceClaim, find: Callable[[Key], resource_v1.ResourceClaim | None]
) -> resource_v1.ResourceClaim | None:
    namespace, own_name = pod.metadata.namespace, pod.metadata.name
    name, generated = wanted.resource_claim_name, False
    if name is None:
        status = next((one for one in pod.status.resource_claim_statuses if one.name == wanted.name), None)
        if status is None:
            raise ClaimUnusable(f'pod "{namespace}/{own_name}": ResourceClaim not created yet')
        name, generated = status.resource_claim_name, True
    if name is None:
        return None
    claim = find(Key(namespace, name))
    if claim is None:
        raise ClaimUnusable(f"could not find ResourceClaim {quoted(f'{namespace}/{name}')}")
    if claim.metadata.deletion_timestamp is not None:
        raise ClaimUnusable(f"resourceclaim {quoted(name)} is being deleted")
    if generated and not is_controlled_by(claim, pod):
        made = f"ResourceClaim {namespace}/{name} was not created for Pod {namespace}/{own_name}"
        raise ClaimUnusable(f"{made} (Pod is not owner)")
    return claim


def consumer(pod: core_v1.Pod) -> resource_v1.ResourceClaimConsumerReference:
    """How a claim says that it is reserved for the pod."""
    metadata = pod.metadata
    return resource_v1.ResourceClaimConsumerReference(resource="pods", name=metadata.name, uid=metadata.uid)


def is_reserved_for(claim: resource_v1.ResourceClaim, pod: core_v1.Pod) -> bool:
    return any(one.uid == pod.metadata.uid for one in claim.status.reserved_for)


def is_held_by_others(claim: resource_v1.ResourceClaim, pod: core_v1.Pod) -> bool:
    return any(one.uid != pod.metadata.uid for one in claim.status.reserved_for)


def is_ready(claim: resource_v1.ResourceClaim) -> bool:
    """Whether every device that must be made ready before a pod is bound is so. Raises BindingFailed."""
    allocation = claim.status.allocation
    return allocation is not None and all(_is_ready(claim, one) for one in allocation.devices.results)


def _is_ready(claim: resource_v1.ResourceClaim, given: resource_v1.DeviceRequestAllocationResult) -> bool:
    if not given.binding_conditions:
        return True
    status = next(
        (
            one
            for one in claim.status.devices
            if (one.driver, one.pool, one.device) == (given.driver, given.pool, given.device)
        ),
        None,
    )
    if status is None:
        return False
    true = {one.type: one for one in status.conditions if one.status == "True"}
    failed: meta_v1.Condition | None = next(
        (true[one] for one in given.binding_failure_conditions if one in true), None
    )
    if failed is not None:
        why = f"claim={claim.metadata.name}, reason={failed.reason}, message={quoted(failed.message)}"
        raise BindingFailed(f"device binding failed: {why}")
    return all(one in true for one in given.binding_conditions)


def must_be_made_ready(claim: resource_v1.ResourceClaim) -> bool:
    allocation = claim.status.allocation
    return allocation is not None and any(one.binding_conditions for one in allocation.devices.results)


def is_late(claim: resource_v1.ResourceClaim, now: datetime, timeout: float) -> bool:
    """Whether its devices should have been ready by now."""
    allocation = claim.status.allocation
    since = allocation.allocation_timestamp if allocation is not None else None
    return must_be_made_ready(claim) and since is not None and since + timedelta(seconds=timeout) < now
