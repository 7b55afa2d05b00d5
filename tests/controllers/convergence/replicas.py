"""The history that ReplicaSets and ReplicationControllers share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from controllers.convergence import hands
from controllers.convergence.histories import History
from controllers.convergence.world import Step, World
from pybernetes.api import meta
from pybernetes.api.models import core_v1

NAMES = ("one", "two")
LAG = 200.0
"""How long a controller may not have heard of a change: the longest back-off of a watch, a few times over."""


def template(name: str, image: str = "busybox", **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": image}
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **spec}}


def owned(world: World, owner: Any) -> list[core_v1.Pod]:
    return [pod for pod in world.all(core_v1.Pod) if meta.is_controlled_by(pod, owner)]


def orphans(world: World, *owners: type[Any]) -> Iterable[str]:
    """Pods whose controller is gone: `owners` are the kinds that may be one."""
    uids = {one.metadata.uid for model in owners for one in world.all(model)}
    for pod in world.all(core_v1.Pod):
        controller = meta.controller_of(pod)
        if controller is not None and controller.uid not in uids:
            yield f"pod {pod.metadata.name} has lost its {controller.kind} {controller.name}"


class Most:
    """The most replicas that an object of a world wanted within the time that news may take."""

    def __init__(self) -> None:
        self._wanted: WeakKeyDictionary[World, dict[str, list[tuple[float, int]]]] = WeakKeyDictionary()

    def note(self, world: World, owner: Any, replicas: int) -> None:
        known = self._wanted.setdefault(world, {})
        known.setdefault(owner.metadata.uid, []).append((world.clock.monotonic(), replicas))

    def of(self, world: World, uid: str) -> int:
        known = self._wanted.get(world, {}).get(uid, [])
        horizon = world.clock.monotonic() - LAG
        recent = [replicas for time, replicas in known if time >= horizon]
        before = [replicas for time, replicas in known if time < horizon][-1:]
        return max([*recent, *before], default=0)


def history_of(model: type[Any], controller: str, selector: dict[str, Any]) -> History:
    most = Most()

    def selecting(name: str) -> dict[str, Any]:
        return {"matchLabels": {"app": name}} if "matchLabels" in selector else {"app": name}

    async def create(world: World) -> None:
        name = world.random.choice(NAMES)
        spec = {"replicas": world.random.randrange(7), "selector": selecting(name), "template": template(name)}
        spec["minReadySeconds"] = world.random.choice((0, 0, 5))
        await world.create(model, name, spec=spec)

    async def scale(world: World) -> None:
        one = world.pick(model)
        if one is not None:
            await world.patch(one, {"spec": {"replicas": world.random.randrange(9)}})

    async def delete(world: World) -> None:
        one = world.pick(model)
        if one is not None:
            await world.delete(one, propagation="Background")

    def always(world: World, step: Step) -> None:
        if isinstance(step.new, model):
            most.note(world, step.new, step.new.spec.replicas or 0)
        if step.old is not None or not isinstance(step.new, core_v1.Pod):
            return
        owner = meta.controller_of(step.new)
        if owner is None:
            return
        active = [one for one in world.all(core_v1.Pod) if hands.is_active(one) and _uid(one) == owner.uid]
        allowed = most.of(world, owner.uid) + world.allowance
        if len(active) > allowed:
            world.complain(f"{owner.name} has {len(active)} active pods, {allowed} are allowed")

    def at_rest(world: World) -> Iterable[str]:
        yield from orphans(world, model)
        for one in world.all(model):
            pods = [pod for pod in owned(world, one) if hands.is_active(pod)]
            wanted, status = one.spec.replicas, one.status
            said = (status.replicas, status.ready_replicas, status.available_replicas, status.observed_generation)
            if len(pods) != wanted:
                yield f"{one.metadata.name} has {len(pods)} pods of {wanted}"
            if said != (wanted, wanted, wanted, one.metadata.generation):
                yield f"{one.metadata.name} says {said} of {wanted}"
            if any(pod.metadata.labels.get("app") != one.metadata.name for pod in pods):
                yield f"{one.metadata.name} keeps a pod that does not match"
            if status.conditions:
                yield f"{one.metadata.name} still says {status.conditions}"

    async def begin(world: World) -> None:
        for _ in range(2):
            await hands.add_node(world)

    actions = {create: 3, scale: 4, delete: 1, hands.strip_labels: 1, hands.orphan_pod: 1, **hands.PODS_LIVES}
    return History(
        controllers=(controller,),
        begin=begin,
        actions=actions,
        always=always,
        at_rest=at_rest,
    )


def _uid(pod: core_v1.Pod) -> str:
    owner = meta.controller_of(pod)
    return owner.uid if owner is not None else ""
