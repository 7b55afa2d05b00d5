"""Wakes: waiting until something is so, looked at again whenever what it is about changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from pybernetes.api.meta import Key


class Wakes:
    def __init__(self) -> None:
        self._waiting: dict[Key, set[asyncio.Event]] = {}

    def wake(self, key: Key) -> None:
        """Something changed there: whoever waits for it looks again."""
        for event in self._waiting.get(key, ()):
            event.set()

    async def until(self, is_so: Callable[[], bool], keys: Iterable[Key]) -> None:
        """Returns when it is so, which is asked after each change of what the keys name; what it raises is raised."""
        event = asyncio.Event()
        watched = set(keys)
        for key in watched:
            self._waiting.setdefault(key, set()).add(event)
        try:
            while not is_so():
                event.clear()
                await event.wait()
        finally:
            for key in watched:
                self._waiting[key].discard(event)
                if not self._waiting[key]:
                    del self._waiting[key]
