"""downwardAPI: the pod's own labels, annotations, names and resources as files. Follows pkg/volume/downwardapi."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pybernetes.api.models.core_v1 import DownwardAPIVolumeFile, Pod, Volume

from .. import downward
from . import atomic_writer
from .atomic_writer import File
from .secret import MEMORY
from .volume import Mounted, VolumeContext, VolumeError, VolumeType, group_of

PLUGIN = "kubernetes.io/downward-api"


async def mount(pod: Pod, volume: Volume, context: VolumeContext) -> Mounted:
    source = volume.downward_api
    assert source is not None
    mode = 0o644 if source.default_mode is None else source.default_mode
    payload = downward_files(pod, source.items or (), mode, context)
    path = context.directory_of(PLUGIN)
    path.mkdir(parents=True, exist_ok=True)
    context.mounter.tmpfs(path, MEMORY)
    await asyncio.to_thread(atomic_writer.write, path, payload, group_of(pod), context.now)
    return Mounted(path, read_only=True)


def downward_files(
    pod: Pod, items: Sequence[DownwardAPIVolumeFile], mode: int, context: VolumeContext
) -> dict[str, File]:
    files: dict[str, File] = {}
    for item in items:
        try:
            text = _text(pod, item, context)
        except downward.UnknownField as error:
            raise VolumeError(str(error)) from error
        files[item.path] = File(text.encode(), mode if item.mode is None else item.mode)
    return files


def _text(pod: Pod, item: DownwardAPIVolumeFile, context: VolumeContext) -> str:
    if item.field_ref is not None:
        return downward.field_text(pod, item.field_ref.field_path, context.host_ips, context.pod_ips)
    if item.resource_field_ref is not None:
        ref = item.resource_field_ref
        container = downward.container_named(pod, ref.container_name or "")
        return downward.resource_text(ref, container, context.allocatable)
    raise downward.UnknownField(f"{item.path}: neither fieldRef nor resourceFieldRef")


TYPE = VolumeType("downward_api", PLUGIN, mount)
