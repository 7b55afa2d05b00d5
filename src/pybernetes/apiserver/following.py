"""What the server itself does about the objects of a kind: told by the watch cache, done by name, one after the other.

Guarantees
  Level-based: whoever attends is told a name, never what happened, after each change of the object, once for several.
  A name that could not be attended (ApiError, StoreError) comes again after a wait that doubles with each failure in a
  row; any other exception ends the following and is reported.
  When the cache is read anew, every name in it comes, and those that its owner knows besides.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from pybernetes.api import errors
from pybernetes.apiserver import background
from pybernetes.apiserver.kind_cache import KindCache
from pybernetes.apiserver.watch_events import Event, Interest
from pybernetes.store.contract import StoreError

log = logging.getLogger(__name__)

FIRST_DELAY = 0.05
LONGEST_DELAY = 60.0


def its_name(event: Event) -> Iterable[str]:
    return (event.object.name,)


class Follower:
    """Between ``start`` and ``stop``. ``name`` is what its task and its warnings are called.

    ``concerns`` says which names an event brings, ``besides`` which there are that the cache may not have (any more).
    """

    interest = Interest()

    def __init__(
        self,
        cache: KindCache,
        attend: Callable[[str], Awaitable[None]],
        name: str,
        *,
        concerns: Callable[[Event], Iterable[str]] = its_name,
        besides: Callable[[], Iterable[str]] = lambda: (),
    ) -> None:
        self._cache = cache
        self._attend = attend
        self._name = name
        self._concerns = concerns
        self._besides = besides
        self._changed: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._failures: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """What is marked before is attended then."""
        self._cache.subscribers.add(self)
        self._task = background.start(self._run(), self._name)

    async def start_with(self, names: Iterable[str]) -> None:
        """Returns when these have been attended, all at once; nothing else is before."""
        self._cache.subscribers.add(self)
        await asyncio.gather(*map(self.attend, names))
        self.start()

    @property
    def is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    async def stop(self) -> None:
        if self._task is not None:
            self._cache.subscribers.remove(self)
            await background.stop(self._task)
            self._task = None

    def mark(self, names: Iterable[str]) -> None:
        self._changed.update(dict.fromkeys(names))
        self._wake.set()

    def mark_all(self) -> None:
        self.mark((*self._besides(), *(stored.name for stored in self._cache.objects.values())))

    def mark_later(self, name: str, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self.mark, (name,))

    def mark_failed(self, name: str) -> None:
        """It comes again, later and later."""
        failures = self._failures[name] = self._failures.get(name, 0) + 1
        self.mark_later(name, min(FIRST_DELAY * 2**failures, LONGEST_DELAY))

    async def attend(self, name: str) -> None:
        try:
            await self._attend(name)
        except (errors.ApiError, StoreError) as error:
            log.warning("could not be brought in step", extra={"by": self._name, "name": name, "error": str(error)})
            self.mark_failed(name)
        else:
            self._failures.pop(name, None)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._changed:
                name = next(iter(self._changed))
                del self._changed[name]
                await self.attend(name)

    def deliver(self, event: Event) -> None:
        self.mark(self._concerns(event))

    def end(self) -> None:
        """The cache was read anew: everything may have changed."""
        asyncio.get_running_loop().call_soon(self._follow_again)

    def _follow_again(self) -> None:
        if self._task is not None and not self._task.done():
            self._cache.subscribers.add(self)
            self.mark_all()
