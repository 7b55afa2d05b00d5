"""Reflector: keeps a copy of a collection by listing it once and watching it from there.

Guarantees
  The sink sees `replace` with a whole list first, then every later change once, in the server's order.
  A watch that ends is taken up again from the last version seen, bookmarks included, without a new list.
  When that version is too old (410) the collection is listed afresh from the server's present state.
  A kind that the server does not serve (404) counts as an empty collection until it does.
  The server's absence is waited out with backoff and jitter; no error ends the reflector but cancellation and the
  refusal to understand the server's answers.
Follows client-go tools/cache/reflector.go.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from random import Random
from typing import Any, Generic, Protocol, TypeVar

import structlog

from pybernetes.api.errors import ApiError
from pybernetes.client.objects import ObjectList, WatchEvent, WatchType, resource_version_of
from pybernetes.client.resource import ResourceClient
from pybernetes.client.transport import Unreachable

T = TypeVar("T")
log = structlog.get_logger(__name__)

WATCH_SECONDS = 300
"""A watch is asked to end after this long, and up to twice as long, so that many do not return at once."""

FIRST_BACKOFF, LAST_BACKOFF, BACKOFF_RESET = 0.8, 30.0, 120.0
SERVED_FROM_CACHE = "0"
CONSISTENT = ""


class Sink(Protocol[T]):
    def replace(self, listed: ObjectList[T]) -> None: ...

    def change(self, event: WatchEvent[T]) -> None: ...


class Backoff:
    """Waits that double, spread by jitter; quiet for long enough, they start again from the first."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._next = FIRST_BACKOFF
        self._last_used = float("-inf")

    async def wait(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._last_used > BACKOFF_RESET:
            self._next = FIRST_BACKOFF
        self._last_used = now
        delay = self._next * (1 + self._random.random())
        self._next = min(self._next * 2, LAST_BACKOFF)
        await asyncio.sleep(delay)


class Reflector(Generic[T]):
    def __init__(
        self,
        client: ResourceClient[T],
        sink: Sink[T],
        random: Random,
        *,
        namespace: str | None = None,
        label_selector: object | None = None,
        field_selector: object | None = None,
        listing: AbstractAsyncContextManager[Any] | None = None,
    ) -> None:
        """``listing`` is held while a list is under way: many reflectors may share one that lets few in."""
        self._client = client
        self._sink = sink
        self._random = random
        self._backoff = Backoff(random)
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._listing = listing or nullcontext()
        self._version: str | None = None
        self._list_from = SERVED_FROM_CACHE

    @property
    def version(self) -> int:
        """The newest that the sink has, 0 if there is none, or none that is a number."""
        return int(self._version) if self._version is not None and self._version.isdecimal() else 0

    async def run(self) -> None:
        while True:
            try:
                if self._version is None:
                    await self._list()
                await self._watch()
            except ApiError as error:
                if error.code == 410:
                    self._version, self._list_from = None, CONSISTENT
                elif error.code == 404:
                    self._version = None
                    self._sink.replace(ObjectList())
                else:
                    log.warning("watch failed", kind=self._client.info.kind, error=str(error))
                await self._backoff.wait()
            except Unreachable as error:
                log.debug("server is unreachable", kind=self._client.info.kind, error=str(error))
                await self._backoff.wait()

    async def _list(self) -> None:
        async with self._listing:
            listed = await self._client.list(
                self._namespace,
                label_selector=self._label_selector,
                field_selector=self._field_selector,
                resource_version=self._list_from,
                read_only=True,
            )
        self._sink.replace(listed)
        self._version = listed.resource_version
        self._list_from = SERVED_FROM_CACHE

    async def _watch(self) -> None:
        events = self._client.watch(
            self._namespace,
            resource_version=self._version,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            bookmarks=True,
            timeout=int(WATCH_SECONDS * (1 + self._random.random())),
            read_only=True,
        )
        started = asyncio.get_running_loop().time()
        seen = False
        async with aclosing(events):
            async for event in events:
                seen = True
                self._version = resource_version_of(event.object)
                if event.type is not WatchType.BOOKMARK:
                    self._sink.change(event)
        if not seen and asyncio.get_running_loop().time() - started < 1:
            await self._backoff.wait()
