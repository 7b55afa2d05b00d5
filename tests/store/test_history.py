"""Any history, read back at any revision, is what a list of snapshots remembers."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from pybernetes.store import ChangeType, Delete, Put, Write
from pybernetes.store.check import violations
from pybernetes.store.memory import MemoryStore

keys = st.sampled_from(["/p/a", "/p/b", "/p/c", "/q/a", "/p/b/c"])
writes = st.one_of(st.builds(Put, keys, st.binary(max_size=3)), st.builds(Delete, keys))
transactions = st.lists(st.lists(writes, min_size=1, max_size=3, unique_by=lambda write: write.key), max_size=25)


@given(transactions, st.integers(0, 25))
def test_every_revision_reads_as_it_was(history: list[list[Write]], compact_through: int) -> None:
    async def run() -> None:
        store = MemoryStore()
        snapshots: dict[int, dict[str, bytes]] = {store.revision: {}}
        for transaction in history:
            await store.transact(write=transaction)
            now = {entry.key: entry.value for entry in (await store.range("/")).entries}
            snapshots[store.revision] = now
        await store.compact(min(compact_through, store.revision))
        assert list(violations(store.state)) == []
        for revision, snapshot in snapshots.items():
            if revision < store.compacted:
                continue
            for prefix in ("/", "/p/"):
                expected = sorted((key, value) for key, value in snapshot.items() if key.startswith(prefix))
                read = await store.range(prefix, at=revision)
                assert [(entry.key, entry.value) for entry in read.entries] == expected
                page = await store.range(prefix, start="/p/b", limit=1, at=revision)
                assert [entry.key for entry in page.entries] == [key for key, _ in expected if key >= "/p/b"][:1]
        await assert_replay(store, snapshots)

    asyncio.run(run())


async def assert_replay(store: MemoryStore, snapshots: dict[int, dict[str, bytes]]) -> None:
    """The changes since the compaction, applied to what was there, give what is there."""
    replayed = dict(snapshots.get(store.compacted, {}))
    for change in store.state.since("/", store.compacted):
        if change.type is ChangeType.PUT:
            replayed[change.entry.key] = change.entry.value
        else:
            del replayed[change.entry.key]
    assert replayed == snapshots[store.revision]
