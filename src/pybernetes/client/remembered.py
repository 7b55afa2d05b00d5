"""Remembered: answers that count for a while, so that the same question is not asked again at once."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

MOST_ENTRIES = 1000

T = TypeVar("T")


class Remembered(Generic[T]):
    """Answers with the loop's time until which they count. All are forgotten when there are too many."""

    def __init__(self) -> None:
        self._entries: dict[object, tuple[float, T]] = {}

    def get(self, key: object) -> T | None:
        entry = self._entries.get(key)
        if entry is None or entry[0] < asyncio.get_running_loop().time():
            return None
        return entry[1]

    def put(self, key: object, value: T, seconds: float) -> None:
        if len(self._entries) >= MOST_ENTRIES:
            self._entries.clear()
        self._entries[key] = (asyncio.get_running_loop().time() + seconds, value)
