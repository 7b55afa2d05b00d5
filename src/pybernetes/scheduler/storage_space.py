"""What CSI drivers tell of the room they have for volumes (CSIStorageCapacity), and how full it would be.

Follows hasEnoughCapacity in pkg/scheduler/framework/plugins/volumebinding/binder.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pybernetes.api import quantity, storage
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, storage_v1
from pybernetes.api.selectors import LabelSelector
from pybernetes.client import Informers, key_of
from pybernetes.scheduler.framework import ClusterEvent


@dataclass(frozen=True, slots=True)
class Space:
    """``largest`` is the largest volume that can be made there, in bytes; None: nobody knows."""

    nodes: LabelSelector | None
    largest: int | None
    total: int

    def suffices(self, claim: core_v1.PersistentVolumeClaim, node: core_v1.Node) -> bool:
        if self.largest is None or self.nodes is None:
            return False
        return self.largest >= storage.requested(claim).value() and self.nodes.matches(node.metadata.labels)


def space_of(told: storage_v1.CSIStorageCapacity) -> Space:
    """The maximal size of a volume says more than how much there is."""
    limit = told.maximum_volume_size if told.maximum_volume_size is not None else told.capacity
    return Space(
        LabelSelector.from_model(told.node_topology) if told.node_topology is not None else None,
        None if limit is None else quantity.value(limit),
        0 if told.capacity is None else quantity.value(told.capacity),
    )


Spaces = dict[str, dict[Key, Space]]


def follow_spaces(informers: Informers, spaces: Spaces, move: Callable[[ClusterEvent], None]) -> None:
    """Only what makes more room is told."""

    def capacity_changed(old: storage_v1.CSIStorageCapacity | None, new: storage_v1.CSIStorageCapacity | None) -> None:
        before = spaces.get(old.storage_class_name, {}).pop(key_of(old), None) if old is not None else None
        if new is None:
            return
        after = spaces.setdefault(new.storage_class_name, {})[key_of(new)] = space_of(new)
        if before is None or (after.largest or 0) > (before.largest or 0):
            move(ClusterEvent.CAPACITY_CHANGED)

    def driver_changed(old: storage_v1.CSIDriver | None, new: storage_v1.CSIDriver | None) -> None:
        if old is not None and new is not None and old.spec.storage_capacity and not new.spec.storage_capacity:
            move(ClusterEvent.CSI_DRIVER_CHANGED)

    informers.get(storage_v1.CSIStorageCapacity).on_change(capacity_changed)
    informers.get(storage_v1.CSIDriver).on_change(driver_changed)
