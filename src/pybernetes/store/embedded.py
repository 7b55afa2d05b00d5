"""The reading half of a store whose state is in memory: what its writing halves have in common."""

from __future__ import annotations

from pybernetes.store.contract import Entry, Range, Revision, Watch
from pybernetes.store.state import State
from pybernetes.store.watch import WatchHub


class EmbeddedReads:
    """Reads and watches of ``Store``; whoever writes applies to ``state`` and publishes to ``hub``."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._hub = WatchHub()

    @property
    def revision(self) -> Revision:
        return self._state.revision

    @property
    def compacted(self) -> Revision:
        return self._state.compacted

    @property
    def state(self) -> State:
        """For the invariant checker; read-only."""
        return self._state

    async def get(self, key: str) -> Entry | None:
        return self.get_now(key)

    def get_now(self, key: str) -> Entry | None:
        entry: Entry | None = self._state.entries.get(key)
        return entry

    def is_stale(self, key: str) -> bool:
        return False

    async def range(
        self, prefix: str, *, start: str = "", limit: int | None = None, at: Revision | None = None
    ) -> Range:
        return self._state.range(prefix, start, limit, at)

    def watch(self, prefix: str, *, after: Revision) -> Watch:
        return self._hub.open(prefix, self._state.since(prefix, after), after)
