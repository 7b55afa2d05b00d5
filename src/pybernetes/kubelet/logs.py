"""Container logs on disk: reading and following, rotation, and the links under /var/log/containers.

Guarantees  Following loses no line over a rotation: the old file is read to its end before the new one is opened. It
            ends when the container has ended and its log is read.
            Rotation keeps at most `max_files` files of about `max_size` bytes for a container.
Assumes     The runtime writes `<pod directory>/<container>/<restart count>.log` in the format of `log_format.py`.
Follows pkg/kubelet/kuberuntime/logs and pkg/kubelet/logs.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

import structlog

from pybernetes.kubelet import links
from pybernetes.kubelet.log_format import LogOptions, Renderer
from pybernetes.kubelet.runtime import Container, ContainerState, Runtime, RuntimeFailure
from pybernetes.kubelet.runtime.labels import (
    CONTAINER_NAME,
    DEFAULT_LOG_LINKS,
    DEFAULT_LOG_ROOT,
    POD_NAME,
    POD_NAMESPACE,
    POD_UID,
    container_log_path,
    log_link_name,
    pod_log_directory,
)

log = structlog.get_logger(__name__)

_CHUNK = 256 * 1024
_POLL = 0.1
_POLLS_PER_STATE_CHECK = 5


class WallClock(Protocol):
    def now(self) -> datetime: ...


# ---- reading -----------------------------------------------------------------------------------------------------


async def read_log(path: Path, options: LogOptions, running: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
    """The log as it is asked for, piece by piece. `running` is asked now and then while following."""
    renderer = Renderer(options)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        if options.tail_lines is not None:
            file.seek(tail_offset(file, options.tail_lines))
        async for piece in _pieces(path, file, options, running, stack):
            rendered = renderer.render(piece)
            if rendered:
                yield rendered
            if renderer.satisfied:
                return


async def _pieces(
    path: Path,
    file: BinaryIO,
    options: LogOptions,
    running: Callable[[], Awaitable[bool]],
    stack: contextlib.ExitStack,
) -> AsyncIterator[Iterator[bytes]]:
    """Complete raw lines, in pieces of the file; over rotations when following."""
    polls = 0
    ended = not options.follow
    while True:
        lines = _complete_lines(file)
        if lines:
            yield iter(lines)
        elif ended:
            return
        elif (newer := _rotated(path, file)) is not None:
            file = stack.enter_context(newer)
        elif polls % _POLLS_PER_STATE_CHECK == 0 and not await running():
            # Read once more: the container may have written between the last read and its end.
            ended = True
        else:
            polls += 1
            await asyncio.sleep(_POLL)


def _complete_lines(file: BinaryIO) -> list[bytes]:
    """What is there up to the last line end; the file stands after it."""
    start = file.tell()
    data = file.read(_CHUNK)
    end = data.rfind(b"\n")
    while end < 0 and len(data) % _CHUNK == 0 and (more := file.read(_CHUNK)):
        data += more
        end = data.rfind(b"\n")
    file.seek(start + end + 1)
    return data[:end].split(b"\n") if end >= 0 else []


def _rotated(path: Path, file: BinaryIO) -> BinaryIO | None:
    """The new file of that name, once there is one."""
    try:
        if os.stat(path).st_ino != os.fstat(file.fileno()).st_ino:
            return path.open("rb")
    except FileNotFoundError:
        return None
    return None


def tail_offset(file: BinaryIO, lines: int) -> int:
    """Where the last `lines` lines begin."""
    file.seek(0, os.SEEK_END)
    end = position = file.tell()
    wanted = lines + 1
    if position:
        file.seek(position - 1)
        if file.read(1) != b"\n":
            wanted = lines
    if lines == 0:
        return end
    while position > 0:
        start = max(0, position - _CHUNK)
        file.seek(start)
        data = file.read(position - start)
        found = data.count(b"\n")
        if found >= wanted:
            return start + _nth_last(data, wanted) + 1
        wanted -= found
        position = start
    return 0


def _nth_last(data: bytes, count: int) -> int:
    position = len(data)
    for _ in range(count):
        position = data.rfind(b"\n", 0, position)
    return position


# ---- where logs are ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogPlaces:
    """The folders of logs, of links to the logs, and of links to the pods' folders; None: no such links are made."""

    root: Path = DEFAULT_LOG_ROOT
    links: Path | None = DEFAULT_LOG_LINKS
    pod_links: Path | None = None

    def log_of(self, container: Container) -> Path | None:
        """None for a container that was not made by a kubelet."""
        labels = container.labels
        try:
            folder = pod_log_directory(labels[POD_NAMESPACE], labels[POD_NAME], labels[POD_UID], self.root)
            return folder / container_log_path(labels[CONTAINER_NAME], container.attempt)
        except KeyError:
            return None

    def link(self, namespace: str, pod: str, container: str, container_id: str, target: Path) -> None:
        """Make the container's log known under the folders of links."""
        links.publish(target.parents[1], self.pod_links)
        if self.links is None:
            return
        self.links.mkdir(parents=True, exist_ok=True)
        link = self.links / log_link_name(namespace, pod, container, container_id)
        link.unlink(missing_ok=True)
        link.symlink_to(target)

    def remove_dead_links(self) -> None:
        if self.links is None or not self.links.is_dir():
            return
        for link in self.links.iterdir():
            if link.is_symlink() and not link.exists() and Path(os.readlink(link)).is_relative_to(self.root):
                link.unlink(missing_ok=True)

    def remove_pod_logs(self, namespace: str, pod: str, uid: str) -> None:
        folder = pod_log_directory(namespace, pod, uid, self.root)
        links.withdraw(folder, self.pod_links)
        shutil.rmtree(folder, ignore_errors=True)


