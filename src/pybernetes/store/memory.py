"""A store that lives and dies with its process: for tests and scratch clusters."""

from __future__ import annotations

from collections.abc import Sequence

from pybernetes.store.contract import (
    Committed,
    Condition,
    Entry,
    Range,
    Refused,
    Revision,
    StoreClosed,
    Watch,
    Write,
)
from pybernetes.store.state import State, plan_changes
from pybernetes.store.watch import WatchHub


class MemoryStore:
    """``Store`` without a disk: a transaction is committed when it is applied."""

    def __init__(self) -> None:
        self._state = State()
        self._hub = WatchHub()
        self._closed = False

    @property
    def revision(self) -> Revision:
        return self._state.revision

    @property
    def compacted(self) -> Revision:
        return self._state.compacted

    @property
    def state(self) -> State:
        return self._state

    async def get(self, key: str) -> Entry | None:
        return self.get_now(key)

    def get_now(self, key: str) -> Entry | None:
        entry: Entry | None = self._state.entries.get(key)
        return entry

    async def range(
        self, prefix: str, *, start: str = "", limit: int | None = None, at: Revision | None = None
    ) -> Range:
        return self._state.range(prefix, start, limit, at)

    async def transact(self, *, require: Sequence[Condition] = (), write: Sequence[Write]) -> Committed | Refused:
        if self._closed:
            raise StoreClosed("transact")
        for condition in require:
            current = self.get_now(condition.key)
            if not condition.holds(current):
                return Refused(condition, current, self.revision)
        changes = plan_changes(self.revision + 1, write, [self.get_now(one.key) for one in write])
        if not changes:
            return Committed(self.revision, ())
        self._state.apply(changes)
        self._hub.publish(changes)
        return Committed(self.revision, changes)

    def watch(self, prefix: str, *, after: Revision) -> Watch:
        return self._hub.open(prefix, self._state.since(prefix, after), after)

    async def compact(self, through: Revision) -> None:
        if through > self.compacted:
            self._state.compact(through)

    async def close(self) -> None:
        self._closed = True
        self._hub.close()
