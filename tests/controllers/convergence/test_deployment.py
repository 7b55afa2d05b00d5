"""Deployments keep within surge and unavailability while they roll, and end with one full replica set."""

from __future__ import annotations

from collections.abc import Iterable

from controllers.convergence import hands
from controllers.convergence.histories import History, properties
from controllers.convergence.replicas import Most, orphans, template
from controllers.convergence.world import Step, World
from pybernetes.api import meta
from pybernetes.api.models import apps_v1, core_v1
from pybernetes.controllers.deployment_revisions import REVISION

NAMES = ("one", "two")
SURGE, UNAVAILABLE = 2, 1
CONTROLLERS = ("deployment-controller", "replicaset-controller")
most = Most()


async def create(world: World) -> None:
    name = world.random.choice(NAMES)
    await world.create(
        apps_v1.Deployment,
        name,
        spec={
            "replicas": world.random.randrange(2, 7),
            "selector": {"matchLabels": {"app": name}},
            "template": template(name),
            "strategy": {"rollingUpdate": {"maxSurge": SURGE, "maxUnavailable": UNAVAILABLE}},
        },
    )


async def scale(world: World) -> None:
    one = world.pick(apps_v1.Deployment)
    if one is not None:
        await world.patch(one, {"spec": {"replicas": world.random.randrange(8)}})


async def roll(world: World) -> None:
    """To one of three images, so that rolls overtake each other and return to what was there."""
    one = world.pick(apps_v1.Deployment)
    if one is not None:
        changed = template(one.metadata.name, f"busybox:{world.random.randrange(3)}")
        await world.patch(one, {"spec": {"template": changed}})


async def pause(world: World) -> None:
    one = world.pick(apps_v1.Deployment)
    if one is not None:
        await world.patch(one, {"spec": {"paused": not one.spec.paused}})


async def delete(world: World) -> None:
    one = world.pick(apps_v1.Deployment)
    if one is not None:
        await world.delete(one, propagation="Background")


async def delete_replica_set(world: World) -> None:
    one = world.pick(apps_v1.ReplicaSet)
    if one is not None:
        world.slack += one.status.replicas + (one.spec.replicas or 0)
        await world.delete(one, propagation="Background")


async def resume_all(world: World) -> bool:
    for one in world.all(apps_v1.Deployment):
        if one.spec.paused:
            await world.patch(one, {"spec": {"paused": False}})
    return await hands.finish_all(world)


def always(world: World, step: Step) -> None:
    if isinstance(step.new, apps_v1.Deployment):
        most.note(world, step.new, step.new.spec.replicas or 0)
    if not isinstance(step.new, apps_v1.ReplicaSet):
        return
    # What is asked of replica sets, as upstream counts: pods that one has not yet taken away may come on top.
    owner = meta.controller_of(step.new)
    deployment = world.get(apps_v1.Deployment, owner.name) if owner is not None else None
    if deployment is not None and step.old is not None and _grew(step.old, step.new):
        sets = [one for one in world.all(apps_v1.ReplicaSet) if meta.is_controlled_by(one, deployment)]
        asked = sum(one.spec.replicas or 0 for one in sets)
        allowed = most.of(world, deployment.metadata.uid) + SURGE + world.allowance
        if asked > allowed:
            world.complain(f"{deployment.metadata.name} asks for {asked} pods, {allowed} are allowed")


def _grew(old: apps_v1.ReplicaSet, new: apps_v1.ReplicaSet) -> bool:
    return (new.spec.replicas or 0) > (old.spec.replicas or 0)


def stays_available(world: World, step: Step) -> None:
    """For histories in which only the deployment takes pods away."""
    always(world, step)
    if not isinstance(step.old, core_v1.Pod) or not _available(step.old):
        return
    if step.new is None or not _available(step.new):
        deployment, pods = _family(world, step.old)
        least = _least(deployment) - world.allowance if deployment is not None else 0
        available = sum(map(_available, pods))
        if available < least:
            world.complain(f"{available} pods are left available, {least} are to be")


def _least(deployment: apps_v1.Deployment) -> int:
    return (deployment.spec.replicas or 0) - UNAVAILABLE


def _available(pod: core_v1.Pod) -> bool:
    return hands.is_active(pod) and meta.is_true(pod.status, "Ready")


