"""Stateful sets have exactly the pods of their ordinals, each made only when those before it stand."""

from __future__ import annotations

from collections.abc import Iterable

from controllers.convergence import hands
from controllers.convergence.histories import History, properties
from controllers.convergence.replicas import Most, orphans, owned, template
from controllers.convergence.world import Step, World
from pybernetes.api import meta
from pybernetes.api.models import apps_v1, core_v1

most = Most()


async def create(world: World) -> None:
    name = world.random.choice(("one", "two"))
    spec = {
        "replicas": world.random.randrange(6),
        "serviceName": name,
        "selector": {"matchLabels": {"app": name}},
        "template": template(name),
        "podManagementPolicy": "OrderedReady" if name == "one" else "Parallel",
        "volumeClaimTemplates": [
            {
                "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
            }
        ],
        "persistentVolumeClaimRetentionPolicy": {"whenScaled": world.random.choice(("Retain", "Delete"))},
    }
    await world.create(apps_v1.StatefulSet, name, spec=spec)


async def scale(world: World) -> None:
    one = world.pick(apps_v1.StatefulSet)
    if one is not None:
        await world.patch(one, {"spec": {"replicas": world.random.randrange(6)}})


async def roll(world: World) -> None:
    one = world.pick(apps_v1.StatefulSet)
    if one is not None:
        containers = [{"name": "main", "image": f"busybox:{world.random.randrange(3)}"}]
        await world.patch(one, {"spec": {"template": {"spec": {"containers": containers}}}})


async def delete(world: World) -> None:
    one = world.pick(apps_v1.StatefulSet)
    if one is not None:
        await world.delete(one, propagation="Background")


def always(world: World, step: Step) -> None:
    if isinstance(step.new, apps_v1.StatefulSet):
        most.note(world, step.new, step.new.spec.replicas or 0)
    pod = step.new
    if step.old is not None or not isinstance(pod, core_v1.Pod):
        return
    owner = meta.controller_of(pod)
    if owner is not None and ordinal(pod) >= most.of(world, owner.uid):
        world.complain(f"{pod.metadata.name} is beyond the replicas")


def in_order(world: World, step: Step) -> None:
    """For histories in which no pod fails by itself: those before a new one are ready, unless another is ending."""
    always(world, step)
    pod = step.new
    if step.old is None and isinstance(pod, core_v1.Pod) and pod.metadata.labels["app"] == "one":
        before = [
            one for one in world.all(core_v1.Pod) if one.metadata.labels["app"] == "one" and ordinal(one) < ordinal(pod)
        ]
        if len(before) < ordinal(pod) or not all(meta.is_true(one.status, "Ready") for one in before):
            world.complain(f"{pod.metadata.name} came before its time")


def ordinal(pod: core_v1.Pod) -> int:
    return int(pod.metadata.name.rpartition("-")[2])


def at_rest(world: World) -> Iterable[str]:
    yield from orphans(world, apps_v1.StatefulSet)
    for one in world.all(apps_v1.StatefulSet):
        name, wanted, status = one.metadata.name, one.spec.replicas or 0, one.status
        pods = [pod for pod in owned(world, one) if hands.is_active(pod)]
        if sorted(map(ordinal, pods)) != list(range(wanted)):
            yield f"{name} has {sorted(pod.metadata.name for pod in pods)} of {wanted}"
        if {pod.spec.containers[0].image for pod in pods} - {one.spec.template.spec.containers[0].image}:
            yield f"{name} still runs another image"
        said = (status.replicas, status.ready_replicas, status.available_replicas, status.updated_replicas)
        if said != (wanted,) * 4 or status.observed_generation != one.metadata.generation:
            yield f"{name} says {said} of {wanted}"
        if status.current_revision != status.update_revision or status.current_replicas != wanted:
            yield f"{name} says that it still rolls: {status.current_revision} → {status.update_revision}"
        claims = {claim.metadata.name for claim in world.all(core_v1.PersistentVolumeClaim)}
        if missing := {f"data-{pod.metadata.name}" for pod in pods} - claims:
            yield f"{name} lacks the claims {missing}"


async def begin(world: World) -> None:
    await hands.add_node(world)


CALM = {hands.steps: 12, hands.collect_now: 1}

test_a_stateful_set_converges, test_a_stateful_set_converges_nightly, test_a_stateful_set_converges_in_all_troubles = (
    properties(
        History(
            controllers=("statefulset-controller", "persistentvolumeclaim-protection-controller"),
            begin=begin,
            actions={create: 3, scale: 4, roll: 2, delete: 1, **hands.PODS_LIVES},
            always=always,
            at_rest=at_rest,
        )
    )
)

(
    test_a_stateful_set_makes_pods_in_order,
    test_a_stateful_set_makes_pods_in_order_nightly,
    test_a_stateful_set_makes_pods_in_order_in_all_troubles,
) = properties(
    History(
        controllers=("statefulset-controller", "persistentvolumeclaim-protection-controller"),
        begin=begin,
        actions={create: 3, scale: 3, **CALM},
        always=in_order,
        at_rest=at_rest,
    )
)
