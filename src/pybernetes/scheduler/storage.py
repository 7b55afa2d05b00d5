"""StorageObjects: claims, volumes, classes and what nodes can attach, as the API server tells; for volume plugins."""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, storage_v1
from pybernetes.scheduler.wakes import Wakes


class StorageObjects(Wakes):
    def __init__(self) -> None:
        super().__init__()
        self.claims: dict[Key, core_v1.PersistentVolumeClaim] = {}
        self.volumes: dict[str, core_v1.PersistentVolume] = {}
        self.classes: dict[str, storage_v1.StorageClass] = {}
        self.csi_nodes: dict[str, storage_v1.CSINode] = {}
        self.csi_drivers: dict[str, storage_v1.CSIDriver] = {}
        self._attachments: dict[str, dict[str, storage_v1.VolumeAttachment]] = {}

    def set_attachment(self, old: storage_v1.VolumeAttachment | None, new: storage_v1.VolumeAttachment | None) -> None:
        if old is not None:
            self._attachments.get(old.spec.node_name, {}).pop(old.metadata.name, None)
        if new is not None:
            self._attachments.setdefault(new.spec.node_name, {})[new.metadata.name] = new

    def attachments_of(self, node: str) -> Iterator[storage_v1.VolumeAttachment]:
        return iter(self._attachments.get(node, {}).values())
