"""Claims get the size they ask for, and classes of attributes stay while somebody has them."""

from __future__ import annotations

from collections.abc import Iterable

from controllers.convergence.histories import History, properties
from controllers.convergence.world import Step, World
from pybernetes.api import quantity, storage
from pybernetes.api.models import core_v1, storage_v1

Claim, Volume, Class = core_v1.PersistentVolumeClaim, core_v1.PersistentVolume, storage_v1.VolumeAttributesClass
NAMES = ("alpha", "beta", "gamma")
LONG_KNOWN = 60.0
"""Seconds after which the controller must have heard of a claim."""


async def begin_with_class(world: World) -> None:
    await world.create(storage_v1.StorageClass, "grows", "", provisioner=storage.NODE_LOCAL, allowVolumeExpansion=True)


async def create_bound(world: World) -> None:
    """A claim with its volume, as the binder leaves them."""
    name, size = world.random.choice(NAMES), {"storage": "1Gi"}
    if world.get(Claim, name) is not None or world.get(Volume, name, "") is not None:
        return
    local = world.random.random() < 0.8
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "grows"}
    wanted = {**spec, "resources": {"requests": size}, "volumeName": name}
    bound = {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}
    await world.create(Claim, name, metadata=bound, spec=wanted)
    claim = world.get(Claim, name)
    assert claim is not None
    reference = {"kind": "PersistentVolumeClaim", "namespace": "default", "name": name, "uid": claim.metadata.uid}
    provisioner = storage.NODE_LOCAL if local else "example.com/other"
    made = {"annotations": {storage.PROVISIONED_BY: provisioner}}
    content = {**spec, "capacity": size, "claimRef": reference, "hostPath": {"path": f"/{name}"}}
    await world.create(Volume, name, "", metadata=made, spec=content)
    await world.patch(claim, {"phase": "Bound", "capacity": size}, status=True)


async def ask_for_more(world: World) -> None:
    claim = world.pick(Claim)
    if claim is not None and claim.status.phase == "Bound":
        more = f"{storage.requested(claim).value() // 2**30 + 1}Gi"
        await world.patch(claim, {"spec": {"resources": {"requests": {"storage": more}}}})


async def delete_pair(world: World) -> None:
    claim = world.pick(Claim)
    if claim is not None:
        volume = world.get(Volume, claim.metadata.name, "")
        await world.delete(claim)
        if volume is not None:
            await world.delete(volume)


def never_smaller(world: World, step: Step) -> None:
    old, new = step.old, step.new
    if isinstance(new, Volume) and isinstance(old, Volume) and storage.capacity(new) < storage.capacity(old):
        world.complain(f"{new.metadata.name} shrank to {new.spec.capacity}")


def claims_have_their_size(world: World) -> Iterable[str]:
    for claim in world.all(Claim):
        volume = world.get(Volume, claim.metadata.name, "")
        if volume is None or volume.metadata.annotations[storage.PROVISIONED_BY] != storage.NODE_LOCAL:
            continue
        wanted, size = storage.requested(claim), quantity.parse(claim.status.capacity["storage"])
        if size != wanted or storage.capacity(volume) != wanted:
            yield f"{claim.metadata.name} has {claim.status.capacity} of {volume.spec.capacity}, wants {wanted}"


test_claims_grow, test_claims_grow_nightly, test_claims_grow_in_all_troubles = properties(
    History(
        controllers=("persistentvolume-expander-controller",),
        begin=begin_with_class,
        actions={create_bound: 3, ask_for_more: 5, delete_pair: 1},
        always=never_smaller,
        at_rest=claims_have_their_size,
    ),
    seeds=1,
)


async def create_class(world: World) -> None:
    parameters = {"iops": "100"}
    await world.create(Class, world.random.choice(NAMES), "", driverName="csi.example.com", parameters=parameters)


async def create_claim(world: World) -> None:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "volumeAttributesClassName": world.random.choice(NAMES),
    }
    await world.create(Claim, f"claim-{world.random.randrange(4)}", spec=spec)


async def delete_class(world: World) -> None:
    one = world.pick(Class)
    if one is not None:
        await world.delete(one)


async def delete_claim(world: World) -> None:
    claim = world.pick(Claim)
    if claim is not None:
        await world.delete(claim)


def _users(world: World, name: str) -> list[Claim]:
    return [claim for claim in world.all(Claim) if claim.spec.volume_attributes_class_name == name]


def used_classes_stay(world: World, step: Step) -> None:
    """As upstream's, the controller asks nobody but its informers (isUsed of pkg/controller/volume/vacprotection)."""
    if not isinstance(step.old, Class) or step.new is not None or not step.old.metadata.deletion_timestamp:
        return
    for claim in _users(world, step.old.metadata.name):
        created = claim.metadata.creation_timestamp
        if created is not None and (world.clock.now() - created).total_seconds() > LONG_KNOWN:
            world.complain(f"{step.old.metadata.name} went, which {claim.metadata.name} has")


def classes_are_right(world: World) -> Iterable[str]:
    for one in world.all(Class):
        name, used = one.metadata.name, bool(_users(world, one.metadata.name))
        if one.metadata.deletion_timestamp is not None and not used:
            yield f"{name} is not used and does not end"
        if one.metadata.deletion_timestamp is None and "kubernetes.io/vac-protection" not in one.metadata.finalizers:
            yield f"{name} is not protected"


test_classes_are_protected, test_classes_are_protected_nightly, test_classes_are_protected_in_all_troubles = properties(
    History(
        controllers=("volumeattributesclass-protection-controller",),
        actions={create_class: 4, create_claim: 3, delete_class: 2, delete_claim: 2},
        always=used_classes_stay,
        at_rest=classes_are_right,
    ),
    seeds=1,
)
