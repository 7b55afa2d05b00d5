"""The store: an ordered map from key to bytes, with history.

Guarantees
  Every committed transaction has one revision, greater than all before it.
  A transaction is applied whole or not at all, and survives a crash once ``transact`` has returned.
  Reads see committed transactions only, and every one that was acknowledged before the read began.
  A watch after revision r yields every later change once, in order, or raises ``Compacted``.
  Within one transaction a key is written at most once.

Every backend passes the suite in ``tests/store/conformance.py``; ``store.check`` states the invariants.
The shape follows etcd's MVCC (https://etcd.io/docs/latest/learning/data_model/).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

Revision = int


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A key's value as of ``mod_revision``."""

    key: str
    value: bytes
    create_revision: Revision
    mod_revision: Revision


class ChangeType(StrEnum):
    PUT = "PUT"
    DELETE = "DELETE"


class Change(msgspec.Struct, frozen=True, gc=False):
    """One key's change. A deletion's entry has an empty value and the revision of the deletion."""

    type: ChangeType
    entry: Entry
    previous: Entry | None

    @property
    def revision(self) -> Revision:
        return self.entry.mod_revision


class Range(msgspec.Struct, frozen=True):
    """Entries in key order as of ``revision``; ``count`` counts those from ``start`` on, beyond ``limit`` too."""

    entries: Sequence[Entry]
    revision: Revision
    more: bool
    count: int


class ModRevisionIs(msgspec.Struct, frozen=True):
    """The key was last changed at ``revision``; 0 says that it does not exist."""

    key: str
    revision: Revision

    def holds(self, current: Entry | None) -> bool:
        return (current.mod_revision if current else 0) == self.revision


class Exists(msgspec.Struct, frozen=True):
    key: str

    def holds(self, current: Entry | None) -> bool:
        return current is not None


Condition = ModRevisionIs | Exists


class Put(msgspec.Struct, frozen=True):
    key: str
    value: bytes


class Delete(msgspec.Struct, frozen=True):
    """Removes the key; on an absent key it does nothing."""

    key: str


Write = Put | Delete


class Committed(msgspec.Struct, frozen=True):
    """``changes`` are in the order of the writes; deletions of absent keys left none."""

    revision: Revision
    changes: tuple[Change, ...]


class Refused(msgspec.Struct, frozen=True):
    """The first condition that failed, and what its key held. Nothing was written."""

    failed: Condition
    current: Entry | None
    revision: Revision


class StoreError(Exception):
    """An operation of the store that could not be done."""


class Compacted(StoreError):
    """The revision asked for is older than the history that is kept."""

    def __init__(self, asked: Revision, oldest: Revision) -> None:
        super().__init__(f"revision {asked} has been compacted; the oldest is {oldest}")
        self.asked = asked
        self.oldest = oldest


class FutureRevision(StoreError):
    """The revision asked for has not happened yet."""

    def __init__(self, asked: Revision, current: Revision) -> None:
        super().__init__(f"revision {asked} is in the future; the current one is {current}")
        self.asked = asked
        self.current = current


class StoreUnavailable(StoreError):
    """The write was not made durable (disk full, file system error); nothing of it is visible."""


class StoreClosed(StoreError):
    """The store was closed before the operation."""


class Watch(Protocol):
    """Batches of changes, each batch one or more whole transactions. Ends when closed."""

    def __aiter__(self) -> AsyncIterator[tuple[Change, ...]]: ...
    async def __anext__(self) -> tuple[Change, ...]: ...
    async def __aenter__(self) -> Watch: ...
    async def __aexit__(self, *exc: object) -> None: ...
    def close(self) -> None: ...


class Store(Protocol):
    @property
    def revision(self) -> Revision:
        """The last committed revision; an empty store is at 1."""

    @property
    def compacted(self) -> Revision:
        """History at or before this revision is gone; 0 if none is."""

    async def get(self, key: str) -> Entry | None: ...

    def get_now(self, key: str) -> Entry | None:
        """``get`` for callers that cannot wait; raises ``NotImplementedError`` where the state is not in memory."""

    def is_stale(self, key: str) -> bool:
        """Whether the value should be written again though nothing of it has changed (it is sealed with an old key)."""

    async def range(
        self, prefix: str, *, start: str = "", limit: int | None = None, at: Revision | None = None
    ) -> Range:
        """Keys that begin with ``prefix``, from ``start`` (inclusive) on.

        Raises ``Compacted`` or ``FutureRevision`` for an ``at`` outside the window.
        """

    async def transact(
        self, *, require: Sequence[Condition] = (), write: Sequence[Write], within: float = 0.0
    ) -> Committed | Refused:
        """Returns once durable. Raises ``StoreUnavailable``; then nothing was written.

        ``within`` are the seconds that it may wait for others to become durable together with them.
        """

    def watch(self, prefix: str, *, after: Revision) -> Watch:
        """Changes under ``prefix`` with a revision greater than ``after``.

        Raises ``FutureRevision`` at once, and ``Compacted`` at once or, while iterating, when the reader fell
        behind what is kept.
        """

    async def compact(self, through: Revision) -> None:
        """Forgets the history at or before ``through``; current values stay. Raises ``FutureRevision``."""

    async def close(self) -> None: ...
