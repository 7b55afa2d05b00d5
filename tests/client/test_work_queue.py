from __future__ import annotations

import asyncio

import pytest

from pybernetes.client import QueueClosed, WorkQueue
from pybernetes.client.work_queue import delay_after

pytestmark = pytest.mark.virtual_time


async def test_a_key_added_twice_waits_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.add("b")
    queue.add("a")
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_is_never_given_out_twice_at_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(1)
    assert not waiting.done()
    queue.done("a")
    assert await waiting == "a"


async def test_of_two_delays_for_a_key_the_earlier_counts() -> None:
    queue: WorkQueue[str] = WorkQueue()
    loop = asyncio.get_running_loop()
    start = loop.time()
    queue.add_after("a", 10)
    queue.add_after("a", 3)
    queue.add_after("a", 7)
    await queue.get()
    assert loop.time() - start == pytest.approx(3)
    queue.done("a")
    await asyncio.sleep(20)
    assert queue.idle


async def test_failures_double_the_wait_until_forgotten() -> None:
    queue: WorkQueue[str] = WorkQueue()
    loop = asyncio.get_running_loop()
    waits = []
    for _ in range(4):
        start = loop.time()
        queue.add_rate_limited("a")
        queue.done(await queue.get())
        waits.append(loop.time() - start)
    assert waits == pytest.approx([0.005, 0.01, 0.02, 0.04])
    queue.forget("a")
    assert queue.failures("a") == 0
    assert delay_after(100) == 1000


async def test_closing_wakes_everyone_who_waits() -> None:
    queue: WorkQueue[str] = WorkQueue()
    waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, QueueClosed) for result in results)


async def test_a_cancelled_getter_does_not_lose_a_key() -> None:
    queue: WorkQueue[str] = WorkQueue()
    first = asyncio.create_task(queue.get())
    second = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await second == "a"
