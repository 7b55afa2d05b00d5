"""Images that are on this machine: built from recipes, loaded from archives, listed.

Guarantees  `ensure` imports nothing that is there already; both it and `load` can be repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pybernetes.kubelet import image_recipes, oci
from pybernetes.kubelet.containerd import Containerd
from pybernetes.kubelet.image_recipes import RECIPES, Recipe
from pybernetes.kubelet.image_references import normalise
from pybernetes.kubelet.runtime import Image
from pybernetes.kubelet.runtime.cri import CriRuntime


class UnknownRecipe(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(f"no recipe for an image {name!r}; there are: {', '.join(sorted(RECIPES))}")


def recipe(text: str) -> Recipe:
    """A recipe by its name; `redis=redis:7` gives the image another reference than its own."""
    name, _, reference = text.partition("=")
    if name not in RECIPES:
        raise UnknownRecipe(name)
    made = RECIPES[name]()
    return replace(made, reference=normalise(reference)) if reference else made


class ImageStore:
    """The images of a containerd, and of `further` ones that get the same.

    `archives` is the directory in which built archives are kept.
    """

    def __init__(self, containerd: Containerd, archives: Path, further: Sequence[Containerd] = ()) -> None:
        self._containerd = containerd
        self._archives = archives
        self._all = (containerd, *further)

    async def ensure(self, recipes: Iterable[Recipe | str]) -> list[str]:
        """Build what is not built, import what is not imported; answer the references."""
        wanted = [recipe(item) if isinstance(item, str) else item for item in recipes]
        present = [await _ids_by_tag(one) for one in self._all]
        for item in wanted:
            archive = await asyncio.to_thread(image_recipes.build, item, self._archives)
            made = await asyncio.to_thread(oci.image_id, archive)
            lacking = (one for one, ids in zip(self._all, present, strict=True) if ids.get(item.reference) != made)
            await asyncio.gather(*(one.import_archive(archive) for one in lacking))
        return [item.reference for item in wanted]

    async def load(self, archive: Path) -> list[str]:
        """Import an archive (OCI, or made by `docker save`); answer the references of its images."""
        names = await asyncio.to_thread(oci.names_in, archive)
        await asyncio.gather(*(one.import_archive(archive) for one in self._all))
        return [normalise(name) for name in names]

    async def catch_up(self, archives: Path) -> None:
        """Imports what was built there before this containerd was."""
        present = {one.id for one in await self.list()}
        for archive in await asyncio.to_thread(lambda: sorted(archives.glob("*.tar"))):
            if await asyncio.to_thread(oci.image_id, archive) not in present:
                await self._containerd.import_archive(archive)

    async def list(self) -> Sequence[Image]:
        """Those of the first."""
        return await _images_of(self._containerd)


async def _images_of(containerd: Containerd) -> Sequence[Image]:
    runtime = CriRuntime(containerd.configuration.socket)
    try:
        return await runtime.list_images()
    finally:
        await runtime.close()


async def _ids_by_tag(containerd: Containerd) -> Mapping[str, str]:
    return {tag: image.id for image in await _images_of(containerd) for tag in image.repo_tags}
