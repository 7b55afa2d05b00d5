"""Pods that wait for something to happen cost nothing while it does not, however many they are."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from pybernetes.api.meta import Key
from pybernetes.scheduler.framework import ClusterEvent, Scope
from pybernetes.scheduler.hints import Change
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.queue import SchedulingQueue
from scheduler.objects import pod
from scheduler.test_queue import HandClock

MANY = 2000


class Judge:
    """A plugin that counts how often it is asked, and is helped by changes that say so."""

    scope = Scope.NODE
    wakes_on = frozenset((ClusterEvent.NODE_ADDED, ClusterEvent.POD_REMOVED))

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: Counter[ClusterEvent] = Counter()

    def could_help(self, one: PodInfo, change: Change) -> bool:
        self.asked[change.event] += 1
        return bool(change.new == one.labels.get("app"))


def parked(*judges: Judge, gate: Any = lambda one: "") -> SchedulingQueue:
    queue = SchedulingQueue(HandClock(), judges, gate=gate)
    likes = [pod("p", labels={"app": app}) for app in ("web", "db")]
    for number in range(MANY):
        queue.add(msgspec.structs.replace(likes[number % 2], key=Key("default", f"p{number}")))
    while (waiting := queue.pop_now()) is not None:
        queue.park(waiting, frozenset((judges[0].name,)))
    return queue


def woken(queue: SchedulingQueue) -> int:
    return sum(1 for _ in iter(queue.pop_now, None))


def test_a_plugin_is_asked_once_for_all_pods_that_are_alike() -> None:
    judge = Judge("A")
    queue = parked(judge)
    queue.move(ClusterEvent.NODE_ADDED, None, "nobody")
    assert judge.asked == {ClusterEvent.NODE_ADDED: 2}
    assert woken(queue) == 0
    queue.move(ClusterEvent.NODE_ADDED, None, "web")
    assert woken(queue) == MANY // 2


def test_nobody_is_asked_about_what_matters_only_to_others() -> None:
    judge, other = Judge("A"), Judge("B")
    other.wakes_on = frozenset((ClusterEvent.CLAIM_CHANGED,))
    queue = parked(judge, other)
    for _ in range(100):
        queue.move(ClusterEvent.CLAIM_CHANGED, None, "web")
        queue.move(ClusterEvent.POD_ASSIGNED, None, "web")
    assert not judge.asked
    assert not other.asked
    assert woken(queue) == 0


def test_pods_that_are_held_back_are_judged_together_too() -> None:
    gate = Judge("Gate")
    queue = parked(gate, gate=lambda one: gate.name)
    queue.move(ClusterEvent.POD_REMOVED, None, "nobody")
    assert gate.asked == {ClusterEvent.POD_REMOVED: 2}


def test_a_pod_that_leaves_its_group_or_comes_back_is_found() -> None:
    judge = Judge("A")
    queue = parked(judge)
    queue.remove(Key("default", "p0"))
    queue.add(pod("p0", labels={"app": "db"}))
    waiting = queue.pop_now()
    assert waiting is not None
    queue.park(waiting, frozenset(("A",)))
    queue.move(ClusterEvent.NODE_ADDED, None, "web")
    assert woken(queue) == MANY // 2 - 1
    queue.move(ClusterEvent.NODE_ADDED, None, "db")
    assert woken(queue) == MANY // 2 + 1


def test_an_event_that_is_no_news_to_one_pod_is_news_to_its_like() -> None:
    queue = parked(Judge("A"))
    queue.move(ClusterEvent.NODE_ADDED, None, "web", but=Key("default", "p0"))
    assert woken(queue) == MANY // 2 - 1
