"""secret: the keys of a secret as files in memory that follow its changes. Follows pkg/volume/secret."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pybernetes.api.errors import ApiError
from pybernetes.api.models.core_v1 import KeyToPath, Pod, Volume

from ..env import secret_bytes
from . import atomic_writer
from .atomic_writer import File
from .config_map import project
from .volume import Mounted, VolumeContext, VolumeError, VolumeType, group_of

PLUGIN = "kubernetes.io/secret"
MEMORY = 64 << 20


async def mount(pod: Pod, volume: Volume, context: VolumeContext) -> Mounted:
    source = volume.secret
    assert source is not None
    mode = 0o644 if source.default_mode is None else source.default_mode
    payload = await secret_files(
        context, pod.metadata.namespace or "", source.secret_name or "", source.items, mode, bool(source.optional)
    )
    path = context.directory_of(PLUGIN)
    path.mkdir(parents=True, exist_ok=True)
    context.mounter.tmpfs(path, MEMORY)
    await asyncio.to_thread(atomic_writer.write, path, payload, group_of(pod), context.now)
    return Mounted(path, read_only=True)


async def secret_files(
    context: VolumeContext, namespace: str, name: str, items: Sequence[KeyToPath] | None, mode: int, optional: bool
) -> dict[str, File]:
    try:
        secret = await context.objects.secret(namespace, name)
    except ApiError as error:
        if error.code == 404 and optional:
            return {}
        raise VolumeError(
            f'secret "{name}" not found' if error.code == 404 else f"couldn't get secret {namespace}/{name}: {error}"
        ) from error
    values = {key: secret_bytes(value) for key, value in (secret.data or {}).items()}
    return project(values, items, mode, optional, "references non-existent secret key: {key}")


TYPE = VolumeType("secret", PLUGIN, mount)
