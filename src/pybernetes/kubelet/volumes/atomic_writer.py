"""Files that change all at once: readers see the old payload or the new one, never a mixture.

Guarantees  After `write` the directory shows exactly the payload. The switch is one rename of the link `..data`; a
            file that is open keeps its old content. Nothing is touched when the payload is already there.
Assumes     One writer at a time for a directory.
Follows     pkg/volume/util/atomic_writer.go.

    <directory>/name          -> ..data/name
    <directory>/..data        -> ..2026_11_23_06_25_45.1234567
    <directory>/..2026_…/name    the file itself
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

DATA = "..data"
_NEW_DATA = "..data_tmp"
MAX_FILE_NAME = 255
MAX_PATH = 4096


class InvalidPayload(Exception):
    """A path of the payload would leave the directory or collide with the writer's own names."""


@dataclass(frozen=True, slots=True)
class File:
    """One projected file; `user` owns it where that is not the writer."""

    data: bytes
    mode: int = 0o644
    user: int | None = None


Payload = Mapping[str, File]


def write(directory: Path, payload: Payload, group: int | None, now: datetime) -> bool:
    """Makes `directory` show `payload`; answers whether anything changed."""
    files = {_clean(path): file for path, file in payload.items()}
    if group is not None:
        _open_to(directory, group)
    current = _current(directory)
    if current is not None and _shows(directory, current, files, group):
        return False
    version = Path(tempfile.mkdtemp(prefix=now.strftime("..%Y_%m_%d_%H_%M_%S."), dir=directory))
    _fill(version, files, group)
    temporary = directory / _NEW_DATA
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(version.name)
    os.replace(temporary, directory / DATA)
    _link(directory, {PurePosixPath(path).parts[0] for path in files})
    if current is not None:
        shutil.rmtree(current, ignore_errors=True)
    return True


def _open_to(directory: Path, group: int) -> None:
    """The group may list the directory, and what comes into it is the group's."""
    found = directory.stat()
    if found.st_gid != group or not found.st_mode & stat.S_ISGID:
        os.chown(directory, -1, group)
        directory.chmod(stat.S_IMODE(found.st_mode) | 0o2550)


def _clean(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not path or path.startswith("/") or ".." in parts or not parts:
        raise InvalidPayload(f"invalid path: {path!r} must be relative and stay inside the volume")
    if parts[0].startswith(".."):
        raise InvalidPayload(f"invalid path: {path!r} must not start with '..'")
    if len(path) > MAX_PATH or any(len(part.encode()) > MAX_FILE_NAME for part in parts):
        raise InvalidPayload(f"invalid path: {path[:64]!r}… is too long")
    return str(PurePosixPath(*parts))


def _current(directory: Path) -> Path | None:
    try:
        version = directory / os.readlink(directory / DATA)
    except FileNotFoundError:
        return None
    return version if version.is_dir() else None


def _shows(directory: Path, version: Path, files: Payload, group: int | None) -> bool:
    present = {str(path.relative_to(version)) for path in version.rglob("*") if not path.is_dir()}
    if present != set(files):
        return False
    tops = {PurePosixPath(path).parts[0] for path in files}
    if {entry.name for entry in directory.iterdir() if not entry.name.startswith("..")} != tops:
        return False
    return all(_same(version / path, file, group) for path, file in files.items())


def _same(path: Path, file: File, group: int | None) -> bool:
    found = path.stat()
    if found.st_mode & 0o777 != _mode(file, group) or (group is not None and found.st_gid != group):
        return False
    if file.user is not None and found.st_uid != file.user:
        return False
    return found.st_size == len(file.data) and path.read_bytes() == file.data


def _mode(file: File, group: int | None) -> int:
    """A pod's group may always read what is projected for it."""
    return file.mode | 0o440 if group is not None else file.mode


def _fill(version: Path, files: Payload, group: int | None) -> None:
    version.chmod(0o755)
    for path, file in files.items():
        target = version / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)
        if file.user is not None or group is not None:
            os.chown(target, -1 if file.user is None else file.user, -1 if group is None else group)
        target.chmod(_mode(file, group))
    if group is not None:
        for directory in (version, *(path for path in version.rglob("*") if path.is_dir())):
            _open_to(directory, group)


def _link(directory: Path, names: set[str]) -> None:
    """One link per top-level name, through `..data`; links of names that are gone go too."""
    for entry in directory.iterdir():
        if entry.name.startswith("..") or entry.name in names:
            continue
        entry.unlink() if entry.is_symlink() or entry.is_file() else shutil.rmtree(entry)
    for name in names:
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(f"{DATA}/{name}")
