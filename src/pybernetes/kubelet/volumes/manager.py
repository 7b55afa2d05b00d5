"""The volumes of the pods on a node: mounted before their containers start, kept up to date, and gone with the pod.

Guarantees  `mount_all` answers every volume that a container or the pod's API token needs, or raises the first
            failure. `tear_down` unmounts whatever is below the pod's directory and removes it; nothing outside of
            it is ever touched.
Follows     pkg/kubelet/volumemanager and pkg/kubelet/kubelet_volumes.go (orphaned pods).
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from pybernetes.api.models.core_v1 import Container, Pod, VolumeMount

from .. import expansion, links
from ..configuration import Paths
from ..container_config import mount_of, recursively_read_only
from ..runtime import Mount, RuntimeHandler
from . import subpath, type_of
from .mounter import Mounter
from .volume import Mounted, VolumeContext, VolumeError

MakeContext = Callable[[Pod, Callable[[str], Path]], VolumeContext]


class Volumes:
    def __init__(self, paths: Paths, mounter: Mounter) -> None:
        self._paths = paths
        self._mounter = mounter

    def make_directory(self, uid: str) -> None:
        """The directory below which everything of the pod lies."""
        directory = self._paths.pod(uid)
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        links.publish(directory, self._paths.pod_links)

    async def mount_all(self, pod: Pod, make_context: MakeContext) -> dict[str, Mounted]:
        """Every volume of the pod by name, brought up to date."""
        mounted: dict[str, Mounted] = {}
        for volume in pod.spec.volumes:

            def directory(plugin: str, name: str = volume.name) -> Path:
                return self._paths.volume(pod.metadata.uid, plugin, name)

            try:
                mounted[volume.name] = await type_of(volume).mount(pod, volume, make_context(pod, directory))
            except (VolumeError, OSError) as error:
                raise VolumeError(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}') from error
        return mounted

    def container_mounts(
        self,
        pod: Pod,
        container: Container,
        mounted: Mapping[str, Mounted],
        environment: Mapping[str, str],
        handler: RuntimeHandler,
    ) -> list[Mount]:
        """What the container sees of the volumes; sub-paths are bound so that they cannot lead elsewhere."""
        mounts: list[Mount] = []
        for index, wanted in enumerate(container.volume_mounts):
            volume = mounted.get(wanted.name)
            if volume is None:
                raise VolumeError(f'volume "{wanted.name}" of container "{container.name}" is not mounted')
            recursive = _recursive(wanted, handler)
            path = volume.path
            part = self._subpath(wanted.sub_path, wanted.sub_path_expr, environment)
            if part:
                target = self._paths.subpath(pod.metadata.uid, wanted.name, container.name, index)
                path = subpath.bind(self._mounter, path, part, target)
            read_only = bool(wanted.read_only) or volume.read_only
            mount = mount_of(path, wanted.mount_path, read_only, wanted.mount_propagation)
            mounts.append(replace(mount, recursive_read_only=recursive))
        return mounts

    def _subpath(self, plain: str, expression: str, environment: Mapping[str, str]) -> str:
        if not expression:
            return plain
        look_up = expansion.from_mappings(environment)
        missing = expansion.unresolved(expression, look_up)
        if missing:
            raise VolumeError(f"missing value for {', '.join(missing)}")
        return expansion.expand(expression, look_up)

    def forget_subpaths(self, uid: str, container: str) -> None:
        """A container that starts again gets its sub-paths as they are then."""
        root = self._paths.pod(uid) / "volume-subpaths"
        if root.is_dir():
            for volume in root.iterdir():
                self._mounter.unmount_below(volume / container)

    async def tear_down(self, uid: str) -> None:
        await asyncio.to_thread(self._tear_down, uid)

    def _tear_down(self, uid: str) -> None:
        root = self._paths.pod(uid)
        links.withdraw(root, self._paths.pod_links)
        if not uid or root.parent != self._paths.pods or not root.exists():
            return
        self._mounter.unmount_below(root)
        if self._mounter.is_mount(root):
            raise VolumeError(f"{root} is still mounted")
        shutil.rmtree(root)

    def orphans(self, known: Iterable[str]) -> list[str]:
        """Pod directories that belong to no pod of this node any more. Links are those of other nodes."""
        wanted = set(known)
        try:
            entries = [entry for entry in self._paths.pods.iterdir() if not entry.is_symlink()]
            return sorted(entry.name for entry in entries if entry.name not in wanted)
        except FileNotFoundError:
            return []


def _recursive(wanted: VolumeMount, handler: RuntimeHandler) -> bool:
    """Whether what is mounted below is read-only, too."""
    if wanted.recursive_read_only == "Enabled" and not handler.recursive_read_only:
        why = "requested recursive read-only mode, but it is not supported by the runtime"
        raise VolumeError(f'failed to resolve recursive read-only mode: volume "{wanted.name}" {why}')
    return recursively_read_only(wanted, handler)
