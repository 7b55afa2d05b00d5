"""persistentVolumeClaim and ephemeral: the volume that a claim is bound to, when it is a directory of this node.

Guarantees  Nothing is mounted before claim and volume are bound to each other. Kinds of persistent volumes other than
            hostPath and local are refused by name.
Follows     pkg/kubelet/volumemanager/populator and pkg/volume/local.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from pybernetes.api import storage
from pybernetes.api.errors import ApiError
from pybernetes.api.models.core_v1 import PersistentVolume, Pod, Volume

from . import host_path
from .volume import Mounted, VolumeContext, VolumeError, VolumeType, give_to_group, group_of

PLUGIN = "kubernetes.io/local-volume"


async def mount(pod: Pod, volume: Volume, context: VolumeContext) -> Mounted:
    source = volume.persistent_volume_claim
    assert source is not None
    return await _mount_claim(pod, source.claim_name, bool(source.read_only), context)


async def mount_ephemeral(pod: Pod, volume: Volume, context: VolumeContext) -> Mounted:
    """Its claim is made by a controller, under a name that follows from the pod's."""
    return await _mount_claim(pod, f"{pod.metadata.name}-{volume.name}", False, context)


async def _mount_claim(pod: Pod, name: str, read_only: bool, context: VolumeContext) -> Mounted:
    namespace = pod.metadata.namespace
    try:
        claim = await context.claims.claim(namespace, name)
        if claim.status.phase != "Bound" or not claim.spec.volume_name:
            raise VolumeError(f"error processing PVC {namespace}/{name}: PVC is not bound")
        persistent = await context.claims.volume(claim.spec.volume_name)
    except ApiError as error:
        raise VolumeError(f"error processing PVC {namespace}/{name}: {error}") from error
    reference = persistent.spec.claim_ref
    if reference is None or reference.uid != claim.metadata.uid:
        raise VolumeError(f"error processing PVC {namespace}/{name}: PV {persistent.metadata.name} is not bound to it")
    if persistent.spec.volume_mode == "Block":
        raise VolumeError(f"PV {persistent.metadata.name}: raw block volumes are not built")
    return Mounted(await _path_of(pod, persistent), read_only)


async def _path_of(pod: Pod, persistent: PersistentVolume) -> Path:
    spec = persistent.spec
    if spec.host_path is not None:
        path = Path(spec.host_path.path)
        host_path.check(path, spec.host_path.type or "")
        return path
    if spec.local is not None:
        path = Path(spec.local.path)
        if not await asyncio.to_thread(path.exists):
            raise VolumeError(f'local volume: path "{path}" does not exist')
        group = group_of(pod)
        if group is not None:
            await asyncio.to_thread(give_to_group, path, group)
        return path
    kind = storage.source_of(spec)
    raise VolumeError(f"PV {persistent.metadata.name}: volumes of type {kind} are not built")


TYPE = VolumeType("persistent_volume_claim", PLUGIN, mount)
EPHEMERAL = VolumeType("ephemeral", PLUGIN, mount_ephemeral)