# ---- rotation ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    max_size: int = 10 * 1024 * 1024
    max_files: int = 5
    period: float = 10.0


class LogRotator:
    """Rotates the logs of running containers that have grown too large."""

    def __init__(
        self, runtime: Runtime, places: LogPlaces, clock: WallClock, policy: RotationPolicy = RotationPolicy()
    ) -> None:
        self._runtime = runtime
        self._places = places
        self._clock = clock
        self._policy = policy

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._policy.period)
            try:
                await self.rotate_all()
            except (RuntimeFailure, OSError) as error:
                log.warning("log rotation failed", error=str(error))

    async def rotate_all(self) -> None:
        for container in await self._runtime.list_containers():
            path = self._places.log_of(container)
            if container.state is ContainerState.RUNNING and path is not None and self._too_large(path):
                await self.rotate(container.id, path)

    def _too_large(self, path: Path) -> bool:
        try:
            return path.stat().st_size > self._policy.max_size
        except FileNotFoundError:
            return False

    async def rotate(self, container_id: str, path: Path) -> None:
        """Move the log aside and have the runtime begin a new one; on failure the log stays where it was."""
        rotated = path.with_name(f"{path.name}.{self._clock.now().strftime('%Y%m%d-%H%M%S')}")
        await asyncio.to_thread(self._set_aside, path, rotated)
        try:
            await self._runtime.reopen_log(container_id)
        except RuntimeFailure:
            await asyncio.to_thread(rotated.rename, path)
            raise

    def _set_aside(self, path: Path, rotated: Path) -> None:
        self._make_room(path)
        path.rename(rotated)

    def _make_room(self, path: Path) -> None:
        """Compress what was rotated earlier, then leave room for the log in use and the one about to be rotated."""
        for unfinished in path.parent.glob(f"{path.name}.*.tmp"):
            unfinished.unlink()
        for plain in rotated_logs(path):
            if plain.suffix != ".gz":
                _compress(plain)
        kept = max(0, self._policy.max_files - 2)
        logs = rotated_logs(path)
        for old in logs[: len(logs) - kept]:
            old.unlink()


def rotated_logs(path: Path) -> list[Path]:
    """Earlier parts of a log, oldest first."""
    return sorted(p for p in path.parent.glob(f"{path.name}.*") if p.suffix != ".tmp")


def _compress(path: Path) -> None:
    target = path.with_name(f"{path.name}.gz")
    partial = path.with_name(f"{path.name}.tmp")
    with path.open("rb") as source, gzip.open(partial, "wb", compresslevel=6) as sink:
        shutil.copyfileobj(source, sink)
    shutil.copymode(path, partial)
    partial.rename(target)
    path.unlink()
