"""StorageObjects: claims, volumes, classes and what nodes can attach, as the API server tells; for volume plugins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, storage_v1


class StorageObjects:
    def __init__(self) -> None:
        self.claims: dict[Key, core_v1.PersistentVolumeClaim] = {}
        self.volumes: dict[str, core_v1.PersistentVolume] = {}
        self.classes: dict[str, storage_v1.StorageClass] = {}
        self.csi_nodes: dict[str, storage_v1.CSINode] = {}
        self.csi_drivers: dict[str, storage_v1.CSIDriver] = {}
        self._attachments: dict[str, dict[str, storage_v1.VolumeAttachment]] = {}
        self._waiting: set[asyncio.Event] = set()

    def set_attachment(self, old: storage_v1.VolumeAttachment | None, new: storage_v1.VolumeAttachment | None) -> None:
        if old is not None:
            self._attachments.get(old.spec.node_name, {}).pop(old.metadata.name, None)
        if new is not None:
            self._attachments.setdefault(new.spec.node_name, {})[new.metadata.name] = new

    def attachments_of(self, node: str) -> Iterator[storage_v1.VolumeAttachment]:
        return iter(self._attachments.get(node, {}).values())

    def wake(self) -> None:
        """Whoever waits looks again."""
        for event in self._waiting:
            event.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Returns when it is so; asked again after each change. What it raises is raised here."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            while not is_so():
                event.clear()
                await event.wait()
        finally:
            self._waiting.discard(event)
