"""Routes from this node to the pods of others, on a network that nobody else manages.

Guarantees
  For each range of pods of another node there is one route, over that node's address of the same family. Routes that
  are not wanted any more go; routes that are not of this cluster's pods, or that somebody else made, are never touched.
  A route that the kernel refuses (its gateway is not on a link) is told and tried again; the others are made.
Assumes  Nodes are neighbours on one network; ranges of different clusters on a machine do not overlap.
Follows  staging/src/k8s.io/cloud-provider/controllers/route, on the node itself instead of in a cloud.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Protocol

from pybernetes.api.models.core_v1 import Node
from pybernetes.client import Informer
from pybernetes.network.command import run
from pybernetes.network.keeping import Keeper, made_equal

OWN_PROTOCOL = "85"
"""The mark of routes made here, as routing daemons have theirs."""


@dataclass(frozen=True, slots=True, order=True)
class Route:
    cidr: str
    gateway: str


@dataclass(frozen=True, slots=True)
class Changes:
    remove: tuple[Route, ...] = ()
    add: tuple[Route, ...] = ()


class RouteTable(Protocol):
    """Where routes go."""

    async def present(self) -> Collection[Route]: ...
    async def add(self, route: Route) -> None: ...
    async def remove(self, route: Route) -> None: ...


def wanted_routes(nodes: Iterable[Node], own: str) -> frozenset[Route]:
    """Nodes on this machine share its address, or have one that leads nowhere else: they need no route."""
    nodes = list(nodes)
    here = {address for node in nodes if node.metadata.name == own for address in _addresses(node)}
    return frozenset(
        Route(cidr, gateway)
        for node in nodes
        if node.metadata.name != own and node.metadata.deletion_timestamp is None
        for cidr in node.spec.pod_cidrs
        if (gateway := _gateway(node, ip_network(cidr).version)) is not None and gateway not in here
    )


def changes(present: Collection[Route], wanted: Collection[Route]) -> Changes:
    """A range whose gateway changes is replaced, not taken away first."""
    kept = {route.cidr for route in wanted}
    return Changes(
        remove=tuple(sorted(route for route in present if route.cidr not in kept)),
        add=tuple(sorted(set(wanted) - set(present))),
    )


def _gateway(node: Node, version: int) -> str | None:
    return next((one for one in _addresses(node) if _is_usable(one, version)), None)


def _is_usable(address: str, version: int) -> bool:
    ip = ip_address(address)
    return ip.version == version and not ip.is_loopback


def _addresses(node: Node) -> Sequence[str]:
    return [one.address for one in node.status.addresses if one.type == "InternalIP"]


class KernelRoutes:
    """The routes of this machine into the ranges of a cluster's pods, through iproute2."""

    def __init__(self, ranges: Sequence[IPv4Network | IPv6Network]) -> None:
        self._ranges = ranges

    async def present(self) -> Collection[Route]:
        found = []
        for version in sorted({one.version for one in self._ranges}):
            text = await run("ip", f"-{version}", "-json", "route", "show", "proto", OWN_PROTOCOL)
            found += [Route(one["dst"], one.get("gateway", "")) for one in json.loads(text or "[]")]
        return frozenset(route for route in found if self._is_ours(route))

    async def add(self, route: Route) -> None:
        await run("ip", *self._family(route), "route", "replace", *self._words(route), "proto", OWN_PROTOCOL)

    async def remove(self, route: Route) -> None:
        await run("ip", *self._family(route), "route", "delete", *self._words(route), "proto", OWN_PROTOCOL)

    def _is_ours(self, route: Route) -> bool:
        cidr = ip_network(route.cidr) if route.cidr != "default" else None
        return cidr is not None and any(cidr.version == one.version and cidr.overlaps(one) for one in self._ranges)

    def _family(self, route: Route) -> Sequence[str]:
        return (f"-{ip_network(route.cidr).version}",)

    def _words(self, route: Route) -> Sequence[str]:
        return (route.cidr, "via", route.gateway)


class NodeRoutes:
    """Keeps a table equal to what the cluster's nodes say. `run` it in a task."""

    def __init__(self, nodes: Informer[Node], own: str, table: RouteTable) -> None:
        self._nodes = nodes
        self._own = own
        self._table = table
        self._keeper = Keeper(self.sync)
        nodes.on_change(self._node_changed)

    async def run(self) -> None:
        await self._nodes.synced()
        await self._keeper.run()

    async def sync(self) -> bool:
        """Whether all of it could be done."""
        return await made_equal(self._table.present, self._changes, self._table.remove, self._table.add)

    def _changes(self, present: Collection[Route]) -> tuple[Sequence[Route], Sequence[Route]]:
        planned = changes(present, wanted_routes(self._nodes.list(), self._own))
        return planned.remove, planned.add

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        """Most changes of a node are heartbeats."""
        if _facts(old) != _facts(new):
            self._keeper.wake()


def _facts(node: Node | None) -> object:
    return None if node is None else (node.spec.pod_cidrs, _addresses(node), node.metadata.deletion_timestamp)
