"""When history is forgotten: on a schedule, and sooner when writes are many.

Follows kube-apiserver's etcd compactor: every interval, what was the newest revision one interval ago is compacted,
so that a list or watch may always reach back at least that far, unless the history would outgrow ``MOST_REVISIONS``.
"""

from __future__ import annotations

from pybernetes.api.clock import Clock
from pybernetes.store.contract import Revision, Store

INTERVAL_SECONDS = 300.0
CHECK_SECONDS = 15.0
MOST_REVISIONS = 100_000
"""Revisions of history kept at most; half of them stay after a compaction for size."""


def due(current: Revision, compacted: Revision, one_interval_ago: Revision | None) -> Revision | None:
    """Through which revision to compact now, if at all."""
    if current - compacted > MOST_REVISIONS:
        return current - MOST_REVISIONS // 2
    if one_interval_ago is not None and one_interval_ago > compacted:
        return one_interval_ago
    return None


async def compact_forever(store: Store, clock: Clock) -> None:
    """Runs until cancelled. ``StoreUnavailable`` is the caller's to report."""
    marked, marked_at = store.revision, clock.monotonic()
    while True:
        await clock.sleep(CHECK_SECONDS)
        elapsed = clock.monotonic() - marked_at >= INTERVAL_SECONDS
        if (through := due(store.revision, store.compacted, marked if elapsed else None)) is not None:
            await store.compact(through)
        if elapsed:
            marked, marked_at = store.revision, clock.monotonic()
