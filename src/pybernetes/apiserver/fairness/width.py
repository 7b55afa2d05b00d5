"""How many seats a request takes, and for how long after it: lists by their bytes, writes by who watches. Pure.

Follows k8s.io/apiserver/pkg/util/flowcontrol/request: list_work_estimator.go, mutating_work_estimator.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

BYTES_PER_SEAT = 100_000
STREAMED_BYTES = 1_000_000
"""A list from memory is never all of it in flight."""
WIDEST_LIST = 100
WIDEST_WRITE = 10
WATCHERS_PER_SEAT = 10
EVENT_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Width:
    """``seats`` while it runs, then ``lingering`` ones for ``linger_seconds``."""

    seats: int = 1
    lingering: int = 0
    linger_seconds: float = 0.0

    @property
    def widest(self) -> int:
        return max(self.seats, self.lingering)


ONE_SEAT = Width()


def of_list(count: int, size: int, limit: int, *, from_memory: bool, most: int) -> Width:
    """``count`` objects of about ``size`` bytes, of which at most ``limit`` (0: all) are asked for."""
    used = (min(limit, count) if limit else count) * size
    if from_memory:
        used = min(used, STREAMED_BYTES)
    seats = max(1, min(ceil(used / BYTES_PER_SEAT), most or WIDEST_LIST, WIDEST_LIST))
    return ONE_SEAT if seats == 1 else Width(seats)


def of_write(watchers: int, most: int) -> Width:
    if watchers < WATCHERS_PER_SEAT:
        return ONE_SEAT
    wanted = ceil(watchers / WATCHERS_PER_SEAT)
    seats = min(wanted, most or WIDEST_WRITE, WIDEST_WRITE)
    return Width(1, seats, wanted * EVENT_SECONDS / seats)
