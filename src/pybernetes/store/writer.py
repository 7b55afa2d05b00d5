"""The server's end of the committer: sends it what is to become durable, hears what has.

Transactions reach the disk in the order of ``submit``, those that arrive during one commit together in the next. After
a failed one everything that was submitted before ``resume`` is dropped, because its revisions and conditions were built
on what is lost.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pybernetes.store import committer
from pybernetes.store.committer import APPEND, COMPACT, DONE, FAILED, OPEN, RESUME, Frames, framed
from pybernetes.store.contract import Change, Revision, StoreUnavailable
from pybernetes.store.log import garbage_of, revision_of, take_turn, values_of

if TYPE_CHECKING:
    from pybernetes.store.committer import Message

Transaction = tuple[Change, ...]
_MOST_READ = 65536


@dataclass(frozen=True, slots=True)
class Compaction:
    through: Revision
    dropped: tuple[Change, ...]
    done: asyncio.Future[None]


class _Resume:
    """Takes its place among what was submitted."""


_Item = list[Transaction] | Compaction | _Resume


class Reports(Protocol):
    """What the writer tells."""

    def durable(self, transactions: Sequence[Transaction]) -> None: ...

    def failed(self, problem: str) -> None:
        """A commit has failed, and with it every transaction that was submitted since the last one that succeeded."""

    def ended(self) -> None:
        """The committer is gone, unasked: what was submitted and not reported may be durable or not."""


class GroupWriter:
    """Owns the file from ``start`` to ``close``; all calls, and all reports, are on the loop's thread."""

    def __init__(self, link: socket.socket, process: asyncio.subprocess.Process) -> None:
        self._link = link
        self._process = process
        self._reports: Reports | None = None
        self._loop = asyncio.get_running_loop()
        self._frames = Frames()
        self._submitted: deque[_Item] = deque()
        self._unsent = b""
        self._opened: asyncio.Future[Revision] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._closing = False
        self._loop.add_reader(link, self._read)

    @classmethod
    async def start(cls, path: Path) -> GroupWriter:
        """The committer's process, which does nothing to the file until ``open``. Raises ``StoreUnavailable``."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        command = [sys.executable, "-I", "-S", committer.__file__, str(path)]
        with theirs, await asyncio.to_thread(take_turn, path) as turn:
            process = await asyncio.create_subprocess_exec(*command, stdin=theirs.fileno(), pass_fds=[turn.fileno()])
        return cls(ours, process)

    @property
    def pid(self) -> int:
        """The committer's."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._ended.done()

    def open(self, reports: Reports) -> asyncio.Future[Revision]:
        """Tells the newest revision that is durable, or ``StoreUnavailable``. Nobody needs to wait for it: what is
        submitted meanwhile follows, or fails."""
        self._reports = reports
        self._send((OPEN,))
        return self._opened

    def submit(self, transactions: list[Transaction]) -> None:
        """Several at once, because each call may wake the committer."""
        self._submitted.append(transactions)
        self._send((APPEND, values_of(transactions)))

    def compact(self, compaction: Compaction) -> None:
        self._submitted.append(compaction)
        self._send((COMPACT, compaction.through, list(garbage_of(compaction.dropped))))

    def resume(self) -> None:
        """What is submitted from here on is built on durable state again."""
        self._submitted.append(_Resume())
        self._send((RESUME,))

    async def close(self) -> None:
        """Returns once everything submitted is on disk and the file is released."""
        self._closing = True
        if not self._unsent and not self.has_ended:
            self._link.shutdown(socket.SHUT_WR)
        await self._ended
        await self._process.wait()

    def _send(self, message: Message) -> None:
        if self.has_ended:
            return
        waits = bool(self._unsent)
        self._unsent += framed(message)
        if not waits:
            self._flush()
            if self._unsent:
                self._loop.add_writer(self._link, self._flush_rest)

    def _flush(self) -> None:
        try:
            sent = self._link.send(self._unsent)
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            sent = len(self._unsent)  # nobody is there to read it, as the reader is about to learn
        self._unsent = self._unsent[sent:]

    def _flush_rest(self) -> None:
        self._flush()
        if not self._unsent:
            self._loop.remove_writer(self._link)
            if self._closing:
                self._link.shutdown(socket.SHUT_WR)

    def _read(self) -> None:
        try:
            data = self._link.recv(_MOST_READ)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self._end()
            return
        for answer in self._frames.take(data):
            match answer:
                case (_, 0, int(newest)):
                    self._opened.set_result(revision_of(newest))
                case (_, 0, str(problem)):
                    self._opened.set_exception(StoreUnavailable(f"open: {problem}"))
                case (str(outcome), int(requests), str(problem)):
                    self._tell(outcome, [self._submitted.popleft() for _ in range(requests)], problem)

    def _tell(self, outcome: str, items: Sequence[_Item], problem: str) -> None:
        durable: list[Transaction] = []
        for item in items:
            match item:
                case list():
                    durable += item
                case Compaction(done=done) if outcome == FAILED:
                    settle(done, StoreUnavailable(f"compact: {problem}"))
                case Compaction(done=done):
                    settle(done, None)
        if not durable or self._reports is None:
            return
        if outcome == DONE:
            self._reports.durable(durable)
        elif outcome == FAILED:
            self._reports.failed(problem)

    def _end(self) -> None:
        self._loop.remove_reader(self._link)
        self._loop.remove_writer(self._link)
        self._link.close()
        self._ended.set_result(None)
        gone = StoreUnavailable("the committer has ended")
        if not self._opened.done():
            self._opened.set_exception(gone)
        for item in self._submitted:
            if isinstance(item, Compaction):
                settle(item.done, gone)
        if self._reports is not None and not self._closing:
            self._reports.ended()


def settle(future: asyncio.Future[None], error: Exception | None) -> None:
    """Tells whoever still waits."""
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
