"""Group commit: one thread that syncs whatever has arrived since its last sync, all at once.

Transactions reach the disk in the order of ``submit``. After a failed group everything that was submitted before
``resume`` is dropped, because its revisions and conditions were built on what is lost.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from pybernetes.store.contract import Change, Revision
from pybernetes.store.log import Log, RowOf, garbage_of

Transaction = tuple[Change, ...]
GROUP_LIMIT = 512
"""What is submitted before it is committed by itself: bounds how long the first of it waits."""
SWEEP_LIMIT = 200
"""Rows of garbage removed in one commit."""


@dataclass(frozen=True, slots=True)
class Compaction:
    through: Revision
    dropped: tuple[Change, ...]
    done: asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one commit took to the disk, or failed to."""

    transactions: list[Transaction]
    compactions: list[Compaction]
    error: sqlite3.Error | None


class _Signal(Enum):
    RESUME = "resume"
    STOP = "stop"


_Item = list[Transaction] | Compaction | _Signal


class GroupWriter:
    """Owns the log from now on; ``report`` is called in the writer's thread, once per commit."""

    def __init__(self, log: Log, report: Callable[[Outcome], None]) -> None:
        self._log = log
        self._report = report
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._garbage: deque[RowOf] = deque()
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, transactions: list[Transaction]) -> None:
        """Several at once, because each call may wake the thread."""
        self._queue.put(transactions)

    def compact(self, compaction: Compaction) -> None:
        self._queue.put(compaction)

    def resume(self) -> None:
        """What is submitted from here on is built on durable state again."""
        self._queue.put(_Signal.RESUME)

    def close(self) -> None:
        """Blocks until everything submitted is on disk and the file is released."""
        self._queue.put(_Signal.STOP)
        self._thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            items = self._gather()
            stopping = _Signal.STOP in items
            transactions = [transaction for item in items if isinstance(item, list) for transaction in item]
            compactions = [item for item in items if isinstance(item, Compaction)]
            if transactions and not self._failed:
                self._commit_transactions(transactions)
            for compaction in compactions:
                self._commit_compaction(compaction)
            if _Signal.RESUME in items:
                self._failed = False
            if self._garbage and not items:
                self._sweep()
        self._log.close()

    def _gather(self) -> list[_Item]:
        """Everything that waits, up to the next signal; blocks when there is nothing else to do."""
        items: list[_Item] = []
        try:
            items.append(self._queue.get(block=not self._garbage))
            while len(items) < GROUP_LIMIT and not isinstance(items[-1], _Signal):
                items.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return items

    def _commit_transactions(self, transactions: list[Transaction]) -> None:
        swept = self._some_garbage()
        error = self._try(lambda: self._log.append(transactions, swept))
        if error is not None:
            self._failed = True
            self._garbage.extendleft(swept)
        self._report(Outcome(transactions, [], error))

    def _commit_compaction(self, compaction: Compaction) -> None:
        error = self._try(lambda: self._log.set_compacted(compaction.through))
        if error is None:
            self._garbage.extend(garbage_of(compaction.dropped))
        self._report(Outcome([], [compaction], error))

    def _sweep(self) -> None:
        """Removes some garbage while nobody waits; what fails now is found again when the file is next opened."""
        swept = self._some_garbage()
        self._try(lambda: self._log.remove(swept))
        if not self._garbage:
            self._try(self._log.give_back_pages)

    def _some_garbage(self) -> list[RowOf]:
        return [self._garbage.popleft() for _ in range(min(SWEEP_LIMIT, len(self._garbage)))]

    def _try(self, body: Callable[[], None]) -> sqlite3.Error | None:
        try:
            body()
        except sqlite3.Error as error:
            self._log.rollback()
            return error
        return None
