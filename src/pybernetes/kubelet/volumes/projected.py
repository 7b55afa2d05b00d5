"""projected: several sources in one directory, service account tokens among them. Follows pkg/volume/projected."""

from __future__ import annotations

import asyncio

from pybernetes.api.errors import ApiError
from pybernetes.api.models.core_v1 import Pod, Volume, VolumeProjection

from . import atomic_writer
from .atomic_writer import File
from .config_map import config_map_files
from .downward_api import downward_files
from .secret import MEMORY, secret_files
from .volume import Mounted, VolumeContext, VolumeError, VolumeType, group_of, user_of

PLUGIN = "kubernetes.io/projected"


async def mount(pod: Pod, volume: Volume, context: VolumeContext) -> Mounted:
    source = volume.projected
    assert source is not None
    mode = 0o644 if source.default_mode is None else source.default_mode
    payload: dict[str, File] = {}
    for projection in source.sources or ():
        payload |= await _files(pod, projection, mode, context)
    path = context.directory_of(PLUGIN)
    path.mkdir(parents=True, exist_ok=True)
    context.mounter.tmpfs(path, MEMORY)
    await asyncio.to_thread(atomic_writer.write, path, payload, group_of(pod), context.now)
    return Mounted(path, read_only=True)


async def _files(pod: Pod, projection: VolumeProjection, mode: int, context: VolumeContext) -> dict[str, File]:
    namespace = pod.metadata.namespace or ""
    if (secret := projection.secret) is not None:
        return await secret_files(context, namespace, secret.name or "", secret.items, mode, bool(secret.optional))
    if (config := projection.config_map) is not None:
        return await config_map_files(context, namespace, config.name or "", config.items, mode, bool(config.optional))
    if (own := projection.downward_api) is not None:
        return downward_files(pod, own.items or (), mode, context)
    if (token := projection.service_account_token) is not None:
        return {token.path: await _token(pod, token.audience or "", token.expiration_seconds or 3600, mode, context)}
    raise VolumeError(
        "a projected source of this kind is not built (secret, configMap, downwardAPI, serviceAccountToken are)"
    )


async def _token(pod: Pod, audience: str, expiration: int, mode: int, context: VolumeContext) -> File:
    try:
        token = await context.tokens.token(pod, audience, expiration)
    except ApiError as error:
        raise VolumeError(f"failed to fetch token: {error}") from error
    group, user = group_of(pod), user_of(pod)
    restricted = group is not None or user is not None
    return File(token.encode(), 0o600 if restricted else mode, user if context.privileged else None)


TYPE = VolumeType("projected", PLUGIN, mount)
