"""Without metrics an autoscaler keeps what it scales within its bounds, says why it does no more, and is quiet."""

from __future__ import annotations

from collections.abc import Iterable

from controllers.convergence import hands
from controllers.convergence.histories import History, properties
from controllers.convergence.replicas import template
from controllers.convergence.world import World
from pybernetes.api import meta
from pybernetes.api.models import apps_v1, autoscaling_v2

LOOKS = 2000
"""Every 15 seconds the scale and the metrics of each are asked for."""


async def create(world: World) -> None:
    labels = {"matchLabels": {"app": "web"}}
    spec = {"replicas": 3, "selector": labels, "template": template("web")}
    await world.create(apps_v1.ReplicaSet, "web", spec=spec)


async def create_autoscaler(world: World) -> None:
    target = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web"}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 5}
    await world.create(autoscaling_v2.HorizontalPodAutoscaler, "web", spec=spec)


async def scale(world: World) -> None:
    one = world.pick(apps_v1.ReplicaSet)
    if one is not None:
        await world.patch(one, {"spec": {"replicas": world.random.randrange(1, 9)}})


async def change_bounds(world: World) -> None:
    one = world.pick(autoscaling_v2.HorizontalPodAutoscaler)
    if one is not None:
        least = world.random.randrange(1, 4)
        await world.patch(one, {"spec": {"minReplicas": least, "maxReplicas": least + 2}})


def at_rest(world: World) -> Iterable[str]:
    target = world.get(apps_v1.ReplicaSet, "web")
    one = world.get(autoscaling_v2.HorizontalPodAutoscaler, "web")
    if target is None or one is None:
        return
    replicas, least = target.spec.replicas or 0, one.spec.min_replicas or 1
    if not least <= replicas <= one.spec.max_replicas:
        yield f"{replicas} replicas are not within {least} to {one.spec.max_replicas}"
    if one.status.current_replicas != replicas:
        yield f"it says {one.status.current_replicas} of {replicas}"
    if not meta.is_true(one.status, "AbleToScale"):
        yield f"it says {one.status.conditions}"


async def begin(world: World) -> None:
    await hands.add_node(world)
    await create(world)


(
    test_an_autoscaler_keeps_its_bounds,
    test_an_autoscaler_keeps_its_bounds_nightly,
    test_an_autoscaler_keeps_its_bounds_in_all_troubles,
) = properties(
    History(
        controllers=("horizontal-pod-autoscaler-controller", "replicaset-controller"),
        begin=begin,
        actions={create: 1, create_autoscaler: 2, scale: 2, change_bounds: 1, hands.steps: 5},
        at_rest=at_rest,
        reads_at_rest=LOOKS,
    ),
    seeds=1,
)
