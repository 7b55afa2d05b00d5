"""Dependents go with the last of their owners, or stay as orphans, as was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controllers.convergence.histories import History, properties
from controllers.convergence.world import World
from pybernetes.api.models import core_v1


async def create(world: World) -> None:
    """With up to two owners among what is there: graphs without cycles grow."""
    present = world.all(core_v1.ConfigMap)
    owners = world.random.sample(present, min(len(present), world.random.randrange(3)))
    references = [_reference(one, blocks=world.random.random() < 0.5) for one in owners]
    name = f"one-{world.random.randrange(30)}"
    await world.create(core_v1.ConfigMap, name, metadata={"ownerReferences": references})


def _reference(owner: Any, *, blocks: bool) -> dict[str, Any]:
    about = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner.metadata.name, "uid": owner.metadata.uid}
    return about | {"blockOwnerDeletion": blocks}


async def create_with_absent_owner(world: World) -> None:
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "never", "uid": f"never-{world.random.random()}"}
    name = f"lost-{world.random.randrange(5)}"
    await world.create(core_v1.ConfigMap, name, metadata={"ownerReferences": [reference]})


async def delete(world: World) -> None:
    one = world.pick(core_v1.ConfigMap)
    if one is not None:
        await world.delete(one, propagation=world.random.choice(("Background", "Foreground", "Orphan")))


def at_rest(world: World) -> Iterable[str]:
    uids = {one.metadata.uid for one in world.all(core_v1.ConfigMap)}
    for one in world.all(core_v1.ConfigMap):
        name, owners = one.metadata.name, one.metadata.owner_references
        if one.metadata.deletion_timestamp is not None:
            yield f"{name} does not end: {one.metadata.finalizers}"
        if owners and not any(owner.uid in uids for owner in owners):
            yield f"{name} has lost all its owners"


async def nothing(_: World) -> bool:
    return False


test_garbage_is_collected, test_garbage_is_collected_nightly, test_garbage_is_collected_in_all_troubles = properties(
    History(
        controllers=("garbage-collector-controller",),
        actions={create: 10, create_with_absent_owner: 1, delete: 3},
        at_rest=at_rest,
        drive=nothing,
    ),
    seeds=1,
    nightly=20,
)
