"""VolumeZone: a pod goes where the zone and region labels of its volumes say (classic name: NoVolumeZoneConflict).

Follows pkg/scheduler/framework/plugins/volumezone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.api.storage import WAIT_FOR_FIRST_CONSUMER, class_of_claim
from pybernetes.scheduler.arrays import ABSENT, Mask, Rows
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.framework import ClusterEvent, Code, Refusal, Rejection, Scope
from pybernetes.scheduler.hints import Change
from pybernetes.scheduler.plugins.volume_restrictions import is_claim_of
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.storage import StorageObjects

REASON = "node(s) had no available volume zone"
_CURRENT = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
}
_LABELS = (*_CURRENT, *_CURRENT.values())


class VolumeZone:
    name = "VolumeZone"
    scope = Scope.CLUSTER
    wakes_on = frozenset(
        (
            ClusterEvent.NODE_ADDED,
            ClusterEvent.NODE_LABELS_CHANGED,
            ClusterEvent.CLAIM_CHANGED,
            ClusterEvent.VOLUME_CHANGED,
            ClusterEvent.STORAGE_CLASS_ADDED,
        )
    )

    def __init__(self, storage: StorageObjects) -> None:
        self._storage = storage

    def could_help(self, pod: PodInfo, change: Change) -> bool:
        """A claim of the pod, a volume with other zones, or a class that waits for its first consumer."""
        match change.event:
            case ClusterEvent.CLAIM_CHANGED:
                return is_claim_of(pod, change.new)
            case ClusterEvent.VOLUME_CHANGED:
                return change.old is None or list(_zones_of(change.old)) != list(_zones_of(change.new))
            case ClusterEvent.STORAGE_CLASS_ADDED:
                return bool(change.new.volume_binding_mode == WAIT_FOR_FIRST_CONSUMER)
        return True

    def rejection(self, pod: PodInfo) -> Rejection | None:
        for volume in pod.spec.volumes if pod.claims else ():
            if volume.persistent_volume_claim is not None and (
                reason := self._unusable(pod.namespace, volume.persistent_volume_claim.claim_name)
            ):
                return Rejection(reason)
        return None

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return bool(pod.claims) and any(True for _ in self._zones(pod))

    def minds_pods(self, pod: PodInfo) -> bool:
        return False

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        has_label: Mask = np.logical_or.reduce([nodes.label_ids(key)[rows] != ABSENT for key in _LABELS])
        matching: Mask = np.ones(len(has_label), np.bool_)
        for key, values in self._zones(pod):
            ids = nodes.label_ids(key)
            if key in _CURRENT:
                old = _is_one_of(nodes, key, values) & (ids != ABSENT)
                now = _is_one_of(nodes, _CURRENT[key], values) & (ids == ABSENT)
                matching &= (old | now)[rows]
            else:
                matching &= _is_one_of(nodes, key, values)[rows]
        return (Refusal(has_label & ~matching, REASON, Code.UNRESOLVABLE),)

    def _unusable(self, namespace: str, name: str) -> str:
        """Why a claim keeps its pod from every node, if it does."""
        claim = self._storage.claims.get(Key(namespace, name))
        if not name:
            return "PersistentVolumeClaim had no name"
        if claim is None:
            return f'persistentvolumeclaim "{name}" not found'
        if claim.spec.volume_name:
            known = claim.spec.volume_name in self._storage.volumes
            return "" if known else f'persistentvolume "{claim.spec.volume_name}" not found'
        class_name = class_of_claim(claim)
        if not class_name:
            return "PersistentVolumeClaim had no pv name and storageClass name"
        storage_class = self._storage.classes.get(class_name)
        if storage_class is None:
            return f'storageclass.storage.k8s.io "{class_name}" not found'
        if storage_class.volume_binding_mode is None:
            return f'VolumeBindingMode not set for StorageClass "{class_name}"'
        return "" if storage_class.volume_binding_mode == WAIT_FOR_FIRST_CONSUMER else "PersistentVolume had no name"

    def _zones(self, pod: PodInfo) -> Iterator[tuple[str, frozenset[str]]]:
        for name in pod.claims:
            claim = self._storage.claims.get(Key(pod.namespace, name))
            volume = self._storage.volumes.get(claim.spec.volume_name) if claim is not None else None
            if volume is not None:
                yield from _zones_of(volume)


def _zones_of(volume: core_v1.PersistentVolume) -> Iterator[tuple[str, frozenset[str]]]:
    """A label may name several zones; one with an empty name among them says nothing."""
    for key in _LABELS:
        if (value := volume.metadata.labels.get(key)) is not None:
            zones = frozenset(zone.strip() for zone in value.split("__"))
            if "" not in zones:
                yield key, zones


def _is_one_of(nodes: NodeColumns, key: str, values: frozenset[str]) -> Mask:
    ids = [identity for value in values if (identity := nodes.value_id(key, value)) != ABSENT]
    return np.isin(nodes.label_ids(key), ids)
