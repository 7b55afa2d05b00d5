"""emptyDir: scratch space that lives as long as its pod, on disk or in memory.

Follows pkg/volume/emptydir: mode 0777, a tmpfs for medium Memory no larger than its sizeLimit and the pod's memory
        limit. Modes and groups are set once: what containers make of them later stays.
"""

from __future__ import annotations

from pathlib import Path

from pybernetes.api import quantity
from pybernetes.api.models.core_v1 import Pod, Volume

from .volume import Mounted, VolumeContext, VolumeError, VolumeType, give_to_group, group_of

PLUGIN = "kubernetes.io/empty-dir"


async def mount(pod: Pod, volume: Volume, context: VolumeContext) -> Mounted:
    source = volume.empty_dir
    assert source is not None
    path = context.directory_of(PLUGIN)
    fresh = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    if source.medium == "Memory":
        fresh = context.mounter.tmpfs(path, memory_size(pod, source.size_limit, context))
    elif source.medium:
        raise VolumeError(f'emptyDir medium "{source.medium}" is not built')
    elif fresh:
        path.chmod(0o777)
    if fresh:
        _share(pod, path)
    return Mounted(path)


def _share(pod: Pod, path: Path) -> None:
    group = group_of(pod)
    if group is not None:
        give_to_group(path, group)


def memory_size(pod: Pod, size_limit: str | None, context: VolumeContext) -> int | None:
    """The smallest of the volume's limit, the pod's memory limit and what the node can give."""
    sizes = [quantity.value(context.allocatable.get("memory", "0")) or None, pod_memory_limit(pod)]
    if size_limit and size_limit != "0":
        sizes.append(quantity.value(size_limit))
    return min((size for size in sizes if size is not None), default=None)


def pod_memory_limit(pod: Pod) -> int | None:
    """The sum of the containers' limits, when every container has one."""
    limits = [((container.resources.limits or {}).get("memory")) for container in pod.spec.containers or ()]
    if not limits or any(limit is None for limit in limits):
        return None
    return sum(quantity.value(limit) for limit in limits if limit is not None)


TYPE = VolumeType("empty_dir", PLUGIN, mount)