def _family(world: World, pod: core_v1.Pod) -> tuple[apps_v1.Deployment | None, list[core_v1.Pod]]:
    name = pod.metadata.labels.get("app", "")
    deployment = world.get(apps_v1.Deployment, name)
    if deployment is None:
        return None, []
    sets = {one.metadata.uid for one in world.all(apps_v1.ReplicaSet) if meta.is_controlled_by(one, deployment)}
    return deployment, [
        one
        for one in world.all(core_v1.Pod)
        if (owner := meta.controller_of(one)) is not None and owner.uid in sets and hands.is_active(one)
    ]


def at_rest(world: World) -> Iterable[str]:
    yield from orphans(world, apps_v1.ReplicaSet)
    for one in world.all(apps_v1.Deployment):
        name, wanted, status = one.metadata.name, one.spec.replicas or 0, one.status
        sets = [each for each in world.all(apps_v1.ReplicaSet) if meta.is_controlled_by(each, one)]
        full = [each for each in sets if each.spec.replicas]
        if len(full) != (wanted > 0) or sum(each.spec.replicas or 0 for each in full) != wanted:
            yield f"{name} has {[each.spec.replicas for each in sets]} of {wanted}"
        if len(sets) - len(full) > 11:
            yield f"{name} keeps {len(sets)} replica sets"
        images = {pod.spec.containers[0].image for pod in _family_of(world, one)}
        if images - {_image(one)}:
            yield f"{name} still runs {images}"
        said = (status.replicas, status.updated_replicas, status.ready_replicas, status.available_replicas)
        if (
            said != (wanted,) * 4
            or status.unavailable_replicas
            or status.observed_generation != one.metadata.generation
        ):
            yield f"{name} says {said} of {wanted}, generation {status.observed_generation}"
        if not meta.is_true(status, "Available"):
            yield f"{name} says it is not available"
        yield from _wrong_revisions(one, sets)


def _wrong_revisions(one: apps_v1.Deployment, sets: list[apps_v1.ReplicaSet]) -> Iterable[str]:
    """The present revision is above all others, and the Deployment says which it is.

    Two former ones may be equal, upstream's too: the revision of a new ReplicaSet is one more than the highest that the
    informer shows (`getNewReplicaSet` in pkg/controller/deployment/sync.go). While it has not heard yet that a former
    template's ReplicaSet was raised, the next template gets the same number; that is mended only for the present one
    (`SetNewReplicaSetAnnotations`), so it stays if the template changes again before the informer has caught up.
    """
    if not sets:
        return
    *former, present = sorted(int(each.metadata.annotations[REVISION]) for each in sets)
    new = next(each for each in sets if each.metadata.annotations[REVISION] == str(present))
    if present in former or new.spec.template.spec.containers[0].image != _image(one):
        yield f"{one.metadata.name} has revisions {[*former, present]}"
    if one.metadata.annotations.get(REVISION) != str(present):
        yield f"{one.metadata.name} says it is at revision {one.metadata.annotations.get(REVISION)} of {present}"


def _image(one: apps_v1.Deployment) -> str:
    return one.spec.template.spec.containers[0].image


def _family_of(world: World, deployment: apps_v1.Deployment) -> list[core_v1.Pod]:
    return [
        pod
        for pod in world.all(core_v1.Pod)
        if hands.is_active(pod)
        and pod.metadata.owner_references
        and pod.metadata.labels["app"] == deployment.metadata.name
    ]


async def begin(world: World) -> None:
    await hands.add_node(world)


async def begin_full(world: World) -> None:
    await begin(world)
    await create(world)
    await world.clock.advance(60)
    while await hands.finish_all(world):
        await world.clock.advance(10)


test_a_deployment_converges, test_a_deployment_converges_nightly, test_a_deployment_converges_in_all_troubles = (
    properties(
        History(
            controllers=CONTROLLERS,
            begin=begin,
            actions={create: 3, scale: 3, roll: 4, pause: 1, delete: 1, delete_replica_set: 1, **hands.PODS_LIVES},
            always=always,
            at_rest=at_rest,
            drive=resume_all,
        )
    )
)

(
    test_a_rolling_deployment_keeps_enough_pods,
    test_a_rolling_deployment_keeps_enough_pods_nightly,
    test_a_rolling_deployment_keeps_enough_pods_in_all_troubles,
) = properties(
    History(
        controllers=CONTROLLERS,
        begin=begin_full,
        actions={roll: 1, hands.steps: 6},
        always=stays_available,
        at_rest=at_rest,
    )
)
