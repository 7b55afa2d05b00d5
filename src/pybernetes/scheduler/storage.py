"""StorageObjects: claims, volumes, classes and what nodes can attach, as the API server tells; for volume plugins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, storage_v1
from pybernetes.scheduler.storage_space import Space
from pybernetes.scheduler.wakes import Wakes


class StorageObjects(Wakes):
    def __init__(self) -> None:
        super().__init__()
        self.claims: dict[Key, core_v1.PersistentVolumeClaim] = {}
        self.volumes: dict[str, core_v1.PersistentVolume] = {}
        self.classes: dict[str, storage_v1.StorageClass] = {}
        self.csi_nodes: dict[str, storage_v1.CSINode] = {}
        self.csi_drivers: dict[str, storage_v1.CSIDriver] = {}
        self.spaces: dict[str, dict[Key, Space]] = {}
        """What drivers tell of the room there is, by storage class."""
        self._attachments: dict[str, dict[str, storage_v1.VolumeAttachment]] = {}

    def spaces_of(self, storage_class: storage_v1.StorageClass) -> Sequence[Space] | None:
        """In the order of their names; None when the driver does not tell of its room."""
        driver = self.csi_drivers.get(storage_class.provisioner)
        if driver is None or not driver.spec.storage_capacity:
            return None
        found = self.spaces.get(storage_class.metadata.name, {})
        return [found[key] for key in sorted(found)]

    def set_attachment(self, old: storage_v1.VolumeAttachment | None, new: storage_v1.VolumeAttachment | None) -> None:
        if old is not None:
            self._attachments.get(old.spec.node_name, {}).pop(old.metadata.name, None)
        if new is not None:
            self._attachments.setdefault(new.spec.node_name, {})[new.metadata.name] = new

    def attachments_of(self, node: str) -> Iterator[storage_v1.VolumeAttachment]:
        return iter(self._attachments.get(node, {}).values())
