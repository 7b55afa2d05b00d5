"""VolumeBinding: a pod goes where the volumes of its claims are, or where they can be made.

Claims of classes that wait for their first consumer are bound, or given to their provisioner, when the node is chosen;
the pod is bound to the node when they are.
With the feature StorageCapacityScoring nodes are scored by how full their volumes and storage would be.
Follows pkg/scheduler/framework/plugins/volumebinding.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec
import numpy as np

from pybernetes.api import storage
from pybernetes.api.errors import ApiError
from pybernetes.api.fields import quoted
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.client import Client, Unreachable, key_of
from pybernetes.scheduler.arrays import Ints, Mask, Rows
from pybernetes.scheduler.assumed_volumes import AssumedVolumes
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.configuration.arguments import VolumeBindingArgs
from pybernetes.scheduler.framework import ClusterEvent, Code, NotPrepared, Refusal, Rejection, Reservation, Scope
from pybernetes.scheduler.hints import Change
from pybernetes.scheduler.plugins.node_affinity import any_term
from pybernetes.scheduler.plugins.volume_restrictions import is_claim_of
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.volume_plan import (
    PodClaims,
    PodVolumes,
    Shortfall,
    choices_for,
    claims_of,
    volumes_on,
    why_not_anywhere,
)
from pybernetes.scheduler.volume_points import FULL_IS_WORST, points

NODE_CONFLICT = "node(s) didn't match PersistentVolume's node affinity"
BIND_CONFLICT = "node(s) didn't find available persistent volumes to bind"
NOT_ENOUGH_SPACE = "node(s) did not have enough free storage"
VOLUME_MISSING = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"


class VolumeBinding:
    name = "VolumeBinding"
    scope = Scope.CLUSTER
    wakes_on = frozenset(
        (
            ClusterEvent.NODE_ADDED,
            ClusterEvent.NODE_LABELS_CHANGED,
            ClusterEvent.CLAIM_CHANGED,
            ClusterEvent.VOLUME_CHANGED,
            ClusterEvent.STORAGE_CLASS_ADDED,
            ClusterEvent.CAPACITY_CHANGED,
            ClusterEvent.CSI_DRIVER_CHANGED,
        )
    )

    def __init__(self, cluster: ClusterState, volumes: AssumedVolumes, arguments: VolumeBindingArgs) -> None:
        self._cluster = cluster
        self._volumes = volumes
        self._timeout = arguments.bind_timeout_seconds
        self._shape = arguments.shape or FULL_IS_WORST

    def could_help(self, pod: PodInfo, change: Change) -> bool:
        """A claim of the pod; anything else that happens to volumes, classes and nodes."""
        return change.event is not ClusterEvent.CLAIM_CHANGED or is_claim_of(pod, change.new)

    def rejection(self, pod: PodInfo) -> Rejection | None:
        why = why_not_anywhere(pod, self._volumes) if pod.claims else ""
        return Rejection(why) if why else None

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return bool(pod.claims)

    def minds_pods(self, pod: PodInfo) -> bool:
        return False

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        claims = claims_of(pod, self._volumes)
        outside, missing = self._bound_elsewhere(claims, nodes, rows)
        without, short = self._without_volumes(claims, nodes, rows)
        masks = {NODE_CONFLICT: outside, BIND_CONFLICT: without, NOT_ENOUGH_SPACE: short, VOLUME_MISSING: missing}
        return [Refusal(mask, reason, Code.UNRESOLVABLE) for reason, mask in masks.items() if mask is not None]

    def _bound_elsewhere(self, claims: PodClaims, nodes: NodeColumns, rows: Rows) -> tuple[Mask | None, Mask | None]:
        """Where a bound volume cannot be reached, and where one is missing: of a node's claims the first tells."""
        outside: Mask | None = None
        for claim in claims.bound:
            volume = self._volumes.volume(claim.spec.volume_name)
            if volume is None:
                everywhere: Mask = np.ones(len(nodes.present[rows]), np.bool_)
                return outside, everywhere if outside is None else ~outside
            affinity = volume.spec.node_affinity
            if affinity is not None and affinity.required is not None:
                unreached = ~any_term(nodes, affinity.required.node_selector_terms, rows)
                outside = unreached if outside is None else outside | unreached
        return outside, None

    def _without_volumes(self, claims: PodClaims, nodes: NodeColumns, rows: Rows) -> tuple[Mask | None, Mask | None]:
        """Where there are no volumes for the claims, and where there is no room for them."""
        if not claims.delayed:
            return None, None
        asked = np.arange(nodes.capacity)[rows]
        refused = {one: np.zeros(len(asked), np.bool_) for one in Shortfall}
        choices = choices_for(claims, self._volumes)
        same_everywhere = not any(choice.depends_on_node for choice in choices)
        for place, row in enumerate(asked):
            node = nodes.nodes[row] if row < nodes.size else None
            if node is None:
                continue
            found = volumes_on(choices, node)
            if isinstance(found, Shortfall):
                refused[found][slice(None) if same_everywhere else place] = True
            if same_everywhere:
                break
        return refused[Shortfall.VOLUMES], refused[Shortfall.SPACE]

    def prefers(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return bool(pod.claims) and bool(claims_of(pod, self._volumes).delayed)

    def score(self, pod: PodInfo, nodes: NodeColumns, rows: Rows, feasible: Mask) -> Ints:
        choices = choices_for(claims_of(pod, self._volumes), self._volumes)
        total: Ints = np.zeros(nodes.capacity, np.int64)
        for row in np.flatnonzero(feasible):
            node = nodes.nodes[row]
            found = volumes_on(choices, node) if node is not None else Shortfall.VOLUMES
            if isinstance(found, PodVolumes):
                total[row] = points(found, self._shape)
        return total[rows]

    def normalise(self, pod: PodInfo, nodes: NodeColumns, raw: Ints, feasible: Mask) -> Ints:
        return raw

    def reserve(self, pod: PodInfo, node: str) -> Reservation | None:
        if not pod.claims:
            return None
        row = self._cluster.nodes.row(node)
        known = self._cluster.nodes.nodes[row] if row is not None else None
        claims = claims_of(pod, self._volumes)
        if known is None or not claims.delayed:
            return None
        planned = volumes_on(choices_for(claims, self._volumes), known)
        if isinstance(planned, Shortfall):
            return None
        reserved = _Reserved(self._cluster, self._volumes, pod, known, _reserved(planned, node), self._timeout)
        reserved.assume()
        return reserved


def _reserved(planned: PodVolumes, node: str) -> PodVolumes:
    """Volumes that name their claims, and claims that name the node."""
    return PodVolumes(
        tuple((storage.bound_to(volume, claim), claim) for volume, claim in planned.bindings),
        tuple(
            msgspec.structs.replace(
                claim, metadata=storage.with_annotation(claim.metadata, storage.SELECTED_NODE, node)
            )
            for claim in planned.provisions
        ),
    )


@dataclass(slots=True)
class _Reserved:
    cluster: ClusterState
    state: AssumedVolumes
    pod: PodInfo
    node: core_v1.Node
    wanted: PodVolumes
    timeout: float
    takes_time: ClassVar[bool] = True
    written: dict[object, int] = field(default_factory=dict)
    """The resource versions of what was written: what the informers show of it may be older."""

    def assume(self) -> None:
        for volume, _ in self.wanted.bindings:
            self.state.assume_volume(volume)
        for claim in self.wanted.provisions:
            self.state.assume_claim(claim)

    def settle(self) -> None:
        """What is assumed stays so."""

    async def undo(self, client: Client) -> None:
        """Claims keep the node that was selected for them: whoever provisions them may have begun."""

    def release(self) -> None:
        for volume, _ in self.wanted.bindings:
            self.state.forget_volume(volume)
        for claim in self.wanted.provisions:
            self.state.forget_claim(claim)

    async def prepare(self, client: Client) -> None:
        try:
            await self._write(client)
            async with asyncio.timeout(self.timeout):
                await self.state.known.until(self._is_bound, self._keys())
        except TimeoutError as error:
            raise self._failed("binding volumes: context deadline exceeded") from error
        except (ApiError, Unreachable) as error:
            raise self._failed(str(error)) from error

    def _keys(self) -> Iterator[Key]:
        """What a change of may be what is waited for; volumes that are made wake by the claim that they name."""
        yield self.pod.key
        for volume, claim in self.wanted.bindings:
            yield from (key_of(volume), key_of(claim))
        yield from map(key_of, self.wanted.provisions)

    def _failed(self, why: str) -> NotPrepared:
        return NotPrepared(f'running PreBind plugin "{VolumeBinding.name}": {why}')

    async def _write(self, client: Client) -> None:
        for volume, _ in self.wanted.bindings:
            made = await client.update(volume)
            self.written[volume.metadata.name] = int(made.metadata.resource_version)
        for claim in self.wanted.provisions:
            marked = await client.update(claim)
            self.written[key_of(claim)] = int(marked.metadata.resource_version)

    def _is_bound(self) -> bool:
        if not self.cluster.holds(self.pod):
            raise self._failed("binding volumes: pod does not exist any more")
        bindings = [self._is_binding_done(volume, claim) for volume, claim in self.wanted.bindings]
        return all(bindings) and all(self._is_provisioned(claim) for claim in self.wanted.provisions)

    def _is_binding_done(self, volume: core_v1.PersistentVolume, claim: core_v1.PersistentVolumeClaim) -> bool:
        name = volume.metadata.name
        known, user = self.state.known.volumes.get(name), self.state.known.claims.get(key_of(claim))
        if known is None or user is None:
            missing = f"persistentvolume {quoted(name)}" if known is None else f"persistentvolumeclaim {key_of(claim)}"
            raise self._failed(f"binding volumes: failed to check binding: {missing} not found")
        if int(known.metadata.resource_version) < self.written[name]:
            return False
        self._check_reach(known)
        if known.spec.claim_ref is None or not known.spec.claim_ref.uid:
            raise self._failed(f"binding volumes: ClaimRef got reset for pv {quoted(name)}")
        return storage.is_fully_bound(user)

    def _is_provisioned(self, claim: core_v1.PersistentVolumeClaim) -> bool:
        key, name = key_of(claim), quoted(claim.metadata.name)
        known = self.state.known.claims.get(key)
        if known is None:
            raise self._failed(f"binding volumes: failed to check provisioning pvc: {key} not found")
        if int(known.metadata.resource_version) < self.written[key]:
            return False
        if known.metadata.annotations.get(storage.SELECTED_NODE) != self.node.metadata.name:
            raise self._failed(f"binding volumes: provisioning failed for PVC {name}")
        volume = self.state.known.volumes.get(known.spec.volume_name)
        if volume is None:
            return False
        self._check_reach(volume)
        return storage.is_fully_bound(known)

    def _check_reach(self, volume: core_v1.PersistentVolume) -> None:
        if not storage.reaches(volume, self.node):
            name, node = quoted(volume.metadata.name), quoted(self.node.metadata.name)
            why = f"pv {name} node affinity doesn't match node {node}: no matching NodeSelectorTerms"
            raise self._failed(f"binding volumes: {why}")
