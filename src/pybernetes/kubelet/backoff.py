"""Back-off: how long to wait before doing again what has just failed.

Guarantees  Pure values; 10 s at first, doubling to 5 minutes, forgotten after 10 minutes without failure.
Follows     client-go util/flowcontrol/backoff.go and pkg/kubelet (MaxContainerBackOff).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST = timedelta(seconds=10)
LONGEST = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Backoff:
    """`wait` from the last failure on; `since` is when it was last lengthened."""

    wait: timedelta
    since: datetime


def remaining(entry: Backoff | None, failed_at: datetime, now: datetime) -> timedelta:
    """How long is left to wait after the failure at `failed_at`."""
    if entry is None or _stale(entry, failed_at):
        return timedelta()
    return max(timedelta(), failed_at + entry.wait - now)


def lengthened(entry: Backoff | None, failed_at: datetime, now: datetime) -> Backoff:
    """The entry after one more attempt."""
    if entry is None or _stale(entry, failed_at):
        return Backoff(FIRST, now)
    return Backoff(min(entry.wait * 2, LONGEST), now)


def _stale(entry: Backoff, at: datetime) -> bool:
    return at - entry.since > 2 * LONGEST


def text(wait: timedelta) -> str:
    """A duration as upstream prints it: 10s, 1m20s, 5m0s."""
    seconds = int(wait.total_seconds())
    return f"{seconds}s" if seconds < 60 else f"{seconds // 60}m{seconds % 60}s"
