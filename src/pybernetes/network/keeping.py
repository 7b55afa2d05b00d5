"""Keeping something in the kernel as the cluster says: after every change, and again when it was refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import TypeVar

import structlog

from pybernetes.network.command import CommandFailed

T = TypeVar("T")
log = structlog.get_logger("network")

SETTLE_SECONDS = 0.1
RETRY_SECONDS = 30.0

Act = Callable[[T], Awaitable[None]]


class Keeper:
    """Calls `sync` at once, after each `wake`, and after a while when it said that not all could be done."""

    def __init__(self, sync: Callable[[], Awaitable[bool]]) -> None:
        self._sync = sync
        self._changed = asyncio.Event()

    def wake(self) -> None:
        self._changed.set()

    async def run(self) -> None:
        while True:
            self._changed.clear()
            done = await self._sync()
            try:
                async with asyncio.timeout(None if done else RETRY_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(SETTLE_SECONDS)


async def made_equal(
    present: Callable[[], Awaitable[Collection[T]]],
    change: Callable[[Collection[T]], tuple[Iterable[T], Iterable[T]]],
    remove: Act[T],
    add: Act[T],
) -> bool:
    """`change` says what to remove and what to add. Whether all of it could be done; what was refused is told."""
    try:
        removed, added = change(await present())
    except CommandFailed as error:
        log.error("the kernel's state cannot be read; trying again", error=str(error))
        return False
    results = [await _done(remove, one) for one in removed]
    results += [await _done(add, one) for one in added]
    return all(results)


async def _done(act: Act[T], one: T) -> bool:
    try:
        await act(one)
    except CommandFailed as error:
        log.error("a change was refused; trying again", what=str(one), error=str(error))
        return False
    return True
