"""image: the files of an image, read-only.

They are mounted when the first container that wants them starts (`kubelet/image_volumes.py`): until then there is only
the place, because pulling the image is told of as a container's own image is.

Follows pkg/volume/image.
"""

from __future__ import annotations

from pybernetes.api.models.core_v1 import Pod, Volume

from .volume import Mounted, VolumeContext, VolumeType

PLUGIN = "kubernetes.io/image"


async def mount(pod: Pod, volume: Volume, context: VolumeContext) -> Mounted:
    path = context.directory_of(PLUGIN)
    path.mkdir(parents=True, exist_ok=True)
    return Mounted(path, read_only=True)


TYPE = VolumeType("image", PLUGIN, mount)
