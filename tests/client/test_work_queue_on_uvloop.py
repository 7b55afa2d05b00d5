"""The loop that the processes run on makes a plain handle of a wait that is too short to be a timer."""

from __future__ import annotations

import asyncio

import uvloop

from pybernetes.client import WorkQueue


async def the_earliest_counts() -> list[str]:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 0.0001)
    queue.add_after("a", 0.0002)
    queue.add_after("b", 50.0)
    queue.add_after("b", 0.0001)
    return sorted([await queue.get(), await queue.get()])


def test_of_several_very_short_waits_the_earliest_counts() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(the_earliest_counts()) == ["a", "b"]
