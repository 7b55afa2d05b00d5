"""Audit events in a file, one JSON document a line; `-` is standard output.

Guarantees  A line is written before its request is answered, unless lines are batched. A file that would grow beyond
            its limit is put aside under the time in UTC, as upstream's library does, and what was put aside is removed
            by age and number.

Follows k8s.io/apiserver/plugin/pkg/audit/log and gopkg.in/natefinch/lumberjack.v2.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from pybernetes.apiserver.audit.losses import Losses

log = logging.getLogger(__name__)

PLUGIN = "log"
STANDARD_OUTPUT = "-"
MEGABYTE = 1024 * 1024
_STAMP = "%Y-%m-%dT%H-%M-%S"


@dataclass(frozen=True, slots=True)
class Rotation:
    """Days, files and megabytes; 0 is no limit."""

    max_age: int = 366
    max_backups: int = 100
    max_size: int = 100


class LogFile:
    """Implements `Sink`. Raises OSError when the file cannot be made."""

    def __init__(
        self, path: str, rotation: Rotation, now: Callable[[], datetime], losses: Losses | None = None
    ) -> None:
        self._rotation = rotation
        self._now = now
        self._losses = Losses() if losses is None else losses
        self._path: Path | None = None
        self._size = 0
        self._file: BinaryIO = sys.stdout.buffer
        if path != STANDARD_OUTPUT:
            self._path = Path(path)
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.touch(mode=0o600, exist_ok=True)
            self._file = self._open(self._path)

    def take(self, event: bytes) -> bool:
        try:
            if self._path is not None:
                self._make_room(self._path, len(event) + 1)
            self._file.write(event + b"\n")
            self._file.flush()
        except OSError as error:
            log.error("an audit event is lost: the log cannot be written", extra={"error": str(error)})
            self._losses.add(PLUGIN)
            return False
        self._size += len(event) + 1
        return True

    async def write_all(self, batch: list[bytes]) -> None:
        for event in batch:
            self.take(event)

    def close(self) -> None:
        if self._path is not None:
            self._file.close()

    def _open(self, path: Path) -> BinaryIO:
        self._size = path.stat().st_size if path.exists() else 0
        return path.open("ab")

    def _make_room(self, path: Path, needed: int) -> None:
        most = self._rotation.max_size * MEGABYTE
        if not most or not self._size or self._size + needed <= most:
            return
        self._file.close()
        now = self._now().astimezone(UTC)
        path.rename(path.with_name(f"{path.stem}-{now.strftime(_STAMP)}.{now.microsecond // 1000:03}{path.suffix}"))
        self._file = self._open(path)
        for outdated in self._outdated(path):
            outdated.unlink(missing_ok=True)

    def _outdated(self, path: Path) -> Iterator[Path]:
        kept = sorted(_put_aside(path), reverse=True)
        oldest = self._now().astimezone(UTC) - timedelta(days=self._rotation.max_age)
        for place, (moment, backup) in enumerate(kept):
            too_many = self._rotation.max_backups and place >= self._rotation.max_backups
            if too_many or (self._rotation.max_age and moment < oldest):
                yield backup


def _put_aside(path: Path) -> Iterator[tuple[datetime, Path]]:
    for backup in path.parent.glob(f"{path.stem}-*{path.suffix}"):
        stamp = backup.name.removeprefix(f"{path.stem}-").removesuffix(path.suffix)
        try:
            yield datetime.strptime(stamp, f"{_STAMP}.%f").replace(tzinfo=UTC), backup
        except ValueError:
            continue
