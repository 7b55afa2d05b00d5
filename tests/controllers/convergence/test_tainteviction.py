"""Pods leave nodes that send them away, when their patience is over, and no others do."""

from __future__ import annotations

from collections.abc import Iterable

from controllers.convergence import hands
from controllers.convergence.histories import History, properties
from controllers.convergence.replicas import template
from controllers.convergence.world import Step, World
from pybernetes.api.models import core_v1

KEY = "example.com/away"


async def create_pod(world: World) -> None:
    patience = world.random.choice((None, 10, 60, "for ever"))
    toleration = {"key": KEY, "operator": "Exists", "effect": "NoExecute"}
    if isinstance(patience, int):
        toleration["tolerationSeconds"] = patience
    tolerations = [] if patience is None else [toleration]
    labels = {"app": "x", "patience": str(patience).replace(" ", "-")}
    spec = template("x", tolerations=tolerations)["spec"]
    await world.create(core_v1.Pod, f"pod-{world.random.randrange(12)}", metadata={"labels": labels}, spec=spec)


async def taint(world: World) -> None:
    node = world.pick(core_v1.Node)
    if node is not None:
        await world.patch(node, {"spec": {"taints": [{"key": KEY, "effect": "NoExecute"}]}})


async def clear(world: World) -> None:
    node = world.pick(core_v1.Node)
    if node is not None:
        await world.patch(node, {"spec": {"taints": None}})


def always(world: World, step: Step) -> None:
    old, new = step.old, step.new
    if not isinstance(old, core_v1.Pod) or old.metadata.deletion_timestamp is not None:
        return
    if (new is None or new.metadata.deletion_timestamp is not None) and old.metadata.labels["patience"] == "for-ever":
        world.complain(f"{old.metadata.name} was sent away, which it tolerates for ever")


def at_rest(world: World) -> Iterable[str]:
    tainted = {node.metadata.name for node in world.all(core_v1.Node) if node.spec.taints}
    for pod in world.all(core_v1.Pod):
        if pod.spec.node_name in tainted and pod.metadata.labels["patience"] != "for-ever":
            yield f"{pod.metadata.name} is still on {pod.spec.node_name}"


async def settle(world: World) -> bool:
    """No pod is bound to a node that sends it away, as long as it is so."""
    moved = False
    for pod in world.all(core_v1.Pod):
        if pod.spec.node_name:
            moved |= await hands.step_of(world, pod)
    return moved


async def begin(world: World) -> None:
    for _ in range(3):
        await hands.add_node(world)


test_taints_send_pods_away, test_taints_send_pods_away_nightly, test_taints_send_pods_away_in_all_troubles = properties(
    History(
        controllers=("taint-eviction-controller",),
        begin=begin,
        actions={create_pod: 5, taint: 1, clear: 1, hands.steps: 6},
        always=always,
        at_rest=at_rest,
        drive=settle,
    )
)
