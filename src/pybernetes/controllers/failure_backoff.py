"""How long to wait before something that failed is tried anew: one second, doubling with each failure in a row.

A failure that comes later than twice the longest wait after the one before it starts again from one second.
Follows client-go util/flowcontrol/backoff.go as the DaemonSet controller uses it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pybernetes.api.clock import Clock

FIRST = 1.0
LONGEST = 900.0


@dataclass(slots=True)
class _Entry:
    wait: float
    since: float


class FailureBackoff:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}

    def wait(self, identity: str) -> float:
        """Seconds still to wait; 0 lets the caller act now, and counts as one more failure."""
        now = self._clock.monotonic()
        entry = self._entries.get(identity)
        if entry is not None and now - entry.since < entry.wait:
            return entry.wait - (now - entry.since)
        if entry is None or now - entry.since > 2 * LONGEST:
            self._forget_old(now)
            self._entries[identity] = _Entry(FIRST, now)
        else:
            self._entries[identity] = _Entry(min(entry.wait * 2, LONGEST), now)
        return 0.0

    def _forget_old(self, now: float) -> None:
        self._entries = {key: one for key, one in self._entries.items() if now - one.since <= 2 * LONGEST}
