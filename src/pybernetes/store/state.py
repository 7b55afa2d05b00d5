"""Current entries and a window of history, in memory: what every embedded backend reads from.

Not thread-safe: all calls come from the event loop's thread.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from sortedcontainers import SortedDict

from pybernetes.store.contract import (
    Change,
    ChangeType,
    Compacted,
    Delete,
    Entry,
    FutureRevision,
    Put,
    Range,
    Revision,
    Write,
)

FIRST_REVISION: Revision = 1
_PAST_EVERY_KEY = "\U0010ffff"


class State:
    """Applies committed changes in order, answers reads as of any revision in the window."""

    def __init__(self, revision: Revision = FIRST_REVISION, compacted: Revision = 0) -> None:
        self.revision = revision
        self.compacted = compacted
        self.entries: SortedDict[str, Entry] = SortedDict()
        self.history: list[Change] = []

    def apply(self, changes: Sequence[Change]) -> None:
        """Takes the changes of one transaction, whose revision is greater than every one before."""
        entries = self.entries
        for change in changes:
            if change.type is ChangeType.PUT:
                entries[change.entry.key] = change.entry
            else:
                entries.pop(change.entry.key, None)
        self.history.extend(changes)
        self.revision = changes[-1].revision

    def range(self, prefix: str, start: str, limit: int | None, at: Revision | None) -> Range:
        if at is None or at == self.revision:
            return self._range_now(prefix, start, limit)
        if at > self.revision:
            raise FutureRevision(at, self.revision)
        if at < self.compacted:
            raise Compacted(at, self.compacted)
        return self._range_then(prefix, start, limit, at)

    def since(self, prefix: str, after: Revision) -> tuple[Change, ...]:
        """The changes under ``prefix`` later than ``after``."""
        if after < self.compacted:
            raise Compacted(after, self.compacted)
        if after > self.revision:
            raise FutureRevision(after, self.revision)
        return tuple(change for change in self._later_than(after) if change.entry.key.startswith(prefix))

    def compact(self, through: Revision) -> Sequence[Change]:
        """Drops history at or before ``through`` and returns what was dropped."""
        if through > self.revision:
            raise FutureRevision(through, self.revision)
        cut = self._index_after(through)
        dropped = self.history[:cut]
        del self.history[:cut]
        self.compacted = max(self.compacted, through)
        return dropped

    def _range_now(self, prefix: str, start: str, limit: int | None) -> Range:
        first = self.entries.bisect_left(max(prefix, start))
        end = self.entries.bisect_left(prefix + _PAST_EVERY_KEY)
        stop = end if limit is None else min(end, first + limit)
        found: Any = self.entries.values()[first:stop]
        return Range(found, self.revision, more=stop < end, count=max(0, end - first))

    def _range_then(self, prefix: str, start: str, limit: int | None, at: Revision) -> Range:
        """Today's entries with every change later than ``at`` undone, newest first."""
        lowest = max(prefix, start)
        undone: dict[str, Entry | None] = {}
        for change in self._later_than(at):
            key = change.entry.key
            if key not in undone and key >= lowest and key.startswith(prefix):
                undone[key] = change.previous
        keys = self.entries.irange(lowest, prefix + _PAST_EVERY_KEY, inclusive=(True, False))
        found: list[Entry] = [self.entries[key] for key in keys if key not in undone]
        found.extend(entry for entry in undone.values() if entry is not None)
        found.sort(key=lambda entry: entry.key)
        page = found if limit is None else found[:limit]
        return Range(page, at, more=len(page) < len(found), count=len(found))

    def _later_than(self, revision: Revision) -> Iterator[Change]:
        return (self.history[index] for index in range(self._index_after(revision), len(self.history)))

    def _index_after(self, revision: Revision) -> int:
        return bisect_right(self.history, revision, key=lambda change: change.revision)


def plan_changes(revision: Revision, writes: Sequence[Write], current: Sequence[Entry | None]) -> tuple[Change, ...]:
    """What ``writes`` change at ``revision``, given what each write's key holds."""
    changes = []
    for write, before in zip(writes, current, strict=True):
        match write:
            case Put(key, value):
                created = before.create_revision if before else revision
                changes.append(Change(ChangeType.PUT, Entry(key, value, created, revision), before))
            case Delete(key) if before is not None:
                changes.append(Change(ChangeType.DELETE, Entry(key, b"", before.create_revision, revision), before))
            case Delete():
                pass
    return tuple(changes)
