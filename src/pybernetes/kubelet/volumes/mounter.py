"""Mounting, as the few operations that volumes need.

Guarantees  `tmpfs` and `bind` are idempotent: what is mounted already stays; `tmpfs` answers whether it is new.
            `unmount_below` leaves nothing mounted under a path, deepest first, and succeeds when nothing was.
`SystemMounter` needs CAP_SYS_ADMIN. `PlainDirectories` stands in without it: tmpfs is a directory, a bind is a
symbolic link.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ..runtime import FilesystemMount

_MS_RDONLY = 1
_MS_REMOUNT = 32
_MS_BIND = 4096
_MS_REC = 16384
_MNT_DETACH = 2


class Mounter(Protocol):
    def tmpfs(self, path: Path, size: int | None) -> bool: ...

    def bind(self, source: str, target: Path) -> None: ...

    def mount(self, what: FilesystemMount, target: Path) -> None: ...

    def unmount_below(self, path: Path) -> None: ...

    def is_mount(self, path: Path) -> bool: ...


class SystemMounter:
    """The kernel's mount table."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def tmpfs(self, path: Path, size: int | None) -> bool:
        """Open to everybody, with the sticky bit, as the kernel has it."""
        if os.stat(path).st_dev != os.stat(path.parent).st_dev:
            return False
        self._mount("tmpfs", path, "tmpfs", 0, None if size is None else f"size={size}")
        return True

    def bind(self, source: str, target: Path) -> None:
        if not self.is_mount(target):
            self._mount(source, target, None, _MS_BIND, None)

    def mount(self, what: FilesystemMount, target: Path) -> None:
        """Read-only, whatever the options say."""
        if self.is_mount(target):
            return
        if what.kind == "bind":
            self._mount(what.source, target, None, _MS_BIND | _MS_REC, None)
            self._mount(what.source, target, None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY, None)
            return
        options = ",".join(option for option in what.options if option not in ("ro", "rw"))
        self._mount(what.source, target, what.kind, _MS_RDONLY, options)

    def unmount_below(self, path: Path) -> None:
        for mountpoint in reversed(mounts_below(path)):
            if self._libc.umount2(os.fsencode(mountpoint), _MNT_DETACH) != 0:
                number = ctypes.get_errno()
                raise OSError(number, f"unmount: {os.strerror(number)}", mountpoint)

    def is_mount(self, path: Path) -> bool:
        return str(path.absolute()) in mounts_below(path)

    def _mount(self, source: str, target: Path, kind: str | None, flags: int, options: str | None) -> None:
        arguments = [None if value is None else os.fsencode(value) for value in (source, str(target), kind)]
        data = None if options is None else options.encode()
        if self._libc.mount(*arguments, ctypes.c_ulong(flags), data) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"mount {kind or source}: {os.strerror(number)}", str(target))


class PlainDirectories:
    """No mounts at all: for tests and for nodes without privileges."""

    def tmpfs(self, path: Path, size: int | None) -> bool:
        if path.stat().st_mode & stat.S_ISVTX:
            return False
        path.chmod(0o1777)
        return True

    def bind(self, source: str, target: Path) -> None:
        real = os.path.realpath(source)
        if target.is_symlink() or target.is_file():
            target.unlink()
        elif target.is_dir():
            target.rmdir()
        target.symlink_to(real)

    def mount(self, what: FilesystemMount, target: Path) -> None:
        raise OSError(errno.EPERM, f"mount {what.kind}: {os.strerror(errno.EPERM)}", str(target))

    def unmount_below(self, path: Path) -> None:
        """There is nothing to unmount."""

    def is_mount(self, path: Path) -> bool:
        return False


def mounts_below(path: Path) -> Sequence[str]:
    """Mount points at or under `path`, in the order in which they were mounted."""
    prefix = str(path.absolute())
    found: list[str] = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            mountpoint = _unescape(line.split(" ", 5)[4])
            if mountpoint == prefix or mountpoint.startswith(prefix + "/"):
                found.append(mountpoint)
    return found


def _unescape(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
