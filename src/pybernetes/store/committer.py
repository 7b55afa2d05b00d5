"""The program that takes changes to the disk: group commit, in a process of its own.

Run by ``writer`` as ``python committer.py DATABASE`` with one end of a socket pair as standard input. It imports
nothing but a little of the standard library, so that it starts at once and stays at 10 MB. It is a process because a
thread shares the interpreter with the server: each commit would stop it twice, and that costs a fifth of all writes.

Guarantees
  Everything that has arrived while one commit was on its way to the disk becomes durable with the next one.
  Each request is answered, in order, once it is done. After one has failed all later ones are dropped until
  ``resume``, because their revisions and conditions were built on what is lost.
  When the socket ends, what had arrived is committed; then the process ends. Signals meant for the server do not
  end it earlier.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import sqlite3
import sys
from collections import deque
from collections.abc import Callable
from itertools import chain

TYPE_CHECKING = False
if TYPE_CHECKING:  # whoever is to stay small does not import typing
    from typing import Any

    Message = tuple[int | str | list[Any], ...]

PRAGMAS = (
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA page_size = 8192",
    "PRAGMA auto_vacuum = INCREMENTAL",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 2000",
)
SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, created INTEGER NOT NULL, value BLOB
) STRICT;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
"""
REMOVE = "DELETE FROM log WHERE id >= ? AND id < ? AND key = ?"
SET_COMPACTED = "INSERT INTO meta VALUES ('compacted', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"

OPEN, APPEND, COMPACT, RESUME = "open", "append", "compact", "resume"
"""Requests: ``open`` the file; ``append`` rows: id, key, created, value, one after the other; ``compact`` through a
revision, with the rows that only older ones need: from id, before id, key; ``resume`` on durable state."""
DONE, FAILED, DROPPED = "done", "failed", "dropped"
"""Answers: to how many requests, and SQLite's message. To ``open``: 0, and the message or the newest row's id."""

_LENGTH = 4
_COLUMNS = 4
_ROWS_AT_ONCE = 100
"""Rows in one statement; so many different statements are kept compiled."""
_SWEEP_LIMIT = 200
"""Rows of garbage that are removed in one commit."""
_MOST_READ = 1 << 20
"""Bytes of requests that one commit may gather: bounds how long the first of them waits."""


def framed(message: Message) -> bytes:
    body = marshal.dumps(message)
    return len(body).to_bytes(_LENGTH, "little") + body


class Frames:
    """Takes bytes as they arrive, gives the messages that are whole."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, data: bytes) -> list[Message]:
        data, messages, start = self._rest + data, [], 0
        while start + _LENGTH <= len(data):
            body = start + _LENGTH
            end = body + int.from_bytes(data[start:body], "little")
            if end > len(data):
                break
            messages.append(marshal.loads(data[body:end]))
            start = end
        self._rest = data[start:]
        return messages


class Committer:
    """Reads requests from ``link`` until it ends, and does them on the file at ``path``."""

    def __init__(self, path: str, link: int) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=0, cached_statements=2 * _ROWS_AT_ONCE)
        self._link = link
        self._garbage: deque[Any] = deque()
        self._failed = False

    def run(self) -> None:
        frames = Frames()
        waiting = select.poll()
        waiting.register(self._link, select.POLLIN)
        while True:
            if self._garbage and not waiting.poll(0):
                self._sweep()
            elif data := os.read(self._link, _MOST_READ):
                self._take(frames.take(data))
            else:
                return

    def _take(self, requests: list[Message]) -> None:
        """Appends that follow each other are one commit."""
        rows: list[list[Any]] = []
        for request in requests:
            match request:
                case (kind, list(values)) if kind == APPEND:
                    rows.append(values)
                    continue
            self._append(rows)
            rows = []
            match request:
                case (kind,) if kind == OPEN:
                    self._open()
                case (kind, int(through), list(garbage)) if kind == COMPACT:
                    self._compact(through, garbage)
                case (kind,) if kind == RESUME:
                    self._failed = False
                    self._tell(DONE, 1)
        self._append(rows)

    def _open(self) -> None:
        try:
            for pragma in PRAGMAS:
                self._db.execute(pragma)
            newest = self._db.execute("SELECT max(id) FROM log").fetchone()[0]
        except sqlite3.Error as error:
            self._tell(FAILED, 0, str(error))
        else:
            self._tell(DONE, 0, newest or 0)

    def _append(self, appends: list[list[Any]]) -> None:
        if not appends:
            return
        if self._failed:
            self._tell(DROPPED, len(appends))
            return
        swept = self._some_garbage()
        error = self._attempt(lambda: self._write(list(chain.from_iterable(appends)), swept))
        if error is None:
            self._tell(DONE, len(appends))
        else:
            self._failed = True
            self._garbage.extendleft(swept)
            self._tell(FAILED, len(appends), error)

    def _write(self, values: list[Any], garbage: list[Any]) -> None:
        """All or nothing. Usually it is one statement, which commits by itself."""
        at_once = _ROWS_AT_ONCE * _COLUMNS
        if values and len(values) <= at_once and not garbage:
            self._insert(values)
            return
        self._db.execute("BEGIN IMMEDIATE")
        for start in range(0, len(values), at_once):
            self._insert(values[start : start + at_once])
        self._db.executemany(REMOVE, garbage)
        self._db.execute("COMMIT")

    def _insert(self, values: list[Any]) -> None:
        places = ",".join(("(?,?,?,?)",) * (len(values) // _COLUMNS))
        self._db.execute(f"INSERT INTO log (id, key, created, value) VALUES {places}", values)

    def _compact(self, through: int, garbage: list[Any]) -> None:
        """From now on the rows that no revision after ``through`` needs are garbage."""
        error = self._attempt(lambda: self._db.execute(SET_COMPACTED, (through,)))
        if error is None:
            self._garbage.extend(garbage)
            self._tell(DONE, 1)
        else:
            self._tell(FAILED, 1, error)

    def _sweep(self) -> None:
        """Removes some garbage while nobody waits; what fails now is found again when the file is next opened."""
        swept = self._some_garbage()
        self._attempt(lambda: self._write([], swept))
        if not self._garbage:
            self._attempt(lambda: self._db.execute("PRAGMA incremental_vacuum(1000)").fetchall())

    def _some_garbage(self) -> list[Any]:
        return [self._garbage.popleft() for _ in range(min(_SWEEP_LIMIT, len(self._garbage)))]

    def _attempt(self, body: Callable[[], object]) -> str | None:
        """SQLite's message if it could not be done; then nothing of it is done."""
        try:
            body()
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            return str(error)
        return None

    def _tell(self, outcome: str, requests: int, found: int | str = "") -> None:
        os.write(self._link, framed((outcome, requests, found)))


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    try:
        Committer(sys.argv[1], link=0).run()
    except (BrokenPipeError, ConnectionResetError):
        sys.exit("the server is gone; what it had not heard of may be durable or not")


if __name__ == "__main__":
    main()
