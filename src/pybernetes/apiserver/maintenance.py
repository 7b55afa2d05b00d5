"""What the API server does for its store while it runs: history is compacted, old events are removed.

Guarantees  History younger than the compaction interval stays; at most two intervals of it are kept.
Follows k8s.io/apiserver/pkg/storage/etcd3/compact.go; events live as long as --event-ttl says.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec

from pybernetes.api.meta import parse_time
from pybernetes.apiserver.server import ApiServer
from pybernetes.store.contract import Committed, Compacted, Delete, ModRevisionIs, StoreError

log = logging.getLogger(__name__)


class _Managed(msgspec.Struct):
    time: str = ""


class _Metadata(msgspec.Struct):
    creationTimestamp: str
    managedFields: list[_Managed] = []


class _Times(msgspec.Struct):
    metadata: _Metadata


_read_times = msgspec.json.Decoder(_Times).decode

EVENTS_PREFIX = "/registry/events/"
EVENT_SWEEP_SECONDS = 60.0
_BATCH = 200


class Maintenance:
    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._tasks: list[asyncio.Task[None]] = []
        self._seen = 0

    def start(self) -> None:
        self._seen = self._server.store.revision
        self._tasks = [asyncio.create_task(_repeat(EVENT_SWEEP_SECONDS, self.expire_events), name="event expiry")]
        often = self._server.options.compact_seconds
        if often:
            self._tasks.append(asyncio.create_task(_repeat(often, self.compact), name="compaction"))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def compact(self) -> None:
        """Forgets what was history already the last time."""
        through, self._seen = self._seen, self._server.store.revision
        if through > self._server.store.compacted:
            try:
                await self._server.store.compact(through)
            except Compacted:
                log.info("somebody else has compacted already")

    async def expire_events(self) -> None:
        store = self._server.store
        oldest = self._server.clock.now() - timedelta(seconds=self._server.options.event_ttl_seconds)
        found = await store.range(EVENTS_PREFIX)
        expired = [entry for entry in found.entries if parse_time(_written(entry.value)) < oldest]
        for start in range(0, len(expired), _BATCH):
            batch = expired[start : start + _BATCH]
            outcome = await store.transact(
                require=[ModRevisionIs(entry.key, entry.mod_revision) for entry in batch],
                write=[Delete(entry.key) for entry in batch],
            )
            if not isinstance(outcome, Committed):
                log.info("some events have changed meanwhile; they are looked at again in a minute")


def _written(value: bytes) -> str:
    """When the event was last written, whatever its author says about when it happened."""
    metadata = _read_times(value).metadata
    return max(metadata.creationTimestamp, *(managed.time for managed in metadata.managedFields), "")


async def _repeat(seconds: float, act: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await act()
        except StoreError:
            log.exception("maintenance of the store failed; it is tried again")
