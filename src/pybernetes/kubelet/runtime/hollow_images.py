"""The images of a runtime in memory: every valid name can be pulled, except from registries under `.invalid`.

Guarantees  The same answers as from a real runtime about what was pulled; nothing is fetched, nothing kept on disk.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from pybernetes.kubelet.image_references import InvalidReference, normalise, parse
from pybernetes.kubelet.runtime.errors import InvalidImageName, NotSupported, PullFailed
from pybernetes.kubelet.runtime.types import Credentials, FilesystemMount, FilesystemUsage, Image, SandboxConfig

IMAGE_SIZE = 10_000_000


class WallClock(Protocol):
    def now(self) -> datetime: ...


class HollowImages:
    """The part of `Runtime` that is about images."""

    def __init__(self, clock: WallClock, pull_takes: float) -> None:
        self._clock = clock
        self._pull_takes = pull_takes
        self._images: dict[str, Image] = {}

    async def image_status(self, image: str) -> Image | None:
        return self._find_image(image)

    async def list_images(self) -> Sequence[Image]:
        return list(self._images.values())

    async def pull_image(
        self, image: str, *, credentials: Credentials | None = None, sandbox: SandboxConfig | None = None
    ) -> str:
        try:
            reference = parse(image)
        except InvalidReference as error:
            raise InvalidImageName("PullImage", str(error)) from error
        if self._pull_takes:
            await asyncio.sleep(self._pull_takes)
        if reference.domain.partition(":")[0].endswith(".invalid"):
            raise PullFailed("PullImage", f'failed to resolve reference "{reference}": no such host')
        name = str(reference)
        if name not in self._images:
            digest = hashlib.sha256(name.encode()).hexdigest()
            repository = f"{reference.domain}/{reference.path}"
            self._images[name] = Image(
                id=f"sha256:{digest}",
                repo_tags=(name,) if reference.tag else (),
                repo_digests=(f"{repository}@sha256:{digest}",),
                size=IMAGE_SIZE,
            )
        return self._images[name].id

    async def remove_image(self, image: str) -> None:
        found = self._find_image(image)
        self._images = {name: value for name, value in self._images.items() if value is not found}

    async def image_filesystem(self) -> Sequence[FilesystemUsage]:
        used = sum(image.size for image in self._images.values())
        return [FilesystemUsage(self._clock.now(), "/", used, 0)]

    async def view_image(self, image: str, pod_uid: str, name: str) -> FilesystemMount:
        raise NotSupported("ViewImage", "images of a simulated runtime have no files")

    async def release_images(self, pod_uid: str) -> None:
        """There are no views."""

    def _find_image(self, image: str) -> Image | None:
        if image.startswith("sha256:"):
            return next((value for value in self._images.values() if value.id == image), None)
        try:
            return self._images.get(normalise(image))
        except InvalidReference as error:
            raise InvalidImageName("ImageStatus", str(error)) from error
