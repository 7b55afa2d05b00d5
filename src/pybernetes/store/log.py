"""The file of the SQLite store: an append-only log of changes, what its rows hold, and how the state is read back.

Rows are written by ``committer`` alone, while it runs; here the file is read before that.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from pybernetes.store.committer import PRAGMAS, REMOVE, SCHEMA
from pybernetes.store.contract import Change, ChangeType, Entry, Revision, StoreError, StoreUnavailable
from pybernetes.store.state import FIRST_REVISION, State

_ORDINAL_BITS = 16
MAX_WRITES = 1 << _ORDINAL_BITS
"""Changes that one transaction may hold: a row's id is its revision and its position."""

Rows = tuple[int, int, str]
"""The rows of one key's change: from an id, before an id, the key."""


class StoreInUse(StoreError):
    """Another server has the file open."""


def claim(path: Path) -> BinaryIO:
    """The file is this store's until what is returned is closed. Raises ``StoreInUse`` or ``StoreUnavailable``."""
    try:
        lock = path.with_name(f"{path.name}-lock").open("ab")
    except OSError as error:
        raise StoreUnavailable(f"open {path}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise StoreInUse(f"open {path}: another process has it open") from error
    return lock


def take_turn(path: Path) -> BinaryIO:
    """The right to write the file, for whoever holds what is returned, or inherits it.

    Waits for the committer of a server that has died: it may still be writing what it had heard.
    """
    try:
        turn = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "rb+")
    except OSError as error:
        raise StoreUnavailable(f"open {path}: {error.strerror}") from error
    fcntl.flock(turn, fcntl.LOCK_EX)
    return turn


def load(path: Path) -> State:
    """The state that the log tells, with the history that it still has. Creates what is absent.

    Rows that an interrupted compaction left behind are removed. Raises ``StoreUnavailable``.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as db:
            for pragma in PRAGMAS:
                db.execute(pragma)
            db.executescript(SCHEMA)
            return _read(db)
    except sqlite3.DatabaseError as error:
        raise StoreUnavailable(f"open {path}: {error}") from error


def _read(db: sqlite3.Connection) -> State:
    row = db.execute("SELECT value FROM meta WHERE name = 'compacted'").fetchone()
    compacted: Revision = row[0] if row else 0
    entries: dict[str, Entry] = {}
    history: list[Change] = []
    forgotten: list[Rows] = []
    newest = max(FIRST_REVISION, compacted)
    for id_, key, created, value in db.execute("SELECT id, key, created, value FROM log ORDER BY id"):
        revision = revision_of(id_)
        previous = entries.get(key)
        entry = Entry(key, value or b"", revision if created == revision else created, revision)
        if value is None:
            entries.pop(key, None)
        else:
            entries[key] = entry
        change = Change(ChangeType.DELETE if value is None else ChangeType.PUT, entry, previous)
        if revision > compacted:
            history.append(change)
            newest = revision
        else:
            forgotten.extend(garbage_of((change,)))
    db.execute("BEGIN IMMEDIATE")
    db.executemany(REMOVE, forgotten)
    db.execute("COMMIT")
    state = State(newest, compacted)
    state.entries.update(entries)
    state.history = history
    return state


def revision_of(id_: int) -> Revision:
    return id_ >> _ORDINAL_BITS


def values_of(transactions: Iterable[Sequence[Change]]) -> list[object]:
    """The rows of all changes, column after column, one row after the other: a deletion's value is NULL."""
    values: list[object] = []
    for changes in transactions:
        first = changes[0].revision << _ORDINAL_BITS
        for position, change in enumerate(changes):
            entry = change.entry
            value = entry.value if change.type is ChangeType.PUT else None
            values += (first | position, entry.key, entry.create_revision, value)
    return values


def garbage_of(dropped: Iterable[Change]) -> Iterator[Rows]:
    """The rows that only ``dropped`` history needed."""
    for change in dropped:
        if change.previous is not None:
            yield _rows_of(change.previous.mod_revision, change.entry.key)
        if change.type is ChangeType.DELETE:
            yield _rows_of(change.revision, change.entry.key)


def _rows_of(revision: Revision, key: str) -> Rows:
    return revision << _ORDINAL_BITS, (revision + 1) << _ORDINAL_BITS, key
