"""The file of the SQLite store: an append-only log of changes, and how the state is read back from it.

Used by one thread at a time: first the opener's, then the writer's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from pybernetes.store.contract import Change, ChangeType, Entry, Revision, StoreError, StoreUnavailable
from pybernetes.store.state import FIRST_REVISION, State

_ORDINAL_BITS = 16
MAX_WRITES = 1 << _ORDINAL_BITS
"""Changes that one transaction may hold: a row's id is its revision and its position."""

_ROWS_AT_ONCE = 100
"""Rows in one statement; so many different statements are kept compiled."""

_PRAGMAS = (
    "PRAGMA page_size = 8192",
    "PRAGMA auto_vacuum = INCREMENTAL",
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 2000",
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, created INTEGER NOT NULL, value BLOB
) STRICT;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
"""


class RowOf(NamedTuple):
    """Names the row that holds ``key``'s change at ``revision``."""

    revision: Revision
    key: str


def garbage_of(dropped: Iterable[Change]) -> Iterator[RowOf]:
    """The rows that only ``dropped`` history needed."""
    for change in dropped:
        if change.previous is not None:
            yield RowOf(change.previous.mod_revision, change.entry.key)
        if change.type is ChangeType.DELETE:
            yield RowOf(change.revision, change.entry.key)


_Row = tuple[int, str, int, bytes | None]


def _rows(changes: Sequence[Change]) -> Iterator[_Row]:
    first = changes[0].revision << _ORDINAL_BITS
    for position, change in enumerate(changes):
        entry = change.entry
        value = entry.value if change.type is ChangeType.PUT else None
        yield first | position, entry.key, entry.create_revision, value


class StoreInUse(StoreError):
    """Another process has the file open."""


class Log:
    """Rows of changes: ``value`` NULL is a deletion."""

    def __init__(self, path: Path) -> None:
        try:
            self._db = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=0, cached_statements=2 * _ROWS_AT_ONCE
            )
            for pragma in _PRAGMAS:
                self._db.execute(pragma)
            self._db.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise StoreInUse(f"open {path}: another process has it open") from error
            raise StoreUnavailable(f"open {path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise StoreUnavailable(f"open {path}: {error}") from error

    def load(self) -> State:
        """The state that the log tells, with the history that it still has.

        Rows that an interrupted compaction left behind are removed.
        """
        row = self._db.execute("SELECT value FROM meta WHERE name = 'compacted'").fetchone()
        compacted: Revision = row[0] if row else 0
        entries: dict[str, Entry] = {}
        history: list[Change] = []
        forgotten: list[RowOf] = []
        newest = max(FIRST_REVISION, compacted)
        for id_, key, created, value in self._db.execute("SELECT id, key, created, value FROM log ORDER BY id"):
            revision = id_ >> _ORDINAL_BITS
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
        self.remove(forgotten)
        state = State(newest, compacted)
        state.entries.update(entries)
        state.history = history
        return state

    def append(self, transactions: Sequence[Sequence[Change]], garbage: Sequence[RowOf] = ()) -> None:
        """Takes the changes of all transactions to the disk, all or none, and removes ``garbage`` with them.

        Usually this is one statement, which commits by itself: between statements this thread would wait for its turn
        at the interpreter, and that takes longer than the disk.
        """
        rows = [row for changes in transactions for row in _rows(changes)]
        if len(rows) <= _ROWS_AT_ONCE and not garbage:
            self._insert(rows)
            return
        self._db.execute("BEGIN IMMEDIATE")
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            self._insert(rows[start : start + _ROWS_AT_ONCE])
        self._remove(garbage)
        self._db.execute("COMMIT")

    def _insert(self, rows: Sequence[_Row]) -> None:
        places = ",".join(("(?,?,?,?)",) * len(rows))
        self._db.execute(f"INSERT INTO log (id, key, created, value) VALUES {places}", list(chain.from_iterable(rows)))

    def set_compacted(self, through: Revision) -> None:
        """From now on rows that no revision after ``through`` needs are garbage."""
        self._db.execute(
            "INSERT INTO meta VALUES ('compacted', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (through,),
        )

    def remove(self, garbage: Iterable[RowOf]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._remove(garbage)
        self._db.execute("COMMIT")

    def _remove(self, garbage: Iterable[RowOf]) -> None:
        self._db.executemany(
            "DELETE FROM log WHERE id >= ? AND id < ? AND key = ?",
            [(row.revision << _ORDINAL_BITS, (row.revision + 1) << _ORDINAL_BITS, row.key) for row in garbage],
        )

    def rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def give_back_pages(self) -> None:
        self._db.execute("PRAGMA incremental_vacuum(1000)").fetchall()

    def close(self) -> None:
        self._db.close()
