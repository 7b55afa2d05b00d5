"""A store that lives and dies with its process: for tests and scratch clusters."""

from __future__ import annotations

from collections.abc import Sequence

from pybernetes.store.contract import (
    Committed,
    Condition,
    Refused,
    Revision,
    StoreClosed,
    Write,
)
from pybernetes.store.embedded import EmbeddedReads
from pybernetes.store.state import State, plan_changes


class MemoryStore(EmbeddedReads):
    """``Store`` without a disk: a transaction is committed when it is applied."""

    def __init__(self) -> None:
        super().__init__(State())
        self._closed = False

    async def transact(
        self, *, require: Sequence[Condition] = (), write: Sequence[Write], within: float = 0.0
    ) -> Committed | Refused:
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

    async def compact(self, through: Revision) -> None:
        if through > self.compacted:
            self._state.compact(through)

    async def close(self) -> None:
        self._closed = True
        self._hub.close()
