"""Tasks that last as long as the server: started by name, ended together, and never silent about a failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from pybernetes.api.errors import ApiError

log = logging.getLogger(__name__)


def start(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_report)
    return task


def repeat(work: Callable[[], Awaitable[None]], seconds: float, name: str) -> asyncio.Task[None]:
    """Does it every so many seconds; what the API refuses is tried again the next time."""

    async def repeating() -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except ApiError as error:
                log.warning("%s: %s", name, error.message)

    return start(repeating(), name)


async def stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Repeated:
    """What is done at the start and then every so many seconds, between ``start`` and ``stop``."""

    def __init__(self, work: Callable[[], Awaitable[None]], seconds: float, name: str) -> None:
        self._work = work
        self._seconds = seconds
        self._name = name
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """What goes wrong the first time is the caller's."""
        await self._work()
        self._task = repeat(self._work, self._seconds, self._name)

    @property
    def is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    async def stop(self) -> None:
        if self._task is not None:
            await stop(self._task)
            self._task = None


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("%s has stopped: what it keeps in step no longer follows changes", task.get_name(), exc_info=error)
