"""Watches of a version whose objects a webhook converts: what a stream is told waits until it is converted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pybernetes.api import errors
from pybernetes.apiserver.kind_cache import KindCache
from pybernetes.apiserver.watch_events import Event
from pybernetes.apiserver.watching import WatchStream

if TYPE_CHECKING:
    from pybernetes.apiserver.custom.version import CustomVersion


class ConvertedWatch:
    """Stands between the events of a kind and one of its streams, and hands out the lines of the latter.

    A conversion that fails ends the watch, after telling why.
    """

    def __init__(self, stream: WatchStream, kind: KindCache, version: CustomVersion) -> None:
        self.interest = stream.interest
        self._stream = stream
        self._kind = kind
        self._version = version
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        kind.subscribers.remove(stream)
        if stream.ended:
            self._events.put_nowait(None)
        else:
            kind.subscribers.add(self)
        self._feeding = asyncio.create_task(self._feed(), name="converted-watch")

    def deliver(self, event: Event) -> None:
        self._events.put_nowait(event)

    def end(self) -> None:
        self._kind.subscribers.remove(self)
        self._events.put_nowait(None)

    async def _feed(self) -> None:
        while (event := await self._events.get()) is not None:
            try:
                await self._version.prepare([one for one in (event.object, event.previous) if one is not None])
                self._stream.deliver(event)
            except errors.ApiError as error:
                self._stream.fail(error)
                break
        self._stream.end()

    def __aiter__(self) -> ConvertedWatch:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._stream)

    async def aclose(self) -> None:
        self.end()
        self._stream.end()
        self._feeding.cancel()
        await asyncio.gather(self._feeding, return_exceptions=True)
