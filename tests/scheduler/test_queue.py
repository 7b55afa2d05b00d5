from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from pybernetes.scheduler.configuration.arguments import NodeAffinityArgs, NodeResourcesFitArgs
from pybernetes.scheduler.framework import ClusterEvent
from pybernetes.scheduler.plugins.node_affinity import NodeAffinity
from pybernetes.scheduler.plugins.node_resources_fit import NodeResourcesFit
from pybernetes.scheduler.queue import Backoff, SchedulingQueue
from scheduler.objects import pod


class HandClock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("the queue does not sleep")


def queue_and_clock() -> tuple[SchedulingQueue, HandClock]:
    clock = HandClock()
    return SchedulingQueue(clock, [NodeResourcesFit(NodeResourcesFitArgs()), NodeAffinity(NodeAffinityArgs())]), clock


async def test_higher_priority_first_then_who_waited_longest() -> None:
    queue, clock = queue_and_clock()
    for name, priority in (("low", 0), ("high", 10), ("also-low", 0)):
        queue.add(pod(name, priority=priority))
        clock.time += 1
    assert [(await queue.pop()).pod.key.name for _ in range(3)] == ["high", "low", "also-low"]


async def test_a_removed_pod_is_not_popped() -> None:
    queue, _ = queue_and_clock()
    queue.add(pod("gone"))
    queue.remove(pod("gone").key)
    assert queue.pop_now() is None


async def test_a_parked_pod_waits_for_an_event_that_its_rejector_cares_about() -> None:
    queue, clock = queue_and_clock()
    queue.add(pod("p"))
    queue.park(await queue.pop(), frozenset({"NodeResourcesFit"}))
    clock.time = 60
    queue.move(ClusterEvent.NODE_LABELS_CHANGED)
    assert queue.pop_now() is None
    queue.move(ClusterEvent.POD_REMOVED)
    again = queue.pop_now()
    assert again is not None
    assert again.attempts == 2


async def test_an_event_does_not_shorten_the_backoff_while_others_wait_to_be_tried() -> None:
    """It doubles, to ten seconds; and such waits end together, with the second that they end in."""
    queue, clock = queue_and_clock()
    queue.add(pod("p", priority=1))
    for number in range(20):
        queue.add(pod(f"other-{number}"))
    waits = []
    for _ in range(6):
        waiting = queue.pop_now()
        assert waiting is not None
        assert waiting.pod.key.name == "p"
        queue.park(waiting, frozenset({"NodeResourcesFit"}))
        queue.move(ClusterEvent.NODE_ADDED)
        clock.time = waiting.failed_at + Backoff().after(waiting.attempts)
        other = queue.pop_now()
        assert other is not None
        assert other.pod.key.name != "p"
        clock.time += 1
        waits.append(clock.time - waiting.failed_at)
    assert waits == [2, 3, 5, 9, 11, 11]


async def test_whom_something_may_have_helped_is_tried_at_once_when_there_is_nobody_else_to_try() -> None:
    queue, _ = queue_and_clock()
    for name in ("p", "important"):
        queue.add(pod(name, priority=len(name)))
    for _ in range(2):
        queue.park(await queue.pop(), frozenset({"NodeResourcesFit"}))
    assert queue.pop_now() is None
    queue.move(ClusterEvent.NODE_ADDED)
    assert [(await queue.pop()).pod.key.name for _ in range(2)] == ["important", "p"]
    assert queue.pop_now() is None


async def test_a_pod_whose_attempt_failed_waits_even_if_there_is_nobody_else_to_try() -> None:
    queue, clock = queue_and_clock()
    queue.add(pod("p"))
    queue.retry(await queue.pop())
    assert queue.pop_now() is None
    clock.time = 1
    assert queue.pop_now() is not None


async def test_a_pod_held_back_after_it_was_refused_goes_on_when_those_who_refused_it_may_think_otherwise() -> None:
    clock, held = HandClock(), {"p"}
    plugins = [NodeResourcesFit(NodeResourcesFitArgs())]
    queue = SchedulingQueue(clock, plugins, gate=lambda one: "Gate" if one.key.name in held else "")
    held.clear()
    queue.add(pod("p"))
    queue.park(await queue.pop(), frozenset({"NodeResourcesFit"}))
    held.add("p")
    queue.move(ClusterEvent.POD_REMOVED)
    assert queue.pop_now() is None
    held.clear()
    queue.move(ClusterEvent.NODE_LABELS_CHANGED)
    assert queue.pop_now() is None
    queue.move(ClusterEvent.POD_REMOVED)
    assert queue.pop_now() is not None


async def test_an_unschedulable_pod_is_tried_again_after_five_minutes_at_the_latest() -> None:
    queue, clock = queue_and_clock()
    queue.add(pod("p"))
    queue.park(await queue.pop(), frozenset({"NodeAffinity"}))
    clock.time = 299
    assert queue.pop_now() is None
    clock.time = 300
    assert queue.pop_now() is not None


async def test_a_changed_pod_is_tried_again_and_an_unchanged_one_is_not() -> None:
    queue, clock = queue_and_clock()
    queue.add(pod("p", cpu="4"))
    queue.park(await queue.pop(), frozenset({"NodeResourcesFit"}))
    clock.time = 60
    queue.update(pod("p", cpu="4"))
    assert queue.pop_now() is None
    queue.update(pod("p", cpu="1"))
    assert queue.pop_now() is not None


async def test_pop_waits_until_a_pod_comes() -> None:
    queue, _ = queue_and_clock()
    popping = asyncio.create_task(queue.pop())
    await asyncio.sleep(0)
    assert not popping.done()
    queue.add(pod("late"))
    assert (await popping).pod.key.name == "late"
