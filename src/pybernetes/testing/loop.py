"""An event loop whose time is virtual.

Guarantees
  When a callback is ready, it runs; when none is, time jumps to the next timer. A day of timers passes in no time.
  Time stands still while a thread of the loop's executor is at work, and while `quiet` waits for a quiet moment.
  When nothing is ready, no timer is set and no thread is at work, nothing can ever happen: `Deadlock` is raised.
Assumes  Everything is in this process: a socket that somebody else answers is polled only while time stands still.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
"""The wall clock when a loop is made."""


class Deadlock(RuntimeError):
    def __init__(self) -> None:
        super().__init__("every task waits for something that can never happen")


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._now = 0.0
        self._threads = 0
        self._when_idle: list[asyncio.Future[None]] = []
        super().__init__(_JumpingSelector(self._about_to_wait))

    def time(self) -> float:
        return self._now

    async def idle(self) -> None:
        """Returns when nothing is ready any more, without letting time pass."""
        waiter = self.create_future()
        self._when_idle.append(waiter)
        await waiter

    def next_timer(self) -> float | None:
        """The time of the next timer that was not cancelled."""
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return min((timer.when() for timer in timers if not timer.cancelled()), default=None)

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self._threads += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self) -> None:
        self._threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._threads -= 1

    def _thread_done(self, _: object) -> None:
        self._threads -= 1

    def _about_to_wait(self, timeout: float | None) -> float | None:
        """How long to wait for real: what the selector asks before it would wait."""
        if self._threads:
            return None
        if self._when_idle:
            waiters, self._when_idle = self._when_idle, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
            return 0
        if timeout is None:
            raise Deadlock
        self._now += timeout
        return 0


class _JumpingSelector(selectors.BaseSelector):
    """The platform's selector, but waiting is left to the loop."""

    def __init__(self, about_to_wait: Callable[[float | None], float | None]) -> None:
        self._real = selectors.DefaultSelector()
        self._about_to_wait = about_to_wait

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        return self._real.select(self._about_to_wait(timeout))

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()


class LoopClock:
    """A wall clock that goes with the running loop's time."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self._start = start

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def advance(self, seconds: float) -> None:
        """Let so much time pass, with everything that happens in it."""
        await asyncio.sleep(seconds)


def virtual_loop() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise RuntimeError("this needs the virtual loop: use the `cluster` fixture, or run it with `run_virtually`")
    return loop
