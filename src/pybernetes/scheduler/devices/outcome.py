"""What a search found, as claims keep it: their AllocationResults.

Follows the end of Allocate in k8s.io/dynamic-resource-allocation/structured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from uuid import NAMESPACE_OID, uuid5

from pybernetes.api.models import core_v1, resource_v1
from pybernetes.scheduler.devices.requests import AllocationFailed, Wanted
from pybernetes.scheduler.devices.search import ClaimDevices, Given


def allocation_of(found: ClaimDevices, node: str) -> resource_v1.AllocationResult:
    """Raises AllocationFailed."""
    claim = found.claim.claim
    results = [_result(claim, given, index) for index, given in enumerate(found.devices)]
    config = [*_of_classes(found.chosen), *_of_claim(claim, found.chosen)]
    return resource_v1.AllocationResult(
        devices=resource_v1.DeviceAllocationResult(results=results, config=config),
        node_selector=node_selector_of(found.devices, node),
    )


def _result(claim: resource_v1.ResourceClaim, given: Given, index: int) -> resource_v1.DeviceRequestAllocationResult:
    device, wanted = given.found.device, given.wanted
    shared = given.consumed is not None
    # Another version of the claim is another allocation: its shares are others.
    share = uuid5(NAMESPACE_OID, f"{claim.metadata.uid}/{claim.metadata.resource_version}/{index}")
    return resource_v1.DeviceRequestAllocationResult(
        request=wanted.reference,
        driver=given.found.id.driver,
        pool=given.found.id.pool,
        device=given.found.id.device,
        admin_access=True if wanted.admin else None,
        tolerations=list(wanted.tolerations),
        binding_conditions=device.binding_conditions,
        binding_failure_conditions=device.binding_failure_conditions,
        share_id=str(share) if shared else None,
        consumed_capacity={name: str(amount) for name, amount in (given.consumed or {}).items()},
    )


def _of_classes(chosen: Iterable[Wanted]) -> Iterator[resource_v1.DeviceAllocationConfiguration]:
    """Each class once, for all requests that use it."""
    requests: dict[str, tuple[resource_v1.DeviceClass, list[str]]] = {}
    for wanted in chosen:
        requests.setdefault(wanted.device_class.metadata.name, (wanted.device_class, []))[1].append(wanted.reference)
    for device_class, names in requests.values():
        for one in device_class.spec.config:
            yield resource_v1.DeviceAllocationConfiguration(source="FromClass", requests=names, opaque=one.opaque)


def _of_claim(
    claim: resource_v1.ResourceClaim, chosen: Iterable[Wanted]
) -> Iterator[resource_v1.DeviceAllocationConfiguration]:
    taken = list(chosen)
    for one in claim.spec.devices.config:
        concerned = [wanted for wanted in taken if wanted.request in one.requests or wanted.reference in one.requests]
        for _ in concerned if one.requests else (None,):
            yield resource_v1.DeviceAllocationConfiguration(
                source="FromClaim", requests=one.requests, opaque=one.opaque
            )


def node_selector_of(devices: Iterable[Given], node: str) -> core_v1.NodeSelector | None:
    """Where the devices can be used: on one node, on those that every selector of their slices lets through, or all."""
    term = core_v1.NodeSelectorTerm()
    for given in devices:
        spec, device = given.found.slice.spec, given.found.device
        by_device = bool(spec.per_device_node_selection)
        name = device.node_name if by_device else spec.node_name
        selector = device.node_selector if by_device else spec.node_selector
        if name is not None or device.binds_to_node:
            only = core_v1.NodeSelectorRequirement(key="metadata.name", operator="In", values=[node])
            return core_v1.NodeSelector(node_selector_terms=[core_v1.NodeSelectorTerm(match_fields=[only])])
        if selector is not None:
            terms = selector.node_selector_terms
            if len(terms) > 1:
                raise AllocationFailed(f"unsupported ResourceSlice.NodeSelector with {len(terms)} terms")
            for one in terms:
                _add(term.match_fields, one.match_fields)
                _add(term.match_expressions, one.match_expressions)
    if not term.match_fields and not term.match_expressions:
        return None
    return core_v1.NodeSelector(node_selector_terms=[term])


def _add(known: list[core_v1.NodeSelectorRequirement], more: list[core_v1.NodeSelectorRequirement]) -> None:
    for one in more:
        if not any(
            one.key == other.key and one.operator == other.operator and set(one.values) == set(other.values)
            for other in known
        ):
            known.append(one)
