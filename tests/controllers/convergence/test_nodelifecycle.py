"""Nodes that fall silent are said to be unknown and are tainted; nodes that are heard of are left in peace."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from controllers.convergence import hands
from controllers.convergence.histories import History, properties
from controllers.convergence.replicas import template
from controllers.convergence.world import Step, World
from pybernetes.api import meta
from pybernetes.api.errors import ApiError
from pybernetes.api.models import coordination_v1, core_v1
from pybernetes.controllers.node_conditions import NOT_READY, UNREACHABLE, UNSCHEDULABLE
from pybernetes.controllers.node_zones import ZoneState, state_of

NAMES = tuple(f"node-{number}" for number in range(7))
HEARTBEAT = 10.0
LONG_HEARD = 120.0
"""Seconds after which even a controller whose watch was cut must have heard of a node."""
Node = core_v1.Node


@dataclass
class Silence:
    since: dict[str, float] = field(default_factory=dict)
    """Who has fallen silent, and when."""
    heard_since: dict[str, float] = field(default_factory=dict)


_silences: WeakKeyDictionary[World, Silence] = WeakKeyDictionary()


def silence_in(world: World) -> Silence:
    return _silences.setdefault(world, Silence())


async def heartbeats(world: World) -> None:
    """What kubelets do: a lease, and a status where theirs was overwritten."""
    while True:
        for node in world.all(Node):
            if node.metadata.name not in silence_in(world).since:
                await _heartbeat(world, node)
        await asyncio.sleep(HEARTBEAT)


async def _heartbeat(world: World, node: Node) -> None:
    name, now = node.metadata.name, world.clock.now()
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": meta.format_micro_time(now)}
    leases = world.client.of(coordination_v1.Lease)
    try:
        await leases.patch(name, "kube-node-lease", {"spec": spec})
    except ApiError as error:
        if error.code != 404:
            raise
        await world.create(coordination_v1.Lease, name, "kube-node-lease", spec=spec)
    if meta.condition(node.status, "Ready") is None or not meta.is_true(node.status, "Ready"):
        stated = {"type": "Ready", "status": "True", "lastHeartbeatTime": meta.format_time(now)}
        await world.patch(node, {"conditions": [stated]}, status=True)


async def create_node(world: World) -> None:
    name = world.random.choice(NAMES)
    if world.get(Node, name, "") is None:
        _hear(world, name)
    await world.create(Node, name)


async def delete_node(world: World) -> None:
    node = world.pick(Node)
    if node is not None and len(world.all(Node)) > 3:
        await world.delete(node)


async def fall_silent(world: World) -> None:
    node = world.pick(Node)
    if node is not None:
        silence_in(world).since.setdefault(node.metadata.name, world.clock.monotonic())
        silence_in(world).heard_since.pop(node.metadata.name, None)


async def speak_again(world: World) -> None:
    silent = sorted(silence_in(world).since)
    if silent:
        _hear(world, world.random.choice(silent))


def _hear(world: World, name: str) -> None:
    silence_in(world).since.pop(name, None)
    silence_in(world).heard_since[name] = world.clock.monotonic()


async def cordon(world: World) -> None:
    node = world.pick(Node)
    if node is not None:
        await world.patch(node, {"spec": {"unschedulable": not node.spec.unschedulable}})


async def create_pod(world: World) -> None:
    await world.create(core_v1.Pod, f"pod-{world.random.randrange(12)}", spec=template("x")["spec"])


async def run_pods(world: World) -> bool:
    """Kubelets that are heard of look after their pods."""
    moved = False
    for pod in world.all(core_v1.Pod):
        if pod.spec.node_name not in silence_in(world).since:
            moved |= await hands.step_of(world, pod)
    return moved


async def run_pods_once(world: World) -> None:
    await run_pods(world)


def always(world: World, step: Step) -> None:
    """A node that is heard of, and has been for long, keeps its pods."""
    if not isinstance(step.new, Node) or not isinstance(step.old, Node):
        return
    name = step.new.metadata.name
    heard = silence_in(world).heard_since.get(name)
    long_heard = heard is not None and world.clock.monotonic() - heard > LONG_HEARD
    if long_heard and _executing(step.new) - _executing(step.old):
        world.complain(f"{name} was heard of and is to lose its pods: {step.new.spec.taints}")


def _executing(node: Node) -> set[str]:
    return {taint.key for taint in node.spec.taints if taint.effect == "NoExecute"}


def at_rest(world: World) -> Iterable[str]:
    silent = silence_in(world).since
    nodes = world.all(Node)
    state = state_of([node.metadata.name not in silent for node in nodes])
    for node in nodes:
        name = node.metadata.name
        ready = meta.condition(node.status, "Ready")
        status = "nothing" if ready is None else ready.status
        keys = {taint.key for taint in node.spec.taints if taint.effect == "NoSchedule"}
        if (UNSCHEDULABLE in keys) != node.spec.unschedulable:
            yield f"{name} is tainted {keys}, unschedulable: {node.spec.unschedulable}"
        if name not in silent:
            if status != "True" or {NOT_READY, UNREACHABLE} & (keys | _executing(node)):
                yield f"{name} is heard of, but {status}, with {node.spec.taints}"
            continue
        if status != "Unknown" or UNREACHABLE not in keys:
            yield f"{name} is silent, but {status}, with {node.spec.taints}"
        if state is ZoneState.NORMAL and _executing(node) != {UNREACHABLE}:
            yield f"{name} is silent and keeps its pods: {node.spec.taints}"
        if state is ZoneState.FULL_DISRUPTION and _executing(node):
            yield f"{name} is to lose its pods, though no node is heard of"
    for pod in world.all(core_v1.Pod):
        if (
            pod.spec.node_name in silent
            and meta.is_true(pod.status, "Ready")
            and world.get(Node, pod.spec.node_name, "")
        ):
            yield f"{pod.metadata.name} is ready on {pod.spec.node_name}, which is silent"


async def begin(world: World) -> None:
    await world.create(core_v1.Namespace, "kube-node-lease")
    for name in NAMES[:5]:
        _hear(world, name)
        await world.create(Node, name)


test_silent_nodes_are_found, test_silent_nodes_are_found_nightly, test_silent_nodes_are_found_in_all_troubles = (
    properties(
        History(
            controllers=("node-lifecycle-controller",),
            begin=begin,
            meanwhile=heartbeats,
            actions={
                create_node: 2,
                delete_node: 1,
                fall_silent: 2,
                speak_again: 3,
                cordon: 1,
                create_pod: 3,
                run_pods_once: 6,
            },
            always=always,
            at_rest=at_rest,
            drive=run_pods,
        ),
        seeds=1,
    )
)
