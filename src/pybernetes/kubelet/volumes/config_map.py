"""configMap: the keys of a config map as files that follow its changes. Follows pkg/volume/configmap."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence

from pybernetes.api.errors import ApiError
from pybernetes.api.models.core_v1 import ConfigMap, KeyToPath, Pod, Volume

from . import atomic_writer
from .atomic_writer import File
from .volume import Mounted, VolumeContext, VolumeError, VolumeType, group_of

PLUGIN = "kubernetes.io/configmap"


async def mount(pod: Pod, volume: Volume, context: VolumeContext) -> Mounted:
    source = volume.config_map
    assert source is not None
    mode = 0o644 if source.default_mode is None else source.default_mode
    payload = await config_map_files(
        context, pod.metadata.namespace or "", source.name or "", source.items, mode, bool(source.optional)
    )
    path = context.directory_of(PLUGIN)
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(0o777)
    await asyncio.to_thread(atomic_writer.write, path, payload, group_of(pod), context.now)
    return Mounted(path, read_only=True)


async def config_map_files(
    context: VolumeContext, namespace: str, name: str, items: Sequence[KeyToPath] | None, mode: int, optional: bool
) -> dict[str, File]:
    try:
        config_map = await context.objects.config_map(namespace, name)
    except ApiError as error:
        if error.code == 404 and optional:
            return {}
        raise VolumeError(
            f'configmap "{name}" not found'
            if error.code == 404
            else f"couldn't get configmap {namespace}/{name}: {error}"
        ) from error
    return project(_bytes_of(config_map), items, mode, optional, "configmap references non-existent config key: {key}")


def _bytes_of(config_map: ConfigMap) -> dict[str, bytes]:
    text = {key: value.encode() for key, value in (config_map.data or {}).items()}
    binary = {
        key: value if isinstance(value, bytes) else base64.b64decode(value)
        for key, value in (config_map.binary_data or {}).items()
    }
    return {**text, **binary}


def project(
    values: Mapping[str, bytes], items: Sequence[KeyToPath] | None, mode: int, optional: bool, missing: str
) -> dict[str, File]:
    """All values under their keys, or the listed ones under their paths."""
    if not items:
        return {key: File(value, mode) for key, value in values.items()}
    files: dict[str, File] = {}
    for item in items:
        if item.key in values:
            files[item.path] = File(values[item.key], mode if item.mode is None else item.mode)
        elif not optional:
            raise VolumeError(missing.format(key=item.key))
    return files


TYPE = VolumeType("config_map", PLUGIN, mount)
