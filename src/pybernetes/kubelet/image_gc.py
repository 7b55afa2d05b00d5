"""Removing images that no container uses, when the disk they are on gets full.

Guarantees  Pure choice: pinned images and images in use stay; the least recently used go first, until enough is free.
            Off unless a threshold is configured: on a machine without a registry an image that is gone stays gone.
Follows     pkg/kubelet/images/image_gc_manager.go.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from pybernetes.api.clock import Clock

from .runtime import Image, Runtime, RuntimeFailure

log = structlog.get_logger(__name__)
MINIMUM_AGE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Disk:
    used: int
    total: int

    def over(self, percent: int) -> int:
        """How many bytes are used beyond so many percent."""
        return max(0, self.used - self.total * percent // 100)


def to_remove(
    images: Sequence[Image], last_used: Mapping[str, datetime], now: datetime, disk: Disk, high: int, low: int
) -> list[Image]:
    """`last_used` has an entry for every image that was ever seen, at the latest time it was in use or found."""
    if not disk.over(high):
        return []
    wanted = disk.over(low)
    chosen: list[Image] = []
    old = [i for i in images if not i.pinned and now - last_used.get(i.id, now) >= MINIMUM_AGE]
    for image in sorted(old, key=lambda image: last_used[image.id]):
        if wanted <= 0:
            break
        chosen.append(image)
        wanted -= image.size
    return chosen


class ImageCollector:
    def __init__(self, runtime: Runtime, clock: Clock, high: int, low: int) -> None:
        self._runtime = runtime
        self._clock = clock
        self._high = high
        self._low = low
        self._last_used: dict[str, datetime] = {}

    async def collect(self) -> list[str]:
        """Looks once, removes what must go, and answers its ids."""
        now = self._clock.now()
        images = await self._runtime.list_images()
        in_use = {container.image_ref for container in await self._runtime.list_containers()}
        known = {image.id: self._last_used.get(image.id, now) for image in images}
        for image in images:
            if in_use.intersection((image.id, *image.repo_digests, *image.repo_tags)):
                known[image.id] = now
        self._last_used = known
        filesystems = await self._runtime.image_filesystem()
        if not filesystems:
            return []
        removed: list[str] = []
        for image in to_remove(images, known, now, _disk(filesystems[0].mountpoint), self._high, self._low):
            try:
                await self._runtime.remove_image(image.id)
                removed.append(image.id)
            except RuntimeFailure as error:
                log.warning("an unused image was not removed", image=image.id, error=str(error))
        return removed


def _disk(mountpoint: str) -> Disk:
    path = next(p for p in (Path(mountpoint), *Path(mountpoint).parents) if p.exists())
    usage = shutil.disk_usage(path)
    return Disk(usage.total - usage.free, usage.total)
