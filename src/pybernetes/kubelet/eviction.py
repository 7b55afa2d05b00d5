"""Evicting pods that use more local storage than they are allowed: emptyDir size limits and ephemeral-storage limits.

Guarantees  `exceeded` is pure. Only pods that declare a limit are measured. Pressure on the node itself evicts nobody.
Follows     pkg/kubelet/eviction (localStorageEviction).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pybernetes.api import quantity
from pybernetes.api.models.core_v1 import Pod

from .host import Host
from .observed import ObservedPod
from .runtime import NotFound
from .volumes.empty_dir import PLUGIN

STORAGE = "ephemeral-storage"


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes on disk: of emptyDir volumes by name, and of containers (writable layer and logs) by name."""

    volumes: Mapping[str, int] = field(default_factory=dict)
    containers: Mapping[str, int] = field(default_factory=dict)


def has_limits(pod: Pod) -> bool:
    return bool(_volume_limits(pod)) or any(STORAGE in c.resources.limits for c in pod.spec.containers)


def exceeded(pod: Pod, usage: Usage) -> str | None:
    """Why the pod must go, in upstream's words."""
    for name, limit in _volume_limits(pod).items():
        if usage.volumes.get(name, 0) > quantity.value(limit):
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
    limits = {c.name: c.resources.limits[STORAGE] for c in pod.spec.containers if STORAGE in c.resources.limits}
    if len(limits) == len(pod.spec.containers):
        total = sum(quantity.value(amount) for amount in limits.values())
        if sum(usage.volumes.values()) + sum(usage.containers.values()) > total:
            shown = next(iter(limits.values())) if len(limits) == 1 else str(total)
            return f"Pod ephemeral local storage usage exceeds the total limit of containers {shown}. "
    for name, amount in limits.items():
        if usage.containers.get(name, 0) > quantity.value(amount):
            return f'Container {name} exceeded its local ephemeral storage limit "{amount}". '
    return None


def _volume_limits(pod: Pod) -> dict[str, str]:
    """Those on disk: a volume in memory is limited by its file system."""
    found: dict[str, str] = {}
    for volume in pod.spec.volumes:
        source = volume.empty_dir
        if source is not None and source.medium != "Memory" and source.size_limit and source.size_limit != "0":
            found[volume.name] = source.size_limit
    return found


async def measure(host: Host, pod: Pod, observed: ObservedPod) -> Usage:
    uid, metadata = pod.metadata.uid, pod.metadata
    on_disk = [v.name for v in pod.spec.volumes if v.empty_dir is not None and v.empty_dir.medium != "Memory"]
    volumes = {name: host.node.paths.volume(uid, PLUGIN, name) for name in on_disk}
    logs = host.node.paths.logs(metadata.namespace, metadata.name, uid)
    containers: dict[str, int] = {}
    for container in observed.running:
        try:
            layer = (await host.runtime.container_stats(container.id)).writable_layer
        except NotFound:
            continue
        written = layer.used_bytes if layer is not None else 0
        containers[container.name] = written + await asyncio.to_thread(size_of, logs / container.name)
    sizes = {name: await asyncio.to_thread(size_of, path) for name, path in volumes.items()}
    return Usage(sizes, containers)


def size_of(path: Path) -> int:
    """What a directory takes on disk."""
    total = 0
    for directory, _, files in os.walk(path):
        for name in (*files, "."):
            try:
                total += os.lstat(os.path.join(directory, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total
