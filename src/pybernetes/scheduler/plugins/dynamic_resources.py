"""DynamicResources: a pod goes where its claims of devices are, or can be, allocated.

Devices are chosen when nodes are looked at, promised when one is chosen, and written into the claims before the pod is
bound (``claim_binding.py``). A claim that nobody uses and that keeps the pod from every node is deallocated.
Follows pkg/scheduler/framework/plugins/dynamicresources; features that are alpha in v1.36 are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pybernetes.api.clock import Clock
from pybernetes.api.models import core_v1, resource_v1
from pybernetes.client import Client, key_of
from pybernetes.scheduler.arrays import Ints, Mask, Rows
from pybernetes.scheduler.claim_binding import ReservedClaims, deallocate
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.configuration.arguments import DynamicResourcesArgs
from pybernetes.scheduler.devices.outcome import allocation_of
from pybernetes.scheduler.devices.requests import AllocationFailed, WantedClaim, wanted
from pybernetes.scheduler.devices.search import ClaimDevices, InvalidPools, find_devices
from pybernetes.scheduler.devices.selection import Selection
from pybernetes.scheduler.extended_claim_binding import ExtendedClaim, Together, delete
from pybernetes.scheduler.extended_devices import IN_MEMORY, Needed, needed, own_claim
from pybernetes.scheduler.framework import (
    Aftermath,
    ClusterEvent,
    Code,
    PluginFailed,
    Refusal,
    Rejection,
    Reservation,
    Scope,
    scaled_to_highest,
)
from pybernetes.scheduler.hints import Change
from pybernetes.scheduler.plugins.node_affinity import any_term
from pybernetes.scheduler.pod_claims import (
    BindingFailed,
    ClaimUnusable,
    claims_of,
    is_held_by_others,
    is_late,
    is_ready,
    is_reserved_for,
)
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.wording import NOTHING_TO_DEALLOCATE

UNAVAILABLE = "resourceclaim not available on the node"
CANNOT_ALLOCATE = "cannot allocate all claims"
LEFT_OVER = "cannot schedule extended resource claim"
DELETED = "deletion of ResourceClaim completed"
DEALLOCATED = "deallocation of ResourceClaim completed"
STILL_NOT = "still not schedulable"
_BEST_ALTERNATIVE = 8


class DynamicResources:
    name = "DynamicResources"
    scope = Scope.CLUSTER
    wakes_on = frozenset(
        (
            ClusterEvent.NODE_ADDED,
            ClusterEvent.NODE_LABELS_CHANGED,
            ClusterEvent.NODE_TAINTS_CHANGED,
            ClusterEvent.NODE_ALLOCATABLE_CHANGED,
            ClusterEvent.RESOURCE_CLAIM_CHANGED,
            ClusterEvent.DEVICE_CLASS_CHANGED,
            ClusterEvent.RESOURCE_SLICE_CHANGED,
        )
    )

    def __init__(self, state: ClusterState, clock: Clock, arguments: DynamicResourcesArgs) -> None:
        self._state = state
        self._devices = state.devices
        self._clock = clock
        self._most_steps = arguments.most_steps
        self._binding_timeout = arguments.binding_seconds

    def holds_back(self, pod: PodInfo) -> str:
        if not pod.spec.resource_claims:
            return ""
        try:
            claims_of(pod.pod, self._devices.claim)
        except ClaimUnusable as error:
            return str(error)
        return ""

    def could_help(self, pod: PodInfo, change: Change) -> bool:
        """A claim that gave up its devices helps anyone, one that changes in another way those who use it."""
        if change.event is not ClusterEvent.RESOURCE_CLAIM_CHANGED or change.new is None:
            return True
        was_given = change.old is not None and change.old.status.allocation is not None
        if was_given and change.new.status.allocation is None:
            return True
        try:
            claims = claims_of(pod.pod, self._devices.claim)
        except ClaimUnusable:
            return False
        return any(one.metadata.uid == change.new.metadata.uid for one in claims)

    def rejection(self, pod: PodInfo) -> Rejection | None:
        if not pod.spec.resource_claims:
            return None
        try:
            claims = claims_of(pod.pod, self._devices.claim)
        except ClaimUnusable as error:
            return Rejection(str(error))
        why = next((why for claim in claims if (why := self._why_not_anywhere(claim))), "")
        return Rejection(why) if why else None

    def _why_not_anywhere(self, claim: resource_v1.ResourceClaim) -> str:
        if claim.status.allocation is not None:
            return ""
        if self._devices.promised(claim.metadata.uid) is not None:
            return f"resource claim {key_of(claim)} is in the process of being allocated"
        for request in claim.spec.devices.requests:
            classes = (
                {request.name: request.exactly.device_class_name}
                if request.exactly is not None
                else {f"{request.name}/{one.name}": one.device_class_name for one in request.first_available}
            )
            if not classes:
                return f"resource claim {key_of(claim)}, request {request.name}: unknown request type"
            for name, device_class in classes.items():
                if device_class not in self._devices.classes:
                    return f"request {name}: device class {device_class} does not exist"
        return ""

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return bool(pod.spec.resource_claims) or bool(self._extended(pod))

    def _extended(self, pod: PodInfo) -> dict[str, resource_v1.DeviceClass]:
        """The extended resources of a pod that may be devices."""
        classes = ((name, self._devices.class_for(name)) for name, amount in pod.requests.items() if amount)
        return {name: one for name, one in classes if one is not None}

    def minds_pods(self, pod: PodInfo) -> bool:
        return False

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        claims = claims_of(pod.pod, self._devices.claim)
        unavailable = self._unavailable(claims, nodes, rows)
        refused: dict[str, Mask] = {}
        missing = self._missing(claims)
        extended = self._extended(pod)
        if extended and self._devices.claim_of_pod(pod.pod.metadata.uid) is not None:
            everywhere: Mask = np.ones(len(unavailable), np.bool_)
            return [Refusal(everywhere, LEFT_OVER, Code.UNRESOLVABLE)]
        if missing or extended:
            selection = Selection()
            for place, row in enumerate(np.arange(nodes.capacity)[rows]):
                node = nodes.nodes[row] if row < nodes.size else None
                if node is None:
                    continue
                asked = [*missing, *self._own(pod, extended, nodes, int(row))]
                if asked and (why := self._why_not(asked, node, selection)):
                    refused.setdefault(why, np.zeros(len(unavailable), np.bool_))[place] = True
        every = np.logical_or.reduce(list(refused.values())) if refused else np.zeros(len(unavailable), np.bool_)
        refused[UNAVAILABLE] = unavailable & ~every
        return [Refusal(mask, reason, Code.UNRESOLVABLE) for reason, mask in refused.items()]

    def _own(
        self, pod: PodInfo, extended: Mapping[str, resource_v1.DeviceClass], nodes: NodeColumns, row: int
    ) -> list[WantedClaim]:
        """The pod's own claim, for the extended resources that the node has no other way; at most one."""
        asked = self._needed(pod, extended, nodes, row)
        return [wanted(own_claim(pod.pod, asked.requests), self._devices.classes)] if asked.requests else []

    def _needed(
        self, pod: PodInfo, extended: Mapping[str, resource_v1.DeviceClass], nodes: NodeColumns, row: int
    ) -> Needed:
        here = {name: one for name, one in extended.items() if not nodes.allocatable[nodes.resource_index(name), row]}
        return needed(pod.pod, here)

    def _unavailable(self, claims: Sequence[resource_v1.ResourceClaim], nodes: NodeColumns, rows: Rows) -> Mask:
        refused: Mask = np.zeros(len(nodes.present[rows]), np.bool_)
        for claim in claims:
            allocation = claim.status.allocation
            if allocation is None:
                continue
            if allocation.node_selector is not None:
                refused |= ~any_term(nodes, allocation.node_selector.node_selector_terms, rows)
            if self._is_lost(claim):
                refused[:] = True
        return refused

    def _is_lost(self, claim: resource_v1.ResourceClaim) -> bool:
        """Its devices cannot be made ready."""
        try:
            return not is_ready(claim) and is_late(claim, self._clock.now(), self._binding_timeout)
        except BindingFailed:
            return True

    def _missing(self, claims: Sequence[resource_v1.ResourceClaim]) -> list[WantedClaim]:
        try:
            return [wanted(one, self._devices.classes) for one in claims if one.status.allocation is None]
        except AllocationFailed as error:
            raise PluginFailed(self.name, "filter", error) from error

    def _why_not(self, claims: Sequence[WantedClaim], node: core_v1.Node, selection: Selection) -> str:
        try:
            return "" if self._found(claims, node, selection) is not None else CANNOT_ALLOCATE
        except InvalidPools as error:
            return str(error)
        except AllocationFailed as error:
            raise PluginFailed(self.name, "filter", error) from error

    def _found(
        self, claims: Sequence[WantedClaim], node: core_v1.Node, selection: Selection
    ) -> tuple[ClaimDevices, ...] | None:
        pools = self._devices.slices.pools_for(node)
        return find_devices(node, claims, pools, self._devices.taken, selection, self._most_steps)

    def prefers(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return bool(pod.spec.resource_claims) and any(
            request.first_available
            for claim in claims_of(pod.pod, self._devices.claim)
            for request in claim.spec.devices.requests
        )

    def score(self, pod: PodInfo, nodes: NodeColumns, rows: Rows, feasible: Mask) -> Ints:
        """The earlier the alternatives that a node has, the better."""
        claims = claims_of(pod.pod, self._devices.claim)
        missing, selection = self._missing(claims), Selection()
        given = [one for one in claims if one.status.allocation is not None]
        same = sum(map(_points_of_allocated, given))
        total: Ints = np.zeros(nodes.capacity, np.int64)
        for row in np.flatnonzero(feasible):
            node = nodes.nodes[row]
            assert node is not None
            found = self._found(missing, node, selection) if missing else ()
            total[row] = same + sum(map(_points_of_found, found or ()))
        return total[rows]

    def normalise(self, pod: PodInfo, nodes: NodeColumns, raw: Ints, feasible: Mask) -> Ints:
        return scaled_to_highest(raw, feasible, reverse=False)

    def reserve(self, pod: PodInfo, node: str) -> Reservation | None:
        extended = self._extended(pod)
        if not pod.spec.resource_claims and not extended:
            return None
        claims = claims_of(pod.pod, self._devices.claim)
        missing = self._missing(claims)
        row = self._state.nodes.row(node)
        known = self._state.nodes.nodes[row] if row is not None else None
        if row is not None:
            missing += self._own(pod, extended, self._state.nodes, row)
        found = self._found(missing, known, Selection()) if missing and known is not None else ()
        if found is None:
            raise PluginFailed(self.name, "Reserve", AllocationFailed("claim allocation not found for node"))
        own = [one for one in found if one.claim.claim.metadata.name == IN_MEMORY]
        given = {key_of(one.claim.claim): allocation_of(one, node) for one in found if one not in own}
        reservations: list[ReservedClaims | ExtendedClaim] = []
        if given or not all(is_reserved_for(one, pod.pod) for one in claims):
            keys = [key_of(one) for one in claims]
            reservations.append(ReservedClaims(self._devices, self._clock, pod.pod, keys, given, self._binding_timeout))
        for one in own:
            assert row is not None
            mappings = self._needed(pod, extended, self._state.nodes, row).mappings
            claim, allocation = one.claim.claim, allocation_of(one, node)
            reservations.append(ExtendedClaim(self._devices, self._clock, pod.pod, claim, allocation, mappings))
        for reserved in reservations:
            reserved.promise()
        return Together(reservations) if reservations else None

    def no_node_for(self, pod: PodInfo, refusals: Callable[[], Mapping[str, str]]) -> Aftermath | None:
        extended = self._extended(pod)
        if not (pod.spec.resource_claims or extended) or self.rejection(pod) is not None:
            return Aftermath(NOTHING_TO_DEALLOCATE)
        claims = claims_of(pod.pod, self._devices.claim)
        idle = next((one for one in claims if self._keeps_away(one) and not is_held_by_others(one, pod.pod)), None)
        left_over = self._devices.claim_of_pod(pod.pod.metadata.uid) if extended else None
        if idle is None and left_over is not None:
            return Aftermath(DELETED, act=lambda client: delete(client, left_over))
        if idle is None:
            return Aftermath(STILL_NOT)

        async def act(client: Client) -> None:
            await deallocate(client, idle)

        return Aftermath(DEALLOCATED, act=act)

    def _keeps_away(self, claim: resource_v1.ResourceClaim) -> bool:
        """Whether an allocated claim was not available on some node."""
        nodes = self._state.nodes
        unavailable = self._unavailable([claim], nodes, slice(None))
        return claim.status.allocation is not None and bool((unavailable & nodes.present).any())


def _points_of_found(one: ClaimDevices) -> int:
    return sum(
        _BEST_ALTERNATIVE - alternatives.index(chosen)
        for alternatives, chosen in zip(one.claim.requests, one.chosen, strict=True)
        if chosen.alternative
    )


def _points_of_allocated(claim: resource_v1.ResourceClaim) -> int:
    allocation = claim.status.allocation
    used = {one.request for one in allocation.devices.results} if allocation is not None else set()
    return sum(
        _BEST_ALTERNATIVE - index
        for request in claim.spec.devices.requests
        for index, one in enumerate(request.first_available)
        if f"{request.name}/{one.name}" in used
    )
