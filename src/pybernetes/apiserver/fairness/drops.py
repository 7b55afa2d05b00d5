"""How long a client that was turned away shall wait: longer, the more are.

Follows k8s.io/apiserver/pkg/util/flowcontrol/dropped_requests_tracker.go.
"""

from __future__ import annotations

from collections import deque

LONGEST = 32


class Drops:
    """Of one level. ``second`` is whole seconds of any clock."""

    def __init__(self) -> None:
        self.retry_after = 1
        self._history: deque[tuple[int, int]] = deque()
        self._second = 0
        self._count = 0
        self._changed = 0

    def note(self, second: int) -> None:
        if second == self._second:
            self._count += 1
            return
        self._history.append((self._second, self._count))
        kept = min(2 * self.retry_after, LONGEST)
        while self._history and self._second - self._history[0][0] > kept:
            self._history.popleft()
        self._second, self._count = second, 1
        self._adapt(second)

    def _adapt(self, second: int) -> None:
        after = self.retry_after
        lately = sum(count for when, count in self._history if second - when <= after and when < second)
        if second - self._changed >= after and lately >= 3 * after:
            self.retry_after = min(2 * after, LONGEST)
            self._changed = second
        elif lately < after and after > 1:
            self.retry_after = after - 1
