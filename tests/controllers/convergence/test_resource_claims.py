"""Pods get the claims of devices that they want, once, and keep them exactly as long as they run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from controllers.convergence import hands
from controllers.convergence.histories import History, properties
from controllers.convergence.replicas import template
from controllers.convergence.world import Step, World
from pybernetes.api import meta
from pybernetes.api.models import core_v1
from pybernetes.api.models.resource_v1 import ResourceClaim, ResourceClaimTemplate
from pybernetes.controllers.resource_claim_plan import FINALIZER, is_done, recorded_name

DEVICES = {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.example.com"}}]}}


async def begin(world: World) -> None:
    await hands.add_node(world)
    await world.create(ResourceClaim, "shared", spec=DEVICES)
    if world.random.random() < 0.5:
        await create_template(world)


async def create_template(world: World) -> None:
    await world.create(ResourceClaimTemplate, "template", spec={"spec": DEVICES})


async def create_pod(world: World) -> None:
    wanted = [{"name": "own", "resourceClaimTemplateName": "template"}]
    if world.random.random() < 0.4:
        wanted.append({"name": "shared", "resourceClaimName": "shared"})
    spec = template("x", resourceClaims=wanted, restartPolicy="Never")["spec"]
    await world.create(core_v1.Pod, f"pod-{world.random.randrange(8)}", spec=spec)


async def allocate(world: World) -> bool:
    """What the scheduler does for pods that are placed: it allocates and reserves."""
    moved = False
    for pod in world.all(core_v1.Pod):
        if not pod.spec.node_name or is_done(pod) or pod.metadata.deletion_timestamp is not None:
            continue
        for wanted in pod.spec.resource_claims:
            claim = world.get(ResourceClaim, recorded_name(pod, wanted) or "")
            if claim is not None and claim.metadata.deletion_timestamp is None:
                moved |= await _allocate(world, claim, pod)
    return moved


async def _allocate(world: World, claim: ResourceClaim, pod: core_v1.Pod) -> bool:
    if any(one.uid == pod.metadata.uid for one in claim.status.reserved_for):
        return False
    if FINALIZER not in claim.metadata.finalizers:
        await world.patch(claim, {"metadata": {"finalizers": [FINALIZER]}})
        return True
    consumers = [{"resource": one.resource, "name": one.name, "uid": one.uid} for one in claim.status.reserved_for]
    consumers.append({"resource": "pods", "name": pod.metadata.name, "uid": pod.metadata.uid})
    status = {"allocation": {"devices": {}}, "reservedFor": consumers}
    await world.patch(claim, status, status=True)
    return True


async def allocate_once(world: World) -> None:
    await allocate(world)


async def drive(world: World) -> bool:
    await create_template(world)
    return await allocate(world) or await hands.finish_all(world)


def always(world: World, step: Step) -> None:
    """A claim is taken from nobody who runs, and nobody gets two for one."""
    if not isinstance(step.new, ResourceClaim):
        return
    if step.old is None:
        _made_once(world, step.new)
        return
    lost = {one.uid for one in step.old.status.reserved_for} - {one.uid for one in step.new.status.reserved_for}
    for pod in world.all(core_v1.Pod):
        if pod.metadata.uid in lost and not is_done(pod):
            world.complain(f"{pod.metadata.name} lost its claim {step.new.metadata.name}")


def _made_once(world: World, new: ResourceClaim) -> None:
    owner = meta.controller_of(new)
    if owner is None:
        return
    made = Counter(own.uid for one in world.all(ResourceClaim) if (own := meta.controller_of(one)) is not None)
    if made[owner.uid] > 1:
        world.complain(f"{owner.name} has {made[owner.uid]} claims of its own")


def at_rest(world: World) -> Iterable[str]:
    pods = {pod.metadata.uid: pod for pod in world.all(core_v1.Pod)}
    for pod in pods.values():
        if is_done(pod) or pod.metadata.deletion_timestamp is not None:
            continue
        for wanted in pod.spec.resource_claims:
            name = recorded_name(pod, wanted)
            claim = world.get(ResourceClaim, name or "")
            if claim is None or pod.metadata.uid not in {one.uid for one in claim.status.reserved_for}:
                yield f"{pod.metadata.name} has no claim for {wanted.name}: {name}"
    for claim in world.all(ResourceClaim):
        name = claim.metadata.name
        over = [one.name for one in claim.status.reserved_for if one.uid not in pods or is_done(pods[one.uid])]
        if over:
            yield f"{name} is kept for {over}"
        owner = meta.controller_of(claim)
        if owner is not None and (owner.uid not in pods or is_done(pods[owner.uid])):
            yield f"{name} outlives {owner.name}"


test_devices_are_claimed, test_devices_are_claimed_nightly, test_devices_are_claimed_in_all_troubles = properties(
    History(
        controllers=("resourceclaim-controller",),
        begin=begin,
        actions={create_template: 1, create_pod: 6, allocate_once: 6, **hands.PODS_LIVES},
        always=always,
        at_rest=at_rest,
        drive=drive,
    ),
    seeds=1,
)
