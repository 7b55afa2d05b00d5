"""What every store must do. A backend's test module subclasses ``Conformance`` and provides ``store``."""

from __future__ import annotations

import asyncio

import pytest

from pybernetes.store import (
    Change,
    ChangeType,
    Committed,
    Compacted,
    Delete,
    Entry,
    Exists,
    FutureRevision,
    ModRevisionIs,
    Put,
    Refused,
    Store,
    StoreClosed,
)


async def put(store: Store, key: str, value: bytes = b"v") -> int:
    result = await store.transact(write=[Put(key, value)])
    assert isinstance(result, Committed)
    return result.revision


async def take(store: Store, prefix: str, after: int, count: int) -> list[Change]:
    taken: list[Change] = []
    async with store.watch(prefix, after=after) as watch:
        async for batch in watch:
            taken.extend(batch)
            if len(taken) >= count:
                return taken
    return taken


class Conformance:
    async def test_an_empty_store_is_at_revision_one(self, store: Store) -> None:
        assert store.revision == 1
        assert (await store.range("/")).entries == []

    async def test_a_write_is_read_back_with_its_revisions(self, store: Store) -> None:
        first = await put(store, "/a", b"1")
        second = await put(store, "/a", b"2")
        assert second > first
        assert await store.get("/a") == Entry("/a", b"2", first, second)
        assert store.get_now("/a") == await store.get("/a")
        assert await store.get("/b") is None

    async def test_a_transaction_has_one_revision_for_all_its_writes(self, store: Store) -> None:
        result = await store.transact(write=[Put("/a", b"1"), Put("/b", b"2")])
        assert isinstance(result, Committed)
        assert {change.revision for change in result.changes} == {result.revision}
        assert store.revision == result.revision

    async def test_a_refused_transaction_writes_nothing_and_tells_what_it_met(self, store: Store) -> None:
        revision = await put(store, "/a", b"1")
        result = await store.transact(
            require=[Exists("/a"), ModRevisionIs("/a", revision + 7)], write=[Put("/a", b"2"), Put("/b", b"2")]
        )
        assert result == Refused(
            ModRevisionIs("/a", revision + 7), Entry("/a", b"1", revision, revision), store.revision
        )
        assert await store.get("/b") is None
        assert store.revision == revision

    async def test_of_many_creators_of_one_key_one_wins(self, store: Store) -> None:
        results = await asyncio.gather(
            *(store.transact(require=[ModRevisionIs("/a", 0)], write=[Put("/a", b"%d" % n)]) for n in range(20))
        )
        winners = [result for result in results if isinstance(result, Committed)]
        assert len(winners) == 1
        stored = await store.get("/a")
        assert all(result.current == stored for result in results if isinstance(result, Refused))

    async def test_many_counters_that_retry_lose_no_increment(self, store: Store) -> None:
        await put(store, "/n", b"0")

        async def increment() -> None:
            while True:
                entry = await store.get("/n")
                assert entry is not None
                value = b"%d" % (int(entry.value) + 1)
                written = await store.transact(
                    require=[ModRevisionIs("/n", entry.mod_revision)], write=[Put("/n", value)]
                )
                if isinstance(written, Committed):
                    return

        await asyncio.gather(*(increment() for _ in range(25)))
        entry = await store.get("/n")
        assert entry is not None
        assert entry.value == b"25"

    async def test_deleting_an_absent_key_changes_nothing(self, store: Store) -> None:
        before = store.revision
        assert await store.transact(write=[Delete("/a")]) == Committed(before, ())
        assert store.revision == before

    async def test_a_key_created_again_has_a_new_creation(self, store: Store) -> None:
        first = await put(store, "/a")
        await store.transact(write=[Delete("/a")])
        again = await put(store, "/a")
        entry = await store.get("/a")
        assert entry is not None
        assert entry.create_revision == again > first

    async def test_a_range_is_in_key_order_and_keeps_to_its_prefix(self, store: Store) -> None:
        for key in ("/pods/b", "/pods/a", "/podtemplates/x", "/pods/c", "/nodes/n"):
            await put(store, key)
        found = await store.range("/pods/")
        assert [entry.key for entry in found.entries] == ["/pods/a", "/pods/b", "/pods/c"]
        assert (found.more, found.count) == (False, 3)

    async def test_pages_of_a_range_tell_what_is_left(self, store: Store) -> None:
        for name in "abcde":
            await put(store, f"/p/{name}")
        page = await store.range("/p/", limit=2)
        assert [entry.key for entry in page.entries] == ["/p/a", "/p/b"]
        assert (page.more, page.count) == (True, 5)
        rest = await store.range("/p/", start="/p/b\0", limit=3)
        assert [entry.key for entry in rest.entries] == ["/p/c", "/p/d", "/p/e"]
        assert (rest.more, rest.count) == (False, 3)

    async def test_a_range_at_a_revision_shows_what_was_there_then(self, store: Store) -> None:
        await put(store, "/p/a", b"1")
        await put(store, "/p/b", b"1")
        then = store.revision
        await put(store, "/p/a", b"2")
        await store.transact(write=[Delete("/p/b")])
        await put(store, "/p/c", b"1")
        await put(store, "/p/a", b"3")
        old = await store.range("/p/", at=then)
        assert [(entry.key, entry.value) for entry in old.entries] == [("/p/a", b"1"), ("/p/b", b"1")]
        assert old.revision == then
        page = await store.range("/p/", start="/p/a\0", limit=1, at=then)
        assert [entry.key for entry in page.entries] == ["/p/b"]

    async def test_a_range_in_the_future_is_refused(self, store: Store) -> None:
        with pytest.raises(FutureRevision):
            await store.range("/", at=store.revision + 1)

    async def test_a_watch_from_the_past_replays_and_goes_on(self, store: Store) -> None:
        start = store.revision
        first = await put(store, "/p/a", b"1")
        await put(store, "/q/z", b"1")
        watching = asyncio.create_task(take(store, "/p/", start, 3))
        await asyncio.sleep(0)
        second = await put(store, "/p/a", b"2")
        deleted = await store.transact(write=[Delete("/p/a")])
        changes = await watching
        assert [(change.type, change.revision) for change in changes] == [
            (ChangeType.PUT, first),
            (ChangeType.PUT, second),
            (ChangeType.DELETE, deleted.revision),
        ]
        assert changes[2].previous == Entry("/p/a", b"2", first, second)
        assert changes[2].entry == Entry("/p/a", b"", first, deleted.revision)

    async def test_a_watch_sees_a_transaction_in_one_batch(self, store: Store) -> None:
        async with store.watch("/", after=store.revision) as watch:
            await store.transact(write=[Put("/a", b"1"), Put("/b", b"1")])
            assert [change.entry.key for change in await anext(watch)] == ["/a", "/b"]

    async def test_a_change_is_readable_when_its_watcher_hears_of_it(self, store: Store) -> None:
        async with store.watch("/", after=store.revision) as watch:
            writing = asyncio.create_task(put(store, "/a", b"1"))
            (change,) = await anext(watch)
            assert store.get_now("/a") == change.entry
            await writing

    async def test_closing_a_watch_ends_its_iteration(self, store: Store) -> None:
        watch = store.watch("/", after=store.revision)
        waiting = asyncio.create_task(anext(watch, None))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        watch.close()
        assert await waiting is None

    async def test_compaction_forgets_history_and_keeps_values(self, store: Store) -> None:
        early = await put(store, "/a", b"1")
        await put(store, "/a", b"2")
        await store.transact(write=[Put("/b", b"1")])
        await store.compact(store.revision)
        assert store.compacted == store.revision
        with pytest.raises(Compacted):
            store.watch("/", after=early)
        with pytest.raises(Compacted):
            await store.range("/", at=early)
        assert [entry.value for entry in (await store.range("/")).entries] == [b"2", b"1"]
        later = await put(store, "/a", b"3")
        assert [change.revision for change in await take(store, "/", store.compacted, 1)] == [later]
        assert len((await store.range("/", at=store.compacted)).entries) == 2

    async def test_compacting_twice_is_nothing_and_the_future_cannot_be_compacted(self, store: Store) -> None:
        through = await put(store, "/a")
        await store.compact(through)
        await store.compact(through)
        with pytest.raises(FutureRevision):
            await store.compact(through + 1)

    async def test_a_closed_store_takes_no_more_writes(self, store: Store) -> None:
        await store.close()
        with pytest.raises(StoreClosed):
            await store.transact(write=[Put("/a", b"1")])
