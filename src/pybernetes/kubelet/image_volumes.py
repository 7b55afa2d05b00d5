"""Volumes that are images: pulled by their policy and mounted before a container that wants them is made.

Guarantees  A failure is `StartFailure` as for the container's own image. What was mounted goes with the pod.
Follows     pkg/kubelet/kuberuntime (getImageVolumes, toKubeContainerImageVolumes).
"""

from __future__ import annotations

import asyncio

from pybernetes.api.models.core_v1 import Container, Pod

from .host import Host
from .image_manager import Say, StartFailure
from .runtime import RuntimeFailure, SandboxConfig
from .volumes.image import PLUGIN


async def provide(host: Host, pod: Pod, container: Container, sandbox: SandboxConfig, say: Say) -> None:
    wanted = {mount.name for mount in container.volume_mounts}
    for volume in pod.spec.volumes:
        if volume.image is None or volume.name not in wanted:
            continue
        policy = volume.image.pull_policy or "IfNotPresent"
        reference, _ = await host.images.ensure(pod, volume.image.reference or "", policy, sandbox, say)
        if host.runtime.runs_processes:
            await _mount(host, pod.metadata.uid, volume.name, reference, say)


async def _mount(host: Host, uid: str, name: str, reference: str, say: Say) -> None:
    place = host.node.paths.volume(uid, PLUGIN, name)
    if host.mounter.is_mount(place):
        return
    try:
        files = await host.runtime.view_image(reference, uid, name)
        host.mounter.mount(files, place)
    except (RuntimeFailure, OSError) as error:
        message = f"ImageVolumeMountFailed: volume {name}: {error}"
        say("Warning", "Failed", f"Error: {message}")
        raise StartFailure("CreateContainerError", message) from error


async def tear_down(host: Host, uid: str) -> None:
    """Removes the pod's directory with all its volumes, and lets go of the images that were among them."""
    directory = host.node.paths.volume(uid, PLUGIN, "")
    had_images = await asyncio.to_thread(directory.exists)
    await host.volumes.tear_down(uid)
    if had_images:
        await host.runtime.release_images(uid)
