from __future__ import annotations

import asyncio
import time

import pytest

from pybernetes.testing.loop import Deadlock, LoopClock, VirtualLoop, virtual_loop


@pytest.mark.virtual_time
async def test_a_day_passes_in_no_time() -> None:
    began = time.monotonic()
    clock = LoopClock()
    before = clock.now()
    await asyncio.sleep(86_400)
    assert (clock.now() - before).total_seconds() == pytest.approx(86_400)
    assert time.monotonic() - began < 60


@pytest.mark.virtual_time
async def test_timers_fire_in_order_and_at_their_time() -> None:
    loop = asyncio.get_running_loop()
    fired: list[float] = []
    for delay in (3.0, 1.0, 2.0):
        loop.call_later(delay, lambda: fired.append(loop.time()))
    start = loop.time()
    await asyncio.sleep(10)
    assert [at - start for at in fired] == pytest.approx([1, 2, 3])


@pytest.mark.virtual_time
async def test_time_stands_still_while_a_thread_works() -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    sleeper = asyncio.create_task(asyncio.sleep(5))
    await asyncio.to_thread(time.sleep, 0.02)
    assert loop.time() == start
    await sleeper
    assert loop.time() == pytest.approx(start + 5)


@pytest.mark.virtual_time
async def test_idle_lets_ready_callbacks_run_but_no_time_pass() -> None:
    loop = virtual_loop()
    steps: list[int] = []

    async def work() -> None:
        for number in range(5):
            await asyncio.sleep(0)
            steps.append(number)
        await asyncio.sleep(1)
        steps.append(99)

    task = asyncio.create_task(work())
    start = loop.time()
    await loop.idle()
    assert steps == [0, 1, 2, 3, 4]
    assert loop.time() == start
    assert loop.next_timer() == pytest.approx(start + 1)
    await task


def test_a_wait_for_nothing_is_a_deadlock() -> None:
    loop = VirtualLoop()

    async def wait_for_nothing() -> None:
        await asyncio.Event().wait()

    task = loop.create_task(wait_for_nothing())
    with pytest.raises(Deadlock):
        loop.run_until_complete(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()
