"""Watchers of an embedded store: each has its own bounded queue, filled when a transaction is published."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from pybernetes.store.contract import Change, Compacted, Revision

QUEUE_LIMIT = 100_000
"""Changes that may wait for one reader; one who falls further behind gets ``Compacted``."""


class QueueWatch:
    """A watch fed by its hub. One reader; ``close`` ends the iteration."""

    def __init__(self, hub: WatchHub, prefix: str, past: tuple[Change, ...], after: Revision) -> None:
        self.prefix = prefix
        self._hub = hub
        self._batches: deque[tuple[Change, ...]] = deque([past] if past else [])
        self._waiting = len(past)
        self._delivered = after
        self._overflowed = False
        self._closed = False
        self._wake = asyncio.Event()

    def offer(self, batch: tuple[Change, ...]) -> None:
        self._waiting += len(batch)
        if self._waiting > QUEUE_LIMIT:
            self._overflowed = True
            self._batches.clear()
            self._hub.discard(self)
        else:
            self._batches.append(batch)
        self._wake.set()

    def close(self) -> None:
        self._closed = True
        self._hub.discard(self)
        self._wake.set()

    def __aiter__(self) -> QueueWatch:
        return self

    async def __anext__(self) -> tuple[Change, ...]:
        while True:
            if self._closed:
                raise StopAsyncIteration
            if self._overflowed:
                raise Compacted(self._delivered, self._hub.revision)
            if self._batches:
                batch = self._batches.popleft()
                self._waiting -= len(batch)
                self._delivered = batch[-1].revision
                return batch
            self._wake.clear()
            await self._wake.wait()

    async def __aenter__(self) -> QueueWatch:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()


class WatchHub:
    """Hands each published group of changes to the watchers whose prefix it touches."""

    def __init__(self) -> None:
        self.revision: Revision = 0
        self._watches: dict[QueueWatch, None] = {}

    def open(self, prefix: str, past: tuple[Change, ...], after: Revision) -> QueueWatch:
        watch = QueueWatch(self, prefix, past, after)
        self._watches[watch] = None
        return watch

    def publish(self, changes: Sequence[Change]) -> None:
        self.revision = changes[-1].revision
        whole = tuple(changes)
        for watch in tuple(self._watches):
            prefix = watch.prefix
            batch = [change for change in whole if change.entry.key.startswith(prefix)]
            if batch:
                watch.offer(whole if len(batch) == len(whole) else tuple(batch))

    def discard(self, watch: QueueWatch) -> None:
        self._watches.pop(watch, None)

    def close(self) -> None:
        for watch in tuple(self._watches):
            watch.close()
