"""VolumeRestrictions: pods that may not use the same disk at once (classic name: NoDiskConflict).

Disks of a node's pods, and claims of which only one pod may make use (ReadWriteOncePod).
Follows pkg/scheduler/framework/plugins/volumerestrictions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.scheduler.arrays import Rows
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.framework import ClusterEvent, Refusal, Rejection, Scope
from pybernetes.scheduler.hints import Change
from pybernetes.scheduler.pod_info import PodInfo

REASON_DISK = "node(s) had no available disk"
REASON_IN_USE = (
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
)


class VolumeRestrictions:
    name = "VolumeRestrictions"
    scope = Scope.CLUSTER
    wakes_on = frozenset((ClusterEvent.NODE_ADDED, ClusterEvent.POD_REMOVED, ClusterEvent.CLAIM_CHANGED))

    def __init__(self, state: ClusterState) -> None:
        self._state = state

    def could_help(self, pod: PodInfo, change: Change) -> bool:
        """A new node, a claim of the pod, or a pod that went and had its disk or claim."""
        match change.event:
            case ClusterEvent.CLAIM_CHANGED:
                return is_claim_of(pod, change.new)
            case ClusterEvent.POD_REMOVED:
                shares = change.old.namespace == pod.namespace and not set(change.old.claims).isdisjoint(pod.claims)
                return shares or any(conflict(disk, held) for disk in pod.disks for held in change.old.disks)
        return True

    def rejection(self, pod: PodInfo) -> Rejection | None:
        for name in _named_claims(pod) if pod.claims else ():
            if Key(pod.namespace, name) not in self._state.storage.claims:
                return Rejection(f'persistentvolumeclaim "{name}" not found')
        return None

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return bool(pod.disks) or (bool(pod.claims) and any(self._taken(pod)))

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        conflicting = nodes.mask_of(
            row
            for row, users in self._state.placed_volumes.rows().items()
            if any(conflict(disk, other) for user in users.values() for other in user.disks for disk in pod.disks)
        )
        refusals = [Refusal(conflicting[rows], REASON_DISK)]
        if any(self._taken(pod)):
            refusals.append(Refusal(np.asarray((nodes.present & ~conflicting)[rows]), REASON_IN_USE))
        return refusals

    def _taken(self, pod: PodInfo) -> Iterator[bool]:
        for name in _named_claims(pod):
            key = Key(pod.namespace, name)
            claim = self._state.storage.claims.get(key)
            if claim is not None and "ReadWriteOncePod" in claim.spec.access_modes:
                yield self._state.placed_volumes.uses(key) > 0


def _named_claims(pod: PodInfo) -> Iterator[str]:
    """Claims that the pod names itself, not those that are made for it alone."""
    for volume in pod.spec.volumes:
        if volume.persistent_volume_claim is not None:
            yield volume.persistent_volume_claim.claim_name


def is_claim_of(pod: PodInfo, claim: core_v1.PersistentVolumeClaim) -> bool:
    return claim.metadata.namespace == pod.namespace and claim.metadata.name in pod.claims


def conflict(one: core_v1.Volume, other: core_v1.Volume) -> bool:
    """Whether two pods of a node cannot have these at once; most types allow it where both only read."""
    if (disk := one.gce_persistent_disk) is not None and (held := other.gce_persistent_disk) is not None:
        return disk.pd_name == held.pd_name and not (disk.read_only and held.read_only)
    if (block := one.aws_elastic_block_store) is not None and (taken := other.aws_elastic_block_store) is not None:
        return block.volume_id == taken.volume_id
    if (target := one.iscsi) is not None and (used := other.iscsi) is not None:
        return target.iqn == used.iqn and not (target.read_only and used.read_only)
    if (image := one.rbd) is not None and (mapped := other.rbd) is not None:
        same = image.pool == mapped.pool and image.image == mapped.image
        return (
            same and not set(image.monitors).isdisjoint(mapped.monitors) and not (image.read_only and mapped.read_only)
        )
    return False
