from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from pybernetes.store import Committed, Delete, ModRevisionIs, Put, Refused, StoreUnavailable
from pybernetes.store.check import differences, violations
from pybernetes.store.sqlite import SqliteStore, StoreInUse
from store.conformance import Conformance, put


class TestSqliteStore(Conformance):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[SqliteStore]:
        store = await SqliteStore.open(tmp_path / "store.db")
        yield store
        await store.close()
        assert list(violations(store.state)) == []
        again = await SqliteStore.open(tmp_path / "store.db")
        assert list(violations(again.state)) == []
        assert list(differences(store.state, again.state)) == []
        await again.close()


async def test_a_second_opener_is_told_that_the_store_is_in_use(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    with pytest.raises(StoreInUse):
        await SqliteStore.open(tmp_path / "store.db")
    await store.close()


async def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"something else " * 1000)
    with pytest.raises(StoreUnavailable):
        await SqliteStore.open(tmp_path / "store.db")


async def test_the_revision_does_not_go_back_when_the_last_change_was_compacted(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    await put(store, "/a")
    await store.transact(write=[Delete("/a")])
    await store.compact(store.revision)
    await store.close()
    again = await SqliteStore.open(tmp_path / "store.db")
    assert again.revision == store.revision
    await again.close()


async def test_compaction_removes_rows_that_nothing_needs(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    for number in range(300):
        await put(store, "/a", b"%d" % number)
    await put(store, "/b")
    await store.compact(store.revision)
    await store.close()
    await (await SqliteStore.open(tmp_path / "store.db")).close()
    with sqlite3.connect(tmp_path / "store.db") as file:
        assert file.execute("SELECT key FROM log").fetchall() == [("/a",), ("/b",)]


class FullDisk:
    """Lets no file of the committer grow while it is on."""

    def __init__(self, store: SqliteStore) -> None:
        self._committer = store.committer_pid

    def set(self, size: int) -> None:
        resource.prlimit(self._committer, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def test_a_full_disk_fails_the_write_and_all_built_on_it_and_the_store_goes_on(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    revision = await put(store, "/a", b"before")
    disk = FullDisk(store)
    disk.set(1)
    outcomes = await asyncio.gather(
        store.transact(write=[Put("/big", bytes(1_000_000))]),
        store.transact(require=[ModRevisionIs("/big", revision + 1)], write=[Put("/a", b"built on it")]),
        return_exceptions=True,
    )
    assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
    assert store.revision == revision
    disk.set(resource.RLIM_INFINITY)
    assert isinstance(await store.transact(require=[ModRevisionIs("/big", 0)], write=[Put("/a", b"after")]), Committed)
    await store.close()
    again = await SqliteStore.open(tmp_path / "store.db")
    assert list(violations(again.state)) == []
    assert [entry.value for entry in (await again.range("/")).entries] == [b"after"]
    await again.close()


async def write_until_refused(store: SqliteStore, key: str, acknowledged: dict[str, bytes]) -> None:
    for number in count():
        await store.transact(write=[Put(key, b"%d" % number)])
        acknowledged[key] = b"%d" % number


async def test_when_the_committer_is_killed_each_write_is_durable_or_refused_and_the_store_goes_on(
    tmp_path: Path,
) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    for round in range(5):
        acknowledged: dict[str, bytes] = {}
        writers = [asyncio.ensure_future(write_until_refused(store, f"/{n}", acknowledged)) for n in range(8)]
        while len(acknowledged) < 8:
            await put(store, "/round", b"%d" % round)
        os.kill(store.committer_pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            await asyncio.wait(writers, return_when=asyncio.FIRST_EXCEPTION)
        for writer in writers:
            writer.cancel()
        outcomes = await asyncio.gather(*writers, return_exceptions=True)
        assert any(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
        held = {entry.key: int(entry.value) for entry in (await store.range("/")).entries}
        assert all(held[key] >= int(value) for key, value in acknowledged.items())
    await store.close()
    again = await SqliteStore.open(tmp_path / "store.db")
    assert list(violations(again.state)) == []
    assert list(differences(store.state, again.state)) == []
    await again.close()


async def test_signals_to_the_server_do_not_end_the_committer(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    await put(store, "/a")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(store.committer_pid, number)
    await put(store, "/a", b"after")
    await store.close()


async def test_a_cancelled_writer_does_not_disturb_who_waits_on_the_same_key(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    creating = asyncio.create_task(store.transact(require=[ModRevisionIs("/a", 0)], write=[Put("/a", b"1")]))
    await asyncio.sleep(0)
    refused = asyncio.create_task(store.transact(require=[ModRevisionIs("/a", 0)], write=[Put("/a", b"2")]))
    await asyncio.sleep(0)
    creating.cancel()
    assert isinstance(await refused, Refused)
    await store.close()


async def test_a_patient_write_becomes_durable_with_the_next_one_that_is_not(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    patient = asyncio.ensure_future(store.transact(write=[Put("/a", b"1")], within=3600))
    await asyncio.sleep(0)
    hurried = await store.transact(write=[Put("/b", b"2")])
    assert isinstance(hurried, Committed)
    assert isinstance(first := await patient, Committed)
    assert first.revision + 1 == hurried.revision == store.revision
    await store.close()


async def test_a_patient_write_is_not_forgotten(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    assert isinstance(await store.transact(write=[Put("/a", b"1")], within=0.001), Committed)
    waiting = asyncio.ensure_future(store.transact(write=[Put("/a", b"2")], within=3600))
    await asyncio.sleep(0)
    await store.close()
    assert isinstance(await waiting, Committed)
    again = await SqliteStore.open(tmp_path / "store.db")
    assert (entry := await again.get("/a")) is not None
    assert entry.value == b"2"
    await again.close()
