"""The embedded default: SQLite in WAL mode, a process of its own that commits in groups, reads from memory.

Guarantees (beyond the contract)
  A transaction is visible to readers and watchers only once SQLite has synced it to disk.
  Conditions are judged against everything accepted before, so that transactions do not wait for each other's sync;
  when a sync fails, every transaction accepted since the last one that succeeded fails with it.
  One process at a time: a second one gets ``StoreInUse``.

On disk there is one table, ``log``: a row per change, keyed by revision and position in its transaction. A current
value is its key's last row. Compaction removes the rows that no kept revision needs and gives their pages back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from pybernetes.store.contract import (
    Change,
    ChangeType,
    Committed,
    Condition,
    Entry,
    FutureRevision,
    Refused,
    Revision,
    StoreClosed,
    StoreUnavailable,
    Write,
)
from pybernetes.store.embedded import EmbeddedReads
from pybernetes.store.log import StoreInUse, claim, load
from pybernetes.store.state import State, plan_changes
from pybernetes.store.writer import Compaction, GroupWriter, settle

__all__ = ["SqliteStore", "StoreInUse"]


_SENT_TOGETHER = 4
_MOST_WAITING = 64
"""Transactions that may wait for others are sent when there are so many."""


class _Accepted(msgspec.Struct):
    """A transaction that has its revision and waits for the disk, and those who wait with it."""

    changes: tuple[Change, ...]
    waiting: list[asyncio.Future[None]] = []

    def durable(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """Each has its own: that one who waits gives up is nothing to the others, or to the transaction."""
        future = loop.create_future()
        self.waiting.append(future)
        return future

    def resolve(self, error: Exception | None) -> None:
        for future in self.waiting:
            settle(future, error)


class _Ahead(msgspec.Struct, frozen=True):
    """What an accepted transaction leaves at a key."""

    revision: Revision
    value: Entry | None


class SqliteStore(EmbeddedReads):
    """``Store`` on one SQLite file. Open with ``await SqliteStore.open(path)``."""

    def __init__(self, path: Path, lock: BinaryIO, writer: GroupWriter, state: State) -> None:
        super().__init__(state)
        self._path = path
        self._lock = lock
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._accepted: dict[Revision, _Accepted] = {}
        self._ahead: dict[str, _Ahead] = {}
        self._next = state.revision + 1
        self._unsent: list[tuple[Change, ...]] = []
        self._sending: asyncio.Handle | None = None
        self._sends_soon = False
        self._closed = False
        self._recovering: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, path: Path) -> SqliteStore:
        """Reads the file, creating it if it is absent. Raises ``StoreInUse`` or ``StoreUnavailable``."""
        lock = claim(path)
        try:
            writer = await GroupWriter.start(path)
            try:
                store = cls(path, lock, writer, load(path))
                writer.open(store)
            except StoreUnavailable:
                await writer.close()
                raise
        except StoreUnavailable:
            lock.close()
            raise
        return store

    async def transact(
        self, *, require: Sequence[Condition] = (), write: Sequence[Write], within: float = 0.0
    ) -> Committed | Refused:
        if self._closed:
            raise StoreClosed("transact")
        if self._writer.has_ended:
            await self._recovered()
        for condition in require:
            current = self._newest(condition.key)
            if not condition.holds(current):
                return await self._refuse(condition, current)
        changes = plan_changes(self._next, write, [self._newest(one.key) for one in write])
        if not changes:
            return Committed(self.revision, ())
        revision = self._next
        self._next += 1
        for change in changes:
            self._ahead[change.entry.key] = _Ahead(revision, change.entry if change.type is ChangeType.PUT else None)
        accepted = self._accepted[revision] = _Accepted(changes)
        self._send(changes, within)
        await accepted.durable(self._loop)
        return Committed(revision, changes)

    @property
    def committer_pid(self) -> int:
        """The process that writes the file."""
        return self._writer.pid

    async def compact(self, through: Revision) -> None:
        if self._closed:
            raise StoreClosed("compact")
        if through > self.revision:
            raise FutureRevision(through, self.revision)
        if through <= self.compacted:
            return
        if self._writer.has_ended:
            await self._recovered()
        done: asyncio.Future[None] = self._loop.create_future()
        self._send_all()
        self._writer.compact(Compaction(through, tuple(self._state.compact(through)), done))
        await done

    async def close(self) -> None:
        """Waits for what was accepted, then releases the file. Watches end."""
        if not self._closed:
            self._closed = True
            if self._recovering is not None:
                await self._recovering
            self._send_all()
            await self._writer.close()
            self._lock.close()
            self._hub.close()

    def _send(self, changes: tuple[Change, ...], within: float) -> None:
        """A few go to the writer together: each time may wake it. Not all of a turn: it syncs the first ones while the
        next are worked out."""
        self._unsent.append(changes)
        if len(self._unsent) >= (_MOST_WAITING if within else _SENT_TOGETHER):
            self._send_all()
        elif within:
            if self._sending is None:
                self._sending = self._loop.call_later(within, self._send_all)
        elif not self._sends_soon:
            self._send_soon()

    def _send_soon(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
        self._sending = self._loop.call_soon(self._send_all)
        self._sends_soon = True

    def _send_all(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending, self._sends_soon = None, False
        if self._unsent:
            unsent, self._unsent = self._unsent, []
            self._writer.submit(unsent)

    def _newest(self, key: str) -> Entry | None:
        """What the key holds once all accepted transactions are durable."""
        ahead = self._ahead.get(key)
        return ahead.value if ahead else self._state.entries.get(key)

    async def _refuse(self, condition: Condition, current: Entry | None) -> Refused:
        """A refusal tells of a value only when that value can no longer be lost."""
        if ahead := self._ahead.get(condition.key):
            await self._accepted[ahead.revision].durable(self._loop)
        return Refused(condition, current, self.revision)

    def durable(self, transactions: Sequence[tuple[Change, ...]]) -> None:
        """Told by the writer."""
        published: list[Change] = []
        for changes in transactions:
            revision = changes[0].revision
            self._state.apply(changes)
            published.extend(changes)
            for change in changes:
                if self._ahead[change.entry.key].revision == revision:
                    del self._ahead[change.entry.key]
        self._hub.publish(published)
        for changes in transactions:
            self._accepted.pop(changes[0].revision).resolve(None)

    def failed(self, problem: str) -> None:
        """Told by the writer."""
        self._abandon(StoreUnavailable(f"commit: {problem}"))

    def ended(self) -> None:
        """Told by the writer."""
        self._recovery()

    def _recovery(self) -> asyncio.Task[None]:
        if self._recovering is None:
            self._recovering = asyncio.create_task(self._recover(), name="store-recovery")
        return self._recovering

    async def _recovered(self) -> None:
        await asyncio.shield(self._recovery())
        if self._writer.has_ended:
            raise StoreUnavailable("the committer has ended")

    async def _recover(self) -> None:
        """Another committer, and for each transaction that was under way the truth: the file knows what is durable."""
        try:
            writer = await GroupWriter.start(self._path)
            newest = await writer.open(self)
        except StoreUnavailable as error:
            self._abandon(error)
        else:
            self._writer = writer
            if durable := [one.changes for revision, one in self._accepted.items() if revision <= newest]:
                self.durable(durable)
            self._abandon(StoreUnavailable("the committer has ended"))
        finally:
            self._recovering = None

    def _abandon(self, error: StoreUnavailable) -> None:
        abandoned, self._accepted = self._accepted, {}
        self._unsent.clear()
        self._ahead.clear()
        self._next = self._state.revision + 1
        self._writer.resume()
        for accepted in abandoned.values():
            accepted.resolve(error)
