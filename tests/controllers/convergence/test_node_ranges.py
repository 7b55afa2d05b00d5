"""Nodes: each has a range of pods' addresses that nobody else has, and knows how long it may keep what it has read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from ipaddress import ip_network

from controllers.convergence.histories import History, properties
from controllers.convergence.world import Step, World
from pybernetes.api.models import core_v1
from pybernetes.controllers.network_options import NetworkOptions, NodeRange
from pybernetes.controllers.node_ttl import TTL

PARTS = 8
NETWORK = NetworkOptions(node_ranges=(NodeRange(ip_network("10.244.0.0/21"), 24),))


async def bring_ranges(world: World) -> None:
    """Two nodes were there before the controllers, with ranges of their own."""
    for number in (0, 3):
        cidr = f"10.244.{number}.0/24"
        await world.create(core_v1.Node, f"old-{number}", spec={"podCIDR": cidr, "podCIDRs": [cidr]})


async def create_node(world: World) -> None:
    await world.create(core_v1.Node, f"node-{world.random.randrange(12)}")


async def delete_node(world: World) -> None:
    node = world.pick(core_v1.Node)
    if node is not None:
        await world.delete(node)


async def relabel_node(world: World) -> None:
    node = world.pick(core_v1.Node)
    if node is not None:
        await world.patch(node, {"metadata": {"labels": {"number": str(world.random.randrange(9))}}})


def ranges_are_their_own(world: World, step: Step) -> None:
    if not isinstance(step.new, core_v1.Node) or not step.new.spec.pod_cidrs:
        return
    [cidr] = step.new.spec.pod_cidrs
    if not ip_network(cidr).subnet_of(ip_network("10.244.0.0/21")):
        world.complain(f"{step.new.metadata.name} has {cidr}, which is not of this cluster")
    users = [node.metadata.name for node in world.all(core_v1.Node) if cidr in node.spec.pod_cidrs]
    if len(users) > 1:
        world.complain(f"{users} have {cidr}")


def everybody_has_a_range(world: World) -> Iterable[str]:
    nodes = world.all(core_v1.Node)
    without = [node.metadata.name for node in nodes if not node.spec.pod_cidrs]
    if len(without) != max(0, len(nodes) - PARTS):
        yield f"{without} of {len(nodes)} nodes have no range"


test_nodes_get_ranges, test_nodes_get_ranges_nightly, test_nodes_get_ranges_in_all_troubles = properties(
    History(
        controllers=("node-ipam-controller",),
        network=NETWORK,
        begin=bring_ranges,
        actions={create_node: 8, delete_node: 4, relabel_node: 2},
        always=ranges_are_their_own,
        at_rest=everybody_has_a_range,
    ),
    seeds=1,
)


async def begin_at_a_bound(world: World) -> None:
    for number in range(96):
        await world.create(core_v1.Node, f"node-{number}")


async def grow(world: World) -> None:
    for _ in range(world.random.randrange(6)):
        await world.create(core_v1.Node, f"node-{world.random.randrange(110)}")


async def shrink(world: World) -> None:
    for _ in range(world.random.randrange(6)):
        await delete_node(world)


async def spoil(world: World) -> None:
    node = world.pick(core_v1.Node)
    if node is not None:
        await world.patch(node, {"metadata": {"annotations": {TTL: world.random.choice((None, "7"))}}})


def all_know_how_long(world: World) -> Iterable[str]:
    """Between 90 and 100 nodes either is right, if it is the same for all."""
    nodes = world.all(core_v1.Node)
    said = Counter(node.metadata.annotations.get(TTL) for node in nodes)
    allowed = {"0"} if len(nodes) < 90 else {"15"} if len(nodes) > 100 else {"0", "15"}
    if len(said) > 1 or not said.keys() <= allowed:
        yield f"{len(nodes)} nodes say {dict(said)}"


test_nodes_know_how_long, test_nodes_know_how_long_nightly, test_nodes_know_how_long_in_all_troubles = properties(
    History(
        controllers=("ttl-controller",),
        begin=begin_at_a_bound,
        actions={grow: 4, shrink: 4, spoil: 2},
        at_rest=all_know_how_long,
        steps=15,
    ),
    seeds=1,
    nightly=10,
)
