"""All kinds' caches, fed by one watch on the store: what lists and watches read.

Guarantees  The cache is at ``revision``: it shows every change up to it and none later; ``at_least`` waits for one.

Follows k8s.io/apiserver/pkg/storage/cacher, with one reader of the store for all kinds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import count

from pybernetes.apiserver.kind_cache import KindCache
from pybernetes.apiserver.objects import StoredObject
from pybernetes.store.contract import Change, Compacted, Entry, Store

log = logging.getLogger(__name__)

ROOT = "/registry/"


class WatchCache:
    """All kinds' caches, fed by one watch on the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kinds: dict[str, KindCache] = {}
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._ticket = count()
        self._task: asyncio.Task[None] | None = None
        self.revision = 0

    async def start(self) -> None:
        everything = await self._store.range(ROOT)
        self.revision = everything.revision
        entries: dict[str, list[Entry]] = {prefix: [] for prefix in self._kinds}
        for entry in everything.entries:
            prefix = self._prefix_of(entry.key)
            if prefix is not None:
                entries[prefix].append(entry)
        for prefix, found in entries.items():
            self._kinds[prefix].fill(found, self.revision)
        self._task = asyncio.create_task(self._follow(), name="watch-cache")
        self._task.add_done_callback(_tell_of_failure)

    @property
    def following(self) -> bool:
        """Whether changes still come in; if not, lists and watches would wait for ever."""
        return self._task is not None and not self._task.done()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        for kind in self._kinds.values():
            kind.subscribers.end_all()

    def add(self, kind: KindCache) -> None:
        """Before ``start``: a kind that is served from the beginning."""
        self._kinds[kind.prefix] = kind

    async def add_later(self, kind: KindCache) -> None:
        """While running: a kind that has just been defined."""
        kind.hold()
        self._kinds[kind.prefix] = kind
        found = await self._store.range(kind.prefix)
        await self.at_least(found.revision)
        kind.release(found.entries, found.revision, asyncio.get_running_loop().time())

    def remove(self, kind: KindCache) -> None:
        if self._kinds.pop(kind.prefix, None) is not None:
            kind.subscribers.end_all()

    def read_through(self, kind: KindCache, key: str) -> StoredObject | None:
        """An object that was written so recently that its change has not come yet."""
        if self.revision >= self._store.revision:
            return None
        try:
            entry = self._store.get_now(key)
        except NotImplementedError:
            return None
        return None if entry is None else StoredObject.of(kind.form, kind.prefix, entry)

    async def at_least(self, revision: int) -> None:
        if self.revision < revision:
            reached = asyncio.get_running_loop().create_future()
            heappush(self._waiters, (revision, next(self._ticket), reached))
            await reached

    async def _follow(self) -> None:
        while True:
            try:
                async with self._store.watch(ROOT, after=self.revision) as watch:
                    async for batch in watch:
                        self._apply(batch)
                return
            except Compacted:
                log.warning("the watch cache fell behind the store's history; reading everything again")
                await self._reload()

    def _apply(self, batch: Sequence[Change]) -> None:
        now = asyncio.get_running_loop().time()
        for change in batch:
            prefix = self._prefix_of(change.entry.key)
            if prefix is not None:
                self._kinds[prefix].apply(change, now)
        self._advance(batch[-1].revision)

    def _advance(self, revision: int) -> None:
        self.revision = revision
        waiters = self._waiters
        while waiters and waiters[0][0] <= revision:
            reached = heappop(waiters)[2]
            if not reached.done():
                reached.set_result(None)

    async def _reload(self) -> None:
        """Everybody who watches has missed something: their watches end, and they list again."""
        everything = await self._store.range(ROOT)
        for kind in self._kinds.values():
            kind.subscribers.end_all()
            kind.reset()
            kind.fill([e for e in everything.entries if e.key.startswith(kind.prefix)], everything.revision)
        self._advance(everything.revision)

    def _prefix_of(self, key: str) -> str | None:
        """Kinds lie one or two folders deep."""
        end = key.find("/", len(ROOT)) + 1
        if end and key[:end] not in self._kinds:
            end = key.find("/", end) + 1
        prefix = key[:end]
        return prefix if prefix in self._kinds else None


def _tell_of_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("the watch cache has stopped following the store", exc_info=error)
