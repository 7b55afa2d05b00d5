"""What pods' claims of devices ask for: pure decisions of `resource_claim.py`.

Follows pkg/controller/resourceclaim/controller.go and k8s.io/dynamic-resource-allocation/resourceclaim.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pybernetes.api import meta
from pybernetes.api.models import core_v1, meta_v1, resource_v1

FINALIZER = "resource.kubernetes.io/delete-protection"
POD_CLAIM = "resource.kubernetes.io/pod-claim-name"
MOST_CONSUMERS = 256
LONGEST_BASE = 57
"""Leaves room in a name for a hyphen and five letters."""


def is_done(pod: core_v1.Pod) -> bool:
    """It will not run (any more)."""
    never_ran = pod.metadata.deletion_timestamp is not None and not pod.spec.node_name
    return pod.status.phase in ("Succeeded", "Failed") or never_ran


def recorded_name(pod: core_v1.Pod, wanted: core_v1.PodResourceClaim) -> str | None:
    """The claim behind one that a pod wants; "" where none is needed, None while that is not known."""
    if wanted.resource_claim_name is not None:
        return wanted.resource_claim_name
    for status in pod.status.resource_claim_statuses:
        if status.name == wanted.name:
            return status.resource_claim_name or ""
    return None


def is_for(pod: core_v1.Pod, claim: resource_v1.ResourceClaim) -> bool:
    owner = meta.controller_of(claim)
    return owner is not None and owner.uid == pod.metadata.uid


def generated_for(
    pod: core_v1.Pod, wanted: core_v1.PodResourceClaim, claims: Iterable[resource_v1.ResourceClaim]
) -> resource_v1.ResourceClaim | None:
    """One that was made already, by a pass that could not write it down."""
    made = (one for one in claims if is_for(pod, one) and one.metadata.annotations.get(POD_CLAIM) == wanted.name)
    return next(made, None)


def claim_from(
    pod: core_v1.Pod, wanted: core_v1.PodResourceClaim, template: resource_v1.ResourceClaimTemplate
) -> resource_v1.ResourceClaim:
    owner = msgspec.structs.replace(meta.owner_reference(pod), block_owner_deletion=None)
    described = template.spec.metadata
    metadata = meta_v1.ObjectMeta(
        generate_name=_base(pod.metadata.name, wanted.name),
        namespace=pod.metadata.namespace,
        labels=dict(described.labels),
        annotations={**described.annotations, POD_CLAIM: wanted.name},
        owner_references=[owner],
    )
    return resource_v1.ResourceClaim(metadata=metadata, spec=template.spec.spec)


def _base(pod: str, claim: str) -> str:
    """Both names, each shortened in proportion where they are too long together."""
    whole = f"{pod}-{claim}-"
    if len(whole) <= LONGEST_BASE:
        return whole
    return f"{_share(pod, whole)}-{_share(claim, whole)}"


def _share(name: str, whole: str) -> str:
    return name[: len(name) * LONGEST_BASE // len(whole)]


def may_reserve(pod: core_v1.Pod, claim: resource_v1.ResourceClaim) -> bool:
    """It is allocated, not reserved for the pod yet, and has room for another consumer."""
    reserved = claim.status.reserved_for
    is_reserved = any(one.uid == pod.metadata.uid for one in reserved)
    return claim.status.allocation is not None and not is_reserved and len(reserved) < MOST_CONSUMERS


def reserved_for(claim: resource_v1.ResourceClaim, pod: core_v1.Pod) -> resource_v1.ResourceClaim:
    consumer = resource_v1.ResourceClaimConsumerReference(resource="pods", name=pod.metadata.name, uid=pod.metadata.uid)
    status = msgspec.structs.replace(claim.status, reserved_for=[*claim.status.reserved_for, consumer])
    return msgspec.structs.replace(claim, status=status)


def released(
    claim: resource_v1.ResourceClaim, remaining: Iterable[resource_v1.ResourceClaimConsumerReference]
) -> resource_v1.ResourceClaim:
    """With the consumers that remain; without any it is not allocated any more, so that it can be elsewhere."""
    kept = list(remaining)
    status = msgspec.structs.replace(claim.status, reserved_for=kept)
    if not kept and FINALIZER in claim.metadata.finalizers:
        status = msgspec.structs.replace(status, allocation=None)
    return msgspec.structs.replace(claim, status=status)


def unprotected(claim: resource_v1.ResourceClaim) -> resource_v1.ResourceClaim:
    finalizers = [one for one in claim.metadata.finalizers if one != FINALIZER]
    return msgspec.structs.replace(claim, metadata=msgspec.structs.replace(claim.metadata, finalizers=finalizers))
