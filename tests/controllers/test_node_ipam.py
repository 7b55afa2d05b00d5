"""Ranges of pods for nodes: which part is whose, and what is said when none is left."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import msgspec
import pytest

from pybernetes.api.models import core_v1
from pybernetes.controllers.network_options import BadNetwork, NetworkOptions, networks, node_ranges
from pybernetes.controllers.node_ranges import NodeRanges, NoneLeft, NotOurs
from pybernetes.testing.cluster import Cluster


def ranges(text: str, **masks: int) -> NodeRanges:
    return NodeRanges(node_ranges(networks(text, "cluster-cidr"), **masks))


def test_every_node_gets_the_next_free_part_of_each_range() -> None:
    both = ranges("10.244.0.0/16,fd00:1::/56")
    assert both.allocate("a") == ["10.244.0.0/24", "fd00:1::/64"]
    assert both.allocate("b") == ["10.244.1.0/24", "fd00:1:0:1::/64"]
    assert both.allocate("a") == ["10.244.0.0/24", "fd00:1::/64"]
    both.release("a")
    assert both.allocate("c") == ["10.244.2.0/24", "fd00:1:0:2::/64"]


def test_what_is_given_back_or_held_by_others_counts() -> None:
    few = ranges("10.0.0.0/30", mask=32)
    few.occupy("own", ["10.0.0.1/32"])
    assert [few.allocate(name) for name in "abc"] == [["10.0.0.0/32"], ["10.0.0.2/32"], ["10.0.0.3/32"]]
    with pytest.raises(NoneLeft, match="there are no remaining CIDRs left to allocate in the accepted range"):
        few.allocate("d")
    few.release("b")
    assert few.allocate("d") == ["10.0.0.2/32"]


def test_a_node_that_came_before_the_controller_and_has_nothing_is_given_something() -> None:
    some = ranges("10.244.0.0/16")
    some.occupy("old", [])
    assert some.allocate("old") == ["10.244.0.0/24"]


def test_ranges_of_services_are_never_given_to_nodes() -> None:
    options = node_ranges(networks("10.0.0.0/22", "cluster-cidr"))
    kept = NodeRanges(options, [ip_network("10.0.0.0/23"), ip_network("fd00::/108")])
    assert [kept.allocate("a"), kept.allocate("b")] == [["10.0.2.0/24"], ["10.0.3.0/24"]]


def test_a_range_of_elsewhere_is_refused() -> None:
    with pytest.raises(NotOurs, match=r"cidr 192.168.0.0/24 is out the range of cluster cidr 10.244.0.0/16"):
        ranges("10.244.0.0/16").occupy("a", ["192.168.0.0/24"])
    with pytest.raises(NotOurs, match="at index:1 that does not exist in cluster cidrs configuration"):
        ranges("10.244.0.0/16").occupy("a", ["10.244.0.0/24", "fd00::/64"])


@pytest.mark.parametrize(
    ("cidrs", "masks", "message"),
    [
        ("10.0.0.0/16,10.1.0.0/16", {}, "not configured as dual stack"),
        ("10.0.0.0/16,fd00::/56", {"mask": 24}, "--node-cidr-mask-size is not allowed with dual-stack"),
        ("10.0.0.0/16", {"mask": 24, "mask_ipv4": 24}, "please unset it"),
        ("10.0.0.0/16", {"mask_ipv6": 64}, "mask-size-ipv6 is not allowed for a single-stack IPv4"),
        ("10.0.0.0/24", {"mask": 20}, "mask size of cluster CIDR must be less than or equal"),
        ("fd00::/32", {}, "the node CIDR size is too big"),
        ("nonsense", {}, "--cluster-cidr: 'nonsense' does not appear to be"),
    ],
)
def test_options_that_contradict_each_other_are_refused(cidrs: str, masks: dict[str, int], message: str) -> None:
    with pytest.raises(BadNetwork, match=message):
        ranges(cidrs, **masks)


def node(name: str, **spec: Any) -> core_v1.Node:
    return msgspec.convert({"metadata": {"name": name}, "spec": spec}, core_v1.Node)


TWO = NetworkOptions(node_ranges=node_ranges(networks("10.244.0.0/23", "cluster-cidr")))


@pytest.mark.cluster(nodes=1, network=TWO)
async def test_a_node_without_a_range_gets_one_and_gives_it_back(cluster: Cluster) -> None:
    await cluster.settle()
    await cluster.apply(node("late"))
    await cluster.settle(quiet=5)
    assert (await cluster.client.get(core_v1.Node, "late")).spec.pod_cidrs == ["10.244.1.0/24"]
    later = await cluster.apply(node("later"))
    await cluster.settle(quiet=5)
    assert (await cluster.get(later)).spec.pod_cidrs == []
    events = (await cluster.client.list(core_v1.Event, "default")).items
    told = {(one.source.component, one.message) for one in events if one.reason == "CIDRNotAvailable"}
    assert told == {("cidrAllocator", "Node later status is now: CIDRNotAvailable")}
    await cluster.client.delete(core_v1.Node, "late", None)
    await cluster.clock.advance(120)
    assert (await cluster.get(later)).spec.pod_cidrs == ["10.244.1.0/24"]


async def test_without_ranges_nothing_is_given(cluster: Cluster) -> None:
    late = await cluster.apply(node("late"))
    await cluster.settle(quiet=5)
    assert (await cluster.get(late)).spec.pod_cidr == ""


def test_the_part_of_a_node_that_chose_it_before_stays_reserved_when_the_node_is_gone() -> None:
    kept = NodeRanges(node_ranges(networks("10.0.0.0/23", "cluster-cidr")), [ip_network("10.0.0.0/24")])
    kept.occupy("own", ["10.0.0.0/24"])
    kept.release("own")
    assert kept.allocate("a") == ["10.0.1.0/24"]
    with pytest.raises(NoneLeft):
        kept.allocate("b")
