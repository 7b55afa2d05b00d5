"""The files of an image on the node, to be mounted elsewhere than as a container's root.

Guarantees  A view stays, and with it the image's layers, until its pod's views are released, whatever becomes of the
            image. Asking again for a view that there is answers the same.
Follows containerd's snapshot service: the interface's own mounts of images are younger than what we support.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import grpc
import grpc.aio

from pybernetes.kubelet.runtime import containerd_snapshots_pb2 as pb
from pybernetes.kubelet.runtime.containerd_snapshots_pb2_grpc import SnapshotsStub
from pybernetes.kubelet.runtime.errors import RuntimeFailure
from pybernetes.kubelet.runtime.labels import POD_UID
from pybernetes.kubelet.runtime.types import FilesystemMount

_NAMESPACE = (("containerd-namespace", "k8s.io"),)
_KEPT = "containerd.io/gc.root"
_PLUGIN = "io.containerd.snapshotter.v1."
_TIMEOUT = 60.0


def snapshotter_of(image_filesystem: str) -> str:
    """The snapshotter that keeps images below this mount point."""
    _, found, name = image_filesystem.partition(_PLUGIN)
    if not found:
        raise RuntimeFailure("ImageFsInfo", f"the runtime does not tell the snapshotter of {image_filesystem!r}")
    return name.partition("/")[0]


def chain_of(info: str) -> str:
    """The snapshot of an image's uppermost layer, from what the runtime tells in detail of the image."""
    chain = json.loads(info).get("chainID", "") if info else ""
    if not chain:
        raise RuntimeFailure("ImageStatus", "the runtime does not tell where the image's files are")
    return str(chain)


class ImageViews:
    """Read-only views of images, by pod and name. Raises grpc's errors."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: Any = SnapshotsStub(channel)  # type: ignore[no-untyped-call]

    async def view(self, snapshotter: str, chain: str, pod_uid: str, name: str) -> FilesystemMount:
        key = f"pybernetes-image-volume/{pod_uid}/{name}"
        labels = {_KEPT: datetime.now(UTC).isoformat(timespec="seconds"), POD_UID: pod_uid}
        request = pb.ViewSnapshotRequest(snapshotter=snapshotter, key=key, parent=chain, labels=labels)
        try:
            answer = await self._stub.View(request, timeout=_TIMEOUT, metadata=_NAMESPACE)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.ALREADY_EXISTS:
                raise
            asked = pb.MountsRequest(snapshotter=snapshotter, key=key)
            answer = await self._stub.Mounts(asked, timeout=_TIMEOUT, metadata=_NAMESPACE)
        (mount,) = answer.mounts
        return FilesystemMount(mount.type, mount.source, tuple(mount.options))

    async def release(self, snapshotter: str, pod_uid: str) -> None:
        filters = [f'labels."{POD_UID}"=={pod_uid}']
        request = pb.ListSnapshotsRequest(snapshotter=snapshotter, filters=filters)
        async for answer in self._stub.List(request, timeout=_TIMEOUT, metadata=_NAMESPACE):
            for info in answer.info:
                removal = pb.RemoveSnapshotRequest(snapshotter=snapshotter, key=info.name)
                await self._stub.Remove(removal, timeout=_TIMEOUT, metadata=_NAMESPACE)
