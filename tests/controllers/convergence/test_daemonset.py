"""Daemon sets have one pod on every node that wants one, and none elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from controllers.convergence import hands
from controllers.convergence.histories import History, properties
from controllers.convergence.replicas import orphans, owned, template
from controllers.convergence.world import Step, World
from pybernetes.api import meta
from pybernetes.api.models import apps_v1, core_v1


async def create(world: World) -> None:
    name = world.random.choice(("one", "two"))
    selector = {"nodeSelector": {"disk": "fast"}} if name == "two" else {}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template(name, **selector)}
    await world.create(apps_v1.DaemonSet, name, spec=spec)


async def roll(world: World) -> None:
    one = world.pick(apps_v1.DaemonSet)
    if one is not None:
        containers = [{"name": "main", "image": f"busybox:{world.random.randrange(3)}"}]
        await world.patch(one, {"spec": {"template": {"spec": {"containers": containers}}}})


async def delete(world: World) -> None:
    one = world.pick(apps_v1.DaemonSet)
    if one is not None:
        await world.delete(one, propagation="Background")


async def label_node(world: World) -> None:
    node = world.pick(core_v1.Node)
    if node is not None:
        await world.patch(node, {"metadata": {"labels": {"disk": world.random.choice((None, "fast"))}}})


async def taint_node(world: World) -> None:
    node = world.pick(core_v1.Node)
    if node is not None:
        taint = {"key": "away", "effect": world.random.choice(("NoSchedule", "NoExecute"))}
        await world.patch(node, {"spec": {"taints": world.random.choice((None, [taint]))}})


def always(world: World, step: Step) -> None:
    """A new pod stands alone on its node; only one that is ending may be beside it."""
    pod = step.new
    if step.old is not None or not isinstance(pod, core_v1.Pod) or meta.controller_of(pod) is None:
        return
    active = Counter(
        hands.wanted_node(one)
        for one in world.all(core_v1.Pod)
        if hands.is_active(one)
        and one.metadata.labels.get("app") == pod.metadata.labels["app"]
        and meta.controller_of(one) == meta.controller_of(pod)
    )
    if active[hands.wanted_node(pod)] > 1 + world.allowance:
        world.complain(f"{active[hands.wanted_node(pod)]} pods of {pod.metadata.labels['app']} on one node")


def at_rest(world: World) -> Iterable[str]:
    yield from orphans(world, apps_v1.DaemonSet)
    for one in world.all(apps_v1.DaemonSet):
        wanted = sorted(node.metadata.name for node in world.all(core_v1.Node) if _wants(one, node))
        pods = [pod for pod in owned(world, one) if hands.is_active(pod)]
        # Pods that do not tolerate a taint that only keeps newcomers away may stay.
        welcome = {node.metadata.name for node in world.all(core_v1.Node) if _bears(one, node)}
        placed = sorted(pod.spec.node_name for pod in pods)
        if len(placed) != len(set(placed)) or not set(wanted) <= set(placed) <= welcome:
            yield f"{one.metadata.name} is on {placed}, wanted on {wanted}"
        images = {pod.spec.containers[0].image for pod in pods if pod.spec.node_name in wanted}
        if images - {one.spec.template.spec.containers[0].image}:
            yield f"{one.metadata.name} still runs {images}"
        status = one.status
        said = (status.desired_number_scheduled, status.current_number_scheduled, status.number_ready)
        if said != (len(wanted),) * 3 or status.observed_generation != one.metadata.generation:
            yield f"{one.metadata.name} says {said} of {len(wanted)}, misscheduled {status.number_misscheduled}"


def _bears(one: apps_v1.DaemonSet, node: core_v1.Node) -> bool:
    selector = one.spec.template.spec.node_selector
    chosen = selector.items() <= node.metadata.labels.items()
    return chosen and not any(taint.effect == "NoExecute" for taint in node.spec.taints)


def _wants(one: apps_v1.DaemonSet, node: core_v1.Node) -> bool:
    return _bears(one, node) and not any(taint.key == "away" for taint in node.spec.taints)


async def begin(world: World) -> None:
    for _ in range(3):
        await hands.add_node(world)


test_a_daemon_set_converges, test_a_daemon_set_converges_nightly, test_a_daemon_set_converges_in_all_troubles = (
    properties(
        History(
            controllers=("daemonset-controller",),
            begin=begin,
            actions={
                create: 3,
                roll: 2,
                delete: 1,
                label_node: 2,
                taint_node: 1,
                hands.add_node: 2,
                hands.lose_node: 1,
                hands.strip_labels: 1,
                **hands.PODS_LIVES,
            },
            always=always,
            at_rest=at_rest,
            drive=hands.with_pods_of_lost_nodes,
        )
    )
)
