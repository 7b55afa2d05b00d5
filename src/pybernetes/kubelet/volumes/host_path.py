"""hostPath: a file or directory of the node itself.

Follows pkg/volume/hostpath: the type is checked, DirectoryOrCreate and FileOrCreate make what is missing.
"""

from __future__ import annotations

import stat
from pathlib import Path

from pybernetes.api.models.core_v1 import Pod, Volume

from .volume import Mounted, VolumeContext, VolumeError, VolumeType

PLUGIN = "kubernetes.io/host-path"

_CHECKS = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


async def mount(pod: Pod, volume: Volume, context: VolumeContext) -> Mounted:
    source = volume.host_path
    assert source is not None
    path = Path(source.path)
    check(path, source.type or "")
    return Mounted(path)


def check(path: Path, kind: str) -> None:
    """Raises VolumeError unless `path` is what the volume says it is."""
    if not kind:
        return
    if kind not in _CHECKS:
        raise VolumeError(f"hostPath type check failed: {kind} is an invalid volume type")
    if kind == "DirectoryOrCreate" and not path.exists():
        path.mkdir(mode=0o755, parents=True)
    elif kind == "FileOrCreate" and not path.exists():
        try:
            path.touch(mode=0o644)
        except FileNotFoundError as error:
            raise VolumeError(f"hostPath type check failed: {path.parent} does not exist") from error
    is_kind, words = _CHECKS[kind]
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise VolumeError(f"hostPath type check failed: {path} is not {words}") from error
    if not is_kind(mode):
        raise VolumeError(f"hostPath type check failed: {path} is not {words}")


TYPE = VolumeType("host_path", PLUGIN, mount)
