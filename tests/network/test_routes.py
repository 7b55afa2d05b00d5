"""Routes to other nodes' pods: which are wanted, what changes, and what happens when the kernel refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from random import Random
from typing import Any

import msgspec
import pytest

from pybernetes.api.models.core_v1 import Node
from pybernetes.client import Informers
from pybernetes.network.command import CommandFailed
from pybernetes.network.routes import Changes, NodeRoutes, Route, changes, wanted_routes
from pybernetes.testing.cluster import Cluster

NEAR, FAR = Route("10.244.1.0/24", "192.0.2.1"), Route("10.244.2.0/24", "192.0.2.2")


def node(name: str, *addresses: str, cidrs: tuple[str, ...] = ()) -> Node:
    document: dict[str, Any] = {
        "metadata": {"name": name},
        "spec": {"podCIDRs": list(cidrs), "podCIDR": cidrs[0] if cidrs else ""},
        "status": {"addresses": [{"type": "InternalIP", "address": one} for one in addresses]},
    }
    return msgspec.convert(document, Node)


OWN = node("own", "192.0.2.9", cidrs=("10.244.0.0/24",))


def test_each_range_of_another_node_has_a_route_over_its_address_of_the_family() -> None:
    other = node("other", "192.0.2.1", "2001:db8::1", cidrs=("10.244.1.0/24", "fd00:0:0:1::/64"))
    assert wanted_routes([OWN, other], "own") == {NEAR, Route("fd00:0:0:1::/64", "2001:db8::1")}


@pytest.mark.parametrize(
    "other",
    [
        node("without-a-range", "192.0.2.1"),
        node("pretended", "127.0.0.1", cidrs=("10.244.1.0/24",)),
        node("on-this-machine", "192.0.2.9", cidrs=("10.244.1.0/24",)),
        node("of-another-family", "2001:db8::1", cidrs=("10.244.1.0/24",)),
    ],
)
def test_nodes_that_need_none_have_no_route(other: Node) -> None:
    assert wanted_routes([OWN, other], "own") == frozenset()


def test_a_route_over_a_new_gateway_replaces_the_old_one() -> None:
    moved = Route(NEAR.cidr, "192.0.2.7")
    assert changes([NEAR, FAR], [moved]) == Changes(remove=(FAR,), add=(moved,))
    assert changes([NEAR], [NEAR]) == Changes()


class Table:
    def __init__(self, refused: str = "") -> None:
        self.routes: dict[str, Route] = {}
        self.refused = refused

    async def present(self) -> Collection[Route]:
        return list(self.routes.values())

    async def add(self, route: Route) -> None:
        if route.cidr == self.refused:
            raise CommandFailed(["ip"], 2, "Nexthop has invalid gateway")
        self.routes[route.cidr] = route

    async def remove(self, route: Route) -> None:
        del self.routes[route.cidr]


@pytest.mark.cluster(nodes=0)
async def test_routes_follow_the_nodes_and_one_that_is_refused_does_not_stop_the_others(cluster: Cluster) -> None:
    table = Table(refused=NEAR.cidr)
    informers = Informers(cluster.client, Random(0))
    routes = NodeRoutes(informers.get(Node), "own", table)
    for one in (
        OWN,
        node("near", "192.0.2.1", cidrs=(NEAR.cidr,)),
        node("far", "192.0.2.2", cidrs=(FAR.cidr,)),
    ):
        await cluster.client.update_status(msgspec.structs.replace(await cluster.apply(one), status=one.status))
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(informers.run()), tasks.create_task(routes.run())]
        await cluster.clock.advance(5)
        assert table.routes == {FAR.cidr: FAR}
        table.refused = ""
        await cluster.clock.advance(31)
        assert table.routes == {NEAR.cidr: NEAR, FAR.cidr: FAR}
        await cluster.client.delete(Node, "far", None)
        await cluster.clock.advance(5)
        assert table.routes == {NEAR.cidr: NEAR}
        for task in running:
            task.cancel()
