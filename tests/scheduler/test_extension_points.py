"""Every extension point, by plain Python plugins in a whole cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from pybernetes.api import meta
from pybernetes.api.models import core_v1
from pybernetes.client import Client
from pybernetes.scheduler.framework import Wait
from pybernetes.scheduler.plain_plugins import row_of
from pybernetes.scheduler.registry import ROWS, Row
from pybernetes.scheduler.waiting_pods import WaitingPods
from pybernetes.testing.cluster import Cluster
from scheduler.configured import configuration, scheduled

pytestmark = pytest.mark.virtual_time


def pod(name: str, priority: int = 0, **metadata: Any) -> core_v1.Pod:
    spec = {"containers": [{"name": "main", "image": "busybox"}]}
    return msgspec.convert({"metadata": {"name": name, "namespace": "default", **metadata}, "spec": spec}, core_v1.Pod)


def with_plugin(plugin: Any, name: str = "Ours") -> Mapping[str, Row]:
    return {**ROWS, name: row_of(name, plugin)}


async def condition(cluster: Cluster, one: core_v1.Pod) -> tuple[str, str, str]:
    found = meta.condition((await cluster.get(one)).status, "PodScheduled")
    return (found.status, found.reason, found.message) if found is not None else ("", "", "")


async def node_of(cluster: Cluster, one: core_v1.Pod) -> str:
    return (await cluster.get(one)).spec.node_name


async def test_a_pod_is_held_back_without_an_attempt_until_it_changes() -> None:
    class Approval:
        def pre_enqueue(self, pod: core_v1.Pod) -> str | None:
            return None if "approved" in pod.metadata.labels else "waiting for approval"

    async with scheduled(configuration(), with_plugin(Approval)) as cluster:
        one = await cluster.apply(pod("one"))
        await cluster.settle(quiet=15)
        assert await node_of(cluster, one) == ""
        assert await condition(cluster, one) == ("", "", "")
        one = await cluster.get(one)
        one.metadata.labels["approved"] = "yes"
        await cluster.client.update(one)
        await cluster.settle()
        assert await node_of(cluster, one)


async def test_a_pre_filter_refuses_every_node_or_names_those_in_question() -> None:
    class Chooser:
        def pre_filter(self, pod: core_v1.Pod) -> str | set[str] | None:
            return "not on my watch" if pod.metadata.name == "bad" else {"node-1"}

    async with scheduled(configuration(), with_plugin(Chooser)) as cluster:
        bad, good = await cluster.apply(pod("bad")), await cluster.apply(pod("good"))
        await cluster.settle()
        assert await node_of(cluster, good) == "node-1"
        assert (await condition(cluster, bad))[2].startswith("0/2 nodes are available: not on my watch.")


async def test_a_post_filter_nominates_a_node() -> None:
    class Hopeful:
        def __init__(self) -> None:
            self.seen: list[Mapping[str, str]] = []

        def filter(self, pod: core_v1.Pod, node: core_v1.Node) -> str | None:
            return f"{node.metadata.name} is asleep"

        def post_filter(self, pod: core_v1.Pod, refusals: Mapping[str, str]) -> str | None:
            self.seen.append(refusals)
            return "node-1"

    plugin = Hopeful()
    async with scheduled(configuration(), with_plugin(plugin)) as cluster:
        one = await cluster.apply(pod("one"))
        await cluster.settle()
        assert (await cluster.get(one)).status.nominated_node_name == "node-1"
        assert plugin.seen[0] == {"node-0": "node-0 is asleep", "node-1": "node-1 is asleep"}


async def test_scores_are_skipped_and_normalised_as_the_plugin_says() -> None:
    class Tall:
        def pre_score(self, pod: core_v1.Pod, nodes: list[core_v1.Node]) -> bool:
            return pod.metadata.name != "indifferent"

        def score(self, pod: core_v1.Pod, node: core_v1.Node) -> int:
            return 100_000 * (node.metadata.name == "node-1")

        def normalise(self, pod: core_v1.Pod, scores: Mapping[str, int]) -> Mapping[str, int]:
            return {name: 100 * score // 100_000 for name, score in scores.items()}

    async with scheduled(configuration(), with_plugin(Tall)) as cluster:
        made = [await cluster.apply(pod(name)) for name in ("one", "indifferent")]
        await cluster.settle()
        assert await node_of(cluster, made[0]) == "node-1"
        assert await node_of(cluster, made[1]) == "node-0"


async def test_what_was_reserved_is_given_back_when_the_pod_is_not_bound() -> None:
    class Licences:
        def __init__(self) -> None:
            self.log: list[tuple[str, str]] = []

        def reserve(self, pod: core_v1.Pod, node: str) -> str | None:
            self.log.append(("reserve", pod.metadata.name))
            return "no licence is left" if pod.metadata.name == "late" else None

        def unreserve(self, pod: core_v1.Pod, node: str) -> None:
            self.log.append(("unreserve", pod.metadata.name))

        def permit(self, pod: core_v1.Pod, node: str) -> str | None:
            return "not permitted here" if pod.metadata.name == "barred" else None

    plugin = Licences()
    async with scheduled(configuration(), with_plugin(plugin)) as cluster:
        late, barred, good = [await cluster.apply(pod(name)) for name in ("late", "barred", "good")]
        await cluster.settle()
        assert await condition(cluster, late) == (
            "False",
            "SchedulerError",
            'running Reserve plugin "Ours": no licence is left',
        )
        assert await condition(cluster, barred) == (
            "False",
            "Unschedulable",
            "0/1 nodes are available: 1 not permitted here.",
        )
        assert await node_of(cluster, good)
        assert ("unreserve", "barred") in plugin.log
        assert ("unreserve", "good") not in plugin.log


class Pairs:
    """Pods of one label are let go when there are two of them."""

    def __init__(self, seconds: float = 60) -> None:
        self._seconds = seconds
        self.waiting = WaitingPods()

    def attach(self, waiting: WaitingPods) -> None:
        self.waiting = waiting

    def permit(self, pod: core_v1.Pod, node: str) -> Wait | None:
        others = [one for one in self.waiting if one.pod.pod.metadata.labels == pod.metadata.labels]
        for one in others:
            one.allow("Pairs")
        return None if others or not pod.metadata.labels else Wait(self._seconds)


async def test_a_pod_that_waits_for_permission_keeps_its_node_until_another_comes() -> None:
    plugin = Pairs()
    async with scheduled(configuration(), with_plugin(plugin, "Pairs")) as cluster:
        first = await cluster.apply(pod("first", labels={"pair": "a"}))
        await cluster.settle()
        assert await node_of(cluster, first) == ""
        assert [one.pending for one in plugin.waiting] == [("Pairs",)]
        assert (await cluster.get(first)).status.nominated_node_name == next(iter(plugin.waiting)).node
        second = await cluster.apply(pod("second", labels={"pair": "a"}))
        await cluster.settle()
        assert await node_of(cluster, first)
        assert await node_of(cluster, second)
        assert (await cluster.get(first)).status.nominated_node_name == ""
        assert len(plugin.waiting) == 0


async def test_a_pod_that_has_waited_too_long_is_rejected_and_tried_again() -> None:
    plugin = Pairs(seconds=20)
    async with scheduled(configuration(), with_plugin(plugin, "Pairs")) as cluster:
        lonely = await cluster.apply(pod("lonely", labels={"pair": "a"}))
        await cluster.settle(quiet=21)
        message = "0/1 nodes are available: 1 rejected due to timeout after waiting 20s at plugin Pairs."
        assert await condition(cluster, lonely) == ("False", "Unschedulable", message)
        assert (await cluster.get(lonely)).status.nominated_node_name == ""
        other = await cluster.apply(pod("other", labels={"pair": "a"}))
        await cluster.settle(quiet=30)
        assert await node_of(cluster, lonely)
        assert await node_of(cluster, other)


async def test_a_pod_that_is_deleted_waits_no_longer() -> None:
    plugin = Pairs()
    async with scheduled(configuration(), with_plugin(plugin, "Pairs")) as cluster:
        lonely = await cluster.apply(pod("lonely", labels={"pair": "a"}))
        await cluster.settle()
        await cluster.delete(lonely)
        await cluster.settle()
        assert len(plugin.waiting) == 0


async def test_binding_is_prepared_done_and_noted_by_plugins() -> None:
    class Hands:
        def __init__(self) -> None:
            self.log: list[tuple[str, str]] = []

        async def pre_bind(self, pod: core_v1.Pod, node: str) -> None:
            self.log.append(("pre_bind", pod.metadata.name))
            if pod.metadata.name == "unprepared":
                raise RuntimeError("the disk is missing")

        async def bind(self, client: Client, pod: core_v1.Pod, node: str) -> bool:
            return pod.metadata.name == "forgotten"

        def post_bind(self, pod: core_v1.Pod, node: str) -> None:
            self.log.append(("post_bind", pod.metadata.name))

    plugin = Hands()
    async with scheduled(configuration(), with_plugin(plugin)) as cluster:
        unprepared, ours = await cluster.apply(pod("unprepared")), await cluster.apply(pod("ours"))
        forgotten = await cluster.apply(pod("forgotten"))
        await cluster.settle()
        assert await condition(cluster, unprepared) == (
            "False",
            "SchedulerError",
            'running PreBind plugin "Ours": the disk is missing',
        )
        assert await node_of(cluster, ours)
        assert ("post_bind", "ours") in plugin.log
        assert ("post_bind", "unprepared") not in plugin.log
        # The plugin says that it has bound this one, and so nobody else does.
        assert await node_of(cluster, forgotten) == ""
        assert ("post_bind", "forgotten") in plugin.log


async def test_another_order_of_the_queue_takes_the_place_of_priorities() -> None:
    order: list[str] = []

    class ByName:
        def less(self, one: core_v1.Pod, other: core_v1.Pod) -> bool:
            return one.metadata.name > other.metadata.name

        def filter(self, pod: core_v1.Pod, node: core_v1.Node) -> str | None:
            order.append(pod.metadata.name)
            return None

    plugins = {"queueSort": {"disabled": [{"name": "PrioritySort"}], "enabled": [{"name": "Ours"}]}}
    async with scheduled(configuration({"plugins": plugins}), with_plugin(ByName)) as cluster:
        await cluster.client.create(pod("a"))
        await cluster.client.create(pod("c"))
        await cluster.client.create(pod("b"))
        await cluster.settle()
        assert set(order) == {"a", "b", "c"}
        assert order.index("c") < order.index("b")
