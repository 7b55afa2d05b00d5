"""Bookings: what was lately added to nodes and taken from them, so that it can be told what they had free before."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import islice

MOST_BOOKINGS = 1 << 14


class Bookings:
    def __init__(self) -> None:
        self.position = 0
        self._entries: deque[tuple[int, Mapping[str, int], int]] = deque(maxlen=MOST_BOOKINGS)

    def add(self, row: int, requests: Mapping[str, int], sign: int) -> None:
        self._entries.append((row, requests, sign))
        self.position += 1

    def since(self, position: int) -> list[tuple[int, Mapping[str, int], int]] | None:
        """Rows, requests and signs from ``position`` on; None when that is too long ago."""
        wanted = self.position - position
        if wanted > len(self._entries):
            return None
        return list(islice(self._entries, len(self._entries) - wanted, None))
