"""How many EBS volumes or GCE persistent disks one node attaches: MaxEBSVolumeCount and MaxGCEPDVolumeCount.

Classic plugins, chosen by a Policy: what a pod names itself and what its claims are bound to counts. A node may say its
own limit in its allocatable resources. Follows the predicates of the same names before volumes were CSI's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.scheduler.arrays import Rows
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.framework import ClusterEvent, Refusal, Scope
from pybernetes.scheduler.plugins.node_volume_limits import REASON
from pybernetes.scheduler.pod_info import PodInfo

DiskOf = Callable[[core_v1.Volume | core_v1.PersistentVolumeSpec], str]
"""The disk that a volume is; empty where it is of another type."""


def ebs_volume(source: core_v1.Volume | core_v1.PersistentVolumeSpec) -> str:
    return source.aws_elastic_block_store.volume_id if source.aws_elastic_block_store is not None else ""


def gce_disk(source: core_v1.Volume | core_v1.PersistentVolumeSpec) -> str:
    return source.gce_persistent_disk.pd_name if source.gce_persistent_disk is not None else ""


class ClassicVolumeLimits:
    scope = Scope.CLUSTER
    wakes_on = frozenset((ClusterEvent.NODE_ADDED, ClusterEvent.POD_REMOVED, ClusterEvent.CLAIM_CHANGED))

    def __init__(self, name: str, state: ClusterState, disk_of: DiskOf, most: int, resource: str) -> None:
        self.name = name
        self._state = state
        self._storage = state.storage
        self._disk_of = disk_of
        self._most = most
        self._resource = resource

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return bool(pod.disks or pod.claims) and any(True for _ in self._disks(pod))

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        wanted = set(self._disks(pod))
        counts = np.full(nodes.capacity, len(wanted), np.int64)
        for row, users in self._state.placed_volumes.rows().items():
            counts[row] = len(wanted.union(*(self._disks(user) for user in users.values())))
        resource = nodes.resource_index(self._resource)
        stated = nodes.allocatable[resource]
        limits = np.where(stated > 0, stated, self._most)
        return (Refusal((counts > limits)[rows], REASON),)

    def _disks(self, pod: PodInfo) -> Iterator[str]:
        for volume in pod.disks:
            if disk := self._disk_of(volume):
                yield disk
        for name in pod.claims:
            claim = self._storage.claims.get(Key(pod.namespace, name))
            bound = self._storage.volumes.get(claim.spec.volume_name) if claim is not None else None
            if bound is not None and (disk := self._disk_of(bound.spec)):
                yield disk
