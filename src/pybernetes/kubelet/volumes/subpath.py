"""Sub-paths of volumes: a part of a volume, that cannot be used to leave it.

Guarantees  The path that a container gets is inside the volume at the time of mounting, and stays what it was then:
            it is opened without following links out of the volume and bound by its descriptor.
Follows     pkg/volume/util/subpath/subpath_linux.go.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

from .mounter import Mounter
from .volume import VolumeError

_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC


def bind(mounter: Mounter, volume: Path, subpath: str, target: Path) -> Path:
    """Binds `volume/subpath`, made as a directory where it is missing, to `target`; answers what to mount."""
    _check(subpath)
    if mounter.is_mount(target):
        return target
    descriptor = _open_inside(volume, subpath)
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        else:
            target.mkdir(parents=True, exist_ok=True)
        mounter.bind(f"/proc/{os.getpid()}/fd/{descriptor}", target)
    except OSError as error:
        raise VolumeError(f"failed to prepare subPath {subpath!r}: {error}") from error
    finally:
        os.close(descriptor)
    return target


def read(volume: Path, path: str) -> str:
    """The text of a file inside the volume."""
    _check(path)
    root, wanted = _inside(volume, path)
    descriptor = os.open(root, _FLAGS | os.O_RDONLY | os.O_DIRECTORY)
    for part in wanted.relative_to(root).parts:
        try:
            following = os.open(part, _FLAGS | os.O_RDONLY | os.O_NONBLOCK, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = following
    with open(descriptor, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _check(subpath: str) -> None:
    if subpath.startswith("/"):
        raise VolumeError(f"error SubPath `{subpath}` must not be an absolute path")
    if ".." in PurePosixPath(subpath).parts:
        raise VolumeError(f"unable to provision SubPath `{subpath}`: must not contain '..'")


def _open_inside(volume: Path, subpath: str) -> int:
    """A descriptor of the sub-path. Links are resolved first, then the result is walked without following any."""
    root, wanted = _inside(volume, subpath)
    mode = stat.S_IMODE(root.stat().st_mode)
    descriptor = os.open(root, _FLAGS | os.O_RDONLY | os.O_DIRECTORY)
    for part in wanted.relative_to(root).parts:
        try:
            following = _open_or_make(part, descriptor, _FLAGS, mode)
        except OSError as error:
            raise VolumeError(f"failed to prepare subPath {subpath!r}: {error}") from error
        finally:
            os.close(descriptor)
        descriptor = following
    return descriptor


def _inside(volume: Path, subpath: str) -> tuple[Path, Path]:
    """The volume and the part of it with all links resolved."""
    root = Path(os.path.realpath(volume))
    if root.is_file():
        raise VolumeError(f"subPath {subpath!r}: the volume is a file")
    wanted = Path(os.path.realpath(root / subpath))
    if wanted != root and root not in wanted.parents:
        raise VolumeError(f"subPath {subpath!r} leads out of the volume")
    return root, wanted


def _open_or_make(name: str, parent: int, flags: int, mode: int) -> int:
    path_only = getattr(os, "O_PATH", 0)
    try:
        descriptor = os.open(name, flags | path_only, dir_fd=parent)
    except FileNotFoundError:
        os.mkdir(name, mode & 0o777, dir_fd=parent)
        descriptor = os.open(name, flags | path_only, dir_fd=parent)
        os.chmod(f"/proc/self/fd/{descriptor}", mode)
        os.chown(f"/proc/self/fd/{descriptor}", -1, os.fstat(parent).st_gid)
    if stat.S_ISLNK(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{name} became a link")
    return descriptor
