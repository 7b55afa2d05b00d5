"""StorageObjects: claims, volumes, classes and what nodes can attach, as the API server tells; for volume plugins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator

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
        self._waiting: dict[Key, set[asyncio.Event]] = {}

    def set_attachment(self, old: storage_v1.VolumeAttachment | None, new: storage_v1.VolumeAttachment | None) -> None:
        if old is not None:
            self._attachments.get(old.spec.node_name, {}).pop(old.metadata.name, None)
        if new is not None:
            self._attachments.setdefault(new.spec.node_name, {})[new.metadata.name] = new

    def attachments_of(self, node: str) -> Iterator[storage_v1.VolumeAttachment]:
        return iter(self._attachments.get(node, {}).values())

    def wake(self, key: Key) -> None:
        """Something changed there: whoever waits for it looks again."""
        for event in self._waiting.get(key, ()):
            event.set()

    async def until(self, is_so: Callable[[], bool], keys: Iterable[Key]) -> None:
        """Returns when it is so, which is asked after each change of what the keys name; what it raises is raised."""
        event = asyncio.Event()
        watched = set(keys)
        for key in watched:
            self._waiting.setdefault(key, set()).add(event)
        try:
            while not is_so():
                event.clear()
                await event.wait()
        finally:
            for key in watched:
                self._waiting[key].discard(event)
                if not self._waiting[key]:
                    del self._waiting[key]
