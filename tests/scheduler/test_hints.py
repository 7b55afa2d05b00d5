"""Queueing hints: no plugin lets a pod wait that a change has helped, and few pods are woken in vain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.scheduler.evaluation import Diagnosis, Placement
from pybernetes.scheduler.feed import Feed
from pybernetes.scheduler.framework import ClusterEvent
from pybernetes.scheduler.pod_info import pod_info
from pybernetes.scheduler.queue import LONGEST_UNSCHEDULABLE, SchedulingQueue
from scheduler.clusters import Document, claims, clusters, made, nodes, placed_pods, pods, volumes
from scheduler.configured import ConfiguredWorld
from scheduler.objects import World, node, pod
from scheduler.test_queue import HandClock

PROFILE = {"schedulerName": "default-scheduler"}
Handler = Callable[[Any, Any], None]
RULES = ("affinity", "taints", "ports", "resources", "spread", "company", "volumes")


class HandInformers:
    """Informers that a test speaks for."""

    def __init__(self) -> None:
        self.handlers: dict[type, Handler] = {}

    def get(self, model: type, **scope: Any) -> HandInformers:
        self._asked = model
        return self

    def on_change(self, handler: Handler) -> None:
        self.handlers[self._asked] = handler

    def tell(self, old: Any, new: Any) -> None:
        self.handlers[type(old if old is not None else new)](old, new)


class Waiting:
    """A world whose queue is fed as in a scheduler, with one pod that no node will do for."""

    def __init__(self, world: World, filters: Any) -> None:
        self.world = world
        self.clock = HandClock()
        self.queue = SchedulingQueue(self.clock, filters)
        self.informers = HandInformers()
        informers: Any = self.informers
        Feed(informers, world.state, world.workloads, self.queue, frozenset({"default-scheduler"}))

    def try_once(self) -> Placement | Diagnosis | None:
        """What is decided about the next pod; None when none is to be tried, not even after its back-off."""
        self.clock.time += 20
        waiting = self.queue.pop_now()
        if waiting is None:
            return None
        decision = self.world.evaluator.decide(waiting.pod)
        if isinstance(decision, Diagnosis):
            self.queue.park(waiting, decision.rejected_by)
        return decision


@st.composite
def changes(draw: st.DrawFn, some: tuple[str, ...], cluster: Document) -> tuple[Any, Any]:
    """One object before and after."""
    kinds = ["node", "node changed", "node gone", "pod", "pod gone", "pod changed"]
    if "volumes" in some:
        kinds += ["claim", "volume"]
    kind = draw(st.sampled_from(kinds))
    count = len(cluster["nodes"])
    if kind == "node":
        return None, msgspec.convert(draw(nodes(some, f"n{count}")), core_v1.Node)
    if kind.startswith("node"):
        old = draw(st.sampled_from(cluster["nodes"]))
        new = None if kind == "node gone" else draw(nodes(some, old["metadata"]["name"]))
        return msgspec.convert(old, core_v1.Node), new and msgspec.convert(new, core_v1.Node)
    if kind == "claim":
        old = draw(st.sampled_from(cluster["claims"]))
        new = draw(claims(old["metadata"]["name"]))
        return tuple(msgspec.convert(one, core_v1.PersistentVolumeClaim) for one in (old, new))  # type: ignore[return-value]
    if kind == "volume":
        old = draw(st.sampled_from(cluster["volumes"]))
        new = draw(volumes(old["metadata"]["name"]))
        return tuple(msgspec.convert(one, core_v1.PersistentVolume) for one in (old, new))  # type: ignore[return-value]
    if kind == "pod":
        return None, msgspec.convert(draw(placed_pods(some, 9, count)), core_v1.Pod)
    assume(cluster["pods"])
    old = draw(st.sampled_from(cluster["pods"]))
    if kind == "pod gone":
        return msgspec.convert(old, core_v1.Pod), None
    other = draw(placed_pods(some, 9, count))
    new = {"metadata": {**old["metadata"], "labels": other["metadata"]["labels"]}, "spec": old["spec"]}
    return msgspec.convert(old, core_v1.Pod), msgspec.convert(new, core_v1.Pod)


@st.composite
def happenings(draw: st.DrawFn, rule: str) -> tuple[Document, Document, tuple[Any, Any]]:
    some = (rule, "affinity", "taints") if rule == "spread" else (rule,)
    cluster = draw(clusters(some))
    return cluster, draw(pods(some)), draw(changes(some, cluster))


def hold(rule: str, data: st.DataObject) -> None:
    """A pod that could be placed after a change, and could not before, is tried again because of it."""
    document, wanted, (old, new) = data.draw(happenings(rule))
    world, _ = made(document, PROFILE)
    waiting = Waiting(world, filters_of(world))
    one = pod_info(msgspec.convert(wanted, core_v1.Pod))
    waiting.queue.add(one)
    assume(isinstance(waiting.try_once(), Diagnosis))
    waiting.informers.tell(old, new)
    could_be_placed = isinstance(world.evaluator.decide(one), Placement)
    tried = waiting.try_once()
    assert tried is not None or not could_be_placed


def filters_of(world: ConfiguredWorld) -> Any:
    return world.profiles["default-scheduler"].filters


each_rule = pytest.mark.parametrize("rule", RULES)


@each_rule
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_helps_a_pod_wakes_it(rule: str, data: st.DataObject) -> None:
    hold(rule, data)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@each_rule
@settings(max_examples=1000, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_helps_a_pod_wakes_it(rule: str, data: st.DataObject) -> None:
    hold(rule, data)


def parked(world: World, wanted: Any) -> Waiting:
    waiting = Waiting(world, world.evaluator._profile.filters)
    waiting.queue.add(wanted)
    assert isinstance(waiting.try_once(), Diagnosis)
    return waiting


def small() -> World:
    return World(node("n0", cpu="1"))


def test_a_node_that_has_not_grown_enough_wakes_nobody() -> None:
    waiting = parked(small(), pod("p", cpu="4"))
    waiting.informers.tell(node("n0", cpu="1"), node("n0", cpu="2"))
    assert waiting.try_once() is None
    waiting.informers.tell(node("n0", cpu="2"), node("n0", cpu="4"))
    assert isinstance(waiting.try_once(), Placement)


def test_a_new_node_that_is_too_small_wakes_nobody() -> None:
    waiting = parked(small(), pod("p", cpu="4"))
    waiting.informers.tell(None, node("n1", cpu="2"))
    assert waiting.try_once() is None


def test_a_node_that_grows_in_what_the_pod_does_not_ask_for_wakes_nobody() -> None:
    world = small()
    held = pod("held", cpu="1")
    world.place(held, "n0")
    waiting = parked(world, pod("p", cpu="1"))
    waiting.informers.tell(node("n0", cpu="1"), node("n0", cpu="1", memory="99Gi"))
    assert waiting.try_once() is None


def test_a_pod_that_asks_for_less_wakes_those_who_ask_for_the_same() -> None:
    world = small()
    held = pod("held", cpu="1", nodeName="n0")
    world.place(held, "n0")
    waiting = parked(world, pod("p", cpu="500m"))
    waiting.informers.tell(held.pod, pod("held", cpu="500m", nodeName="n0").pod)
    assert isinstance(waiting.try_once(), Placement)


def test_a_label_that_the_pod_does_not_select_wakes_nobody() -> None:
    waiting = parked(small(), pod("p", nodeSelector={"disk": "ssd"}))
    waiting.informers.tell(node("n0", cpu="1"), node("n0", cpu="1", labels={"disk": "hdd"}))
    assert waiting.try_once() is None
    waiting.informers.tell(node("n0", cpu="1"), node("n0", cpu="1", labels={"disk": "ssd"}))
    assert isinstance(waiting.try_once(), Placement)


def test_a_pod_that_goes_wakes_only_those_who_want_its_port() -> None:
    def on(port: int) -> list[dict[str, Any]]:
        return [{"containerPort": port, "hostPort": port}]

    world = World(node("n0"))
    others = [pod(f"held-{port}", ports=on(port), nodeName="n0") for port in (80, 81)]
    for one in others:
        world.place(one, "n0")
    waiting = parked(world, pod("p", ports=on(80)))
    waiting.informers.tell(others[1].pod, None)
    assert waiting.try_once() is None
    waiting.informers.tell(others[0].pod, None)
    assert isinstance(waiting.try_once(), Placement)


def test_of_two_taints_the_last_that_goes_wakes_the_pod() -> None:
    def tainted(*keys: str) -> core_v1.Node:
        return node("n0", taints=[{"key": key, "effect": "NoSchedule"} for key in keys])

    waiting = parked(World(tainted("a", "b")), pod("p"))
    waiting.informers.tell(tainted("a", "b"), tainted("b"))
    assert waiting.try_once() is None
    waiting.informers.tell(tainted("b"), tainted())
    assert isinstance(waiting.try_once(), Placement)


def test_a_stranger_does_not_wake_a_pod_that_waits_for_company() -> None:
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "db"}}}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    waiting = parked(World(node("n0")), pod("p", labels={"app": "web"}, affinity=affinity))
    waiting.informers.tell(None, pod("stranger", labels={"app": "x"}, nodeName="n0").pod)
    assert waiting.try_once() is None
    waiting.informers.tell(None, pod("friend", labels={"app": "db"}, nodeName="n0").pod)
    assert isinstance(waiting.try_once(), Placement)


def test_the_claim_of_another_pod_wakes_nobody() -> None:
    def claim(name: str) -> core_v1.PersistentVolumeClaim:
        document = {
            "metadata": {"name": name, "namespace": "default", "annotations": {"pv.kubernetes.io/bind-completed": "1"}},
            "spec": {"volumeName": "v"},
        }
        return msgspec.convert(document, core_v1.PersistentVolumeClaim)

    world = World(node("n0"))
    world.state.storage.volumes["v"] = msgspec.convert({"metadata": {"name": "v"}}, core_v1.PersistentVolume)
    waiting = parked(world, pod("p", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "mine"}}]))
    waiting.informers.tell(None, claim("other"))
    assert waiting.try_once() is None
    waiting.informers.tell(None, claim("mine"))
    assert isinstance(waiting.try_once(), Placement)


def test_what_happens_while_a_pod_is_tried_is_not_missed() -> None:
    waiting = Waiting(small(), small().evaluator._profile.filters)
    waiting.queue.add(pod("p", cpu="4"))
    tried = waiting.queue.pop_now()
    assert tried is not None
    waiting.informers.tell(None, node("n1", cpu="8"))
    waiting.queue.park(tried, frozenset({"NodeResourcesFit"}))
    assert isinstance(waiting.try_once(), Placement)


def test_what_happens_while_a_pod_is_tried_and_does_not_help_it_wakes_it_not() -> None:
    waiting = Waiting(small(), small().evaluator._profile.filters)
    waiting.queue.add(pod("p", cpu="4"))
    tried = waiting.queue.pop_now()
    assert tried is not None
    waiting.informers.tell(None, node("n1", cpu="2"))
    waiting.queue.park(tried, frozenset({"NodeResourcesFit"}))
    assert waiting.try_once() is None


def test_a_pod_that_changes_while_it_is_tried_is_tried_again() -> None:
    waiting = Waiting(small(), small().evaluator._profile.filters)
    waiting.queue.add(pod("p", cpu="4"))
    tried = waiting.queue.pop_now()
    assert tried is not None
    waiting.queue.update(pod("p", cpu="1"))
    waiting.queue.park(tried, frozenset({"NodeResourcesFit"}))
    assert isinstance(waiting.try_once(), Placement)


events = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.sampled_from(list(ClusterEvent))),
        st.tuples(st.just("wait"), st.sampled_from([1, 9, 60, 301])),
        st.tuples(st.just("try"), st.sampled_from(["NodeResourcesFit", "NodeAffinity", ""])),
        st.tuples(st.just("add"), st.integers(0, 3)),
        st.tuples(st.just("remove"), st.integers(0, 3)),
        st.tuples(st.just("fail"), st.none()),
    ),
    max_size=60,
)


@settings(max_examples=60)
@given(events)
def test_no_pod_is_lost_and_none_spins(happened: list[tuple[str, Any]]) -> None:
    """Every known pod is tried at last, and never again before its back-off is over or something happens."""
    clock = HandClock()
    queue = SchedulingQueue(clock, World().evaluator._profile.filters)
    known: set[Key] = set()
    ready: dict[Key, float] = {}
    waits_for_news: set[Key] = set()
    for kind, what in happened:
        match kind:
            case "move":
                queue.move(what)
                waits_for_news.clear()
            case "wait":
                clock.time += what
            case "add" if pod(f"p{what}").key not in known:
                known.add(pod(f"p{what}").key)
                queue.add(pod(f"p{what}"))
            case "remove":
                key = pod(f"p{what}").key
                known.discard(key)
                ready.pop(key, None)
                waits_for_news.discard(key)
                queue.remove(key)
            case "try" | "fail":
                waiting = queue.pop_now()
                if waiting is None:
                    continue
                key = waiting.pod.key
                assert key in known
                assert clock.time >= ready.get(key, 0)
                assert key not in waits_for_news or clock.time - waiting.failed_at >= LONGEST_UNSCHEDULABLE
                if kind == "fail":
                    queue.retry(waiting)
                    ready[key] = clock.time + 1
                    waits_for_news.discard(key)
                else:
                    queue.park(waiting, frozenset({what} - {""}))
                    ready.pop(key, None)
                    waits_for_news.add(key)
    clock.time += 301
    tried = set()
    while (waiting := queue.pop_now()) is not None:
        tried.add(waiting.pod.key)
        queue.park(waiting, frozenset({"NodeAffinity"}))
    assert tried == known
