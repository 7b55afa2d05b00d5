"""What a volume type is: one row in the table of `volumes/__init__.py`.

Guarantees asked of every type
  `mount` makes the volume's files be there and answers where; called again, it brings them up to date and keeps
what the
  pod wrote. A failure is `VolumeError`, whose text becomes the FailedMount event.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pybernetes.api.models.core_v1 import PersistentVolume, PersistentVolumeClaim, Pod, Volume

from ..env import Objects
from .mounter import Mounter


class VolumeError(Exception):
    """The volume cannot be mounted now; the pod's containers wait."""


class Tokens(Protocol):
    """Service account tokens bound to a pod; renewed before they expire."""

    async def token(self, pod: Pod, audience: str, expiration_seconds: int) -> str: ...


class Claims(Protocol):
    """Storage that pods claim; raises ApiError when there is none."""

    async def claim(self, namespace: str, name: str) -> PersistentVolumeClaim: ...

    async def volume(self, name: str) -> PersistentVolume: ...


@dataclass(frozen=True, slots=True)
class VolumeContext:
    """What a mount may need besides the pod and the volume."""

    directory_of: Callable[[str], Path]
    """The volume's directory below the pod's, by plugin name."""
    objects: Objects
    tokens: Tokens
    claims: Claims
    mounter: Mounter
    allocatable: Mapping[str, str]
    now: datetime
    host_ips: tuple[str, ...] = ()
    pod_ips: tuple[str, ...] = ()
    privileged: bool = True


@dataclass(frozen=True, slots=True)
class Mounted:
    """Where on the node the volume's root is."""

    path: Path
    read_only: bool = False


Mount = Callable[[Pod, Volume, VolumeContext], Awaitable[Mounted]]


@dataclass(frozen=True, slots=True)
class VolumeType:
    """`field` is the name of the volume's source in the API, in Python's case."""

    field: str
    plugin: str
    mount: Mount


def group_of(pod: Pod) -> int | None:
    """The fsGroup that volumes of this pod belong to."""
    return pod.spec.security_context.fs_group if pod.spec.security_context is not None else None


def user_of(pod: Pod) -> int | None:
    """The user of all containers, when they agree on one."""
    default = pod.spec.security_context.run_as_user if pod.spec.security_context is not None else None
    users = {
        container.security_context.run_as_user
        if container.security_context is not None and container.security_context.run_as_user is not None
        else default
        for container in (*(pod.spec.init_containers or ()), *(pod.spec.containers or ()))
    }
    return next(iter(users)) if len(users) == 1 else None


def give_to_group(root: Path, group: int) -> None:
    """Everything below `root` belongs to `group`, which may read and write it; new files inherit the group."""
    for directory, _, files in os.walk(root):
        os.chown(directory, -1, group)
        os.chmod(directory, (os.stat(directory).st_mode & 0o7777) | 0o2770)
        for name in files:
            path = os.path.join(directory, name)
            os.chown(path, -1, group, follow_symlinks=False)
            if not os.path.islink(path):
                os.chmod(path, (os.stat(path).st_mode & 0o7777) | 0o660)
