"""Claims and volumes come to pairs that fit, whatever happened to them and their controller."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controllers.convergence.histories import History, properties
from controllers.convergence.world import Step, World
from pybernetes.api import storage
from pybernetes.api.models import core_v1, storage_v1

Claim, Volume = core_v1.PersistentVolumeClaim, core_v1.PersistentVolume

CLAIMS = ("alpha", "beta", "gamma", "delta")
VOLUMES = tuple(f"disk-{number}" for number in range(6))
SIZES = ("1Gi", "2Gi", "3Gi")
CLASSES = ("", "fast")


async def begin(world: World) -> None:
    await world.create(storage_v1.StorageClass, "fast", "", provisioner="example.com/fast")


async def create_claim(world: World) -> None:
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": world.random.choice(SIZES)}},
        "storageClassName": world.random.choice(CLASSES),
    }
    if world.random.random() < 0.2:
        spec["volumeName"] = world.random.choice(VOLUMES)
    await world.create(Claim, world.random.choice(CLAIMS), spec=spec)


async def create_volume(world: World) -> None:
    spec: dict[str, Any] = {
        "accessModes": world.random.choice((["ReadWriteOnce"], ["ReadWriteOnce", "ReadWriteMany"])),
        "capacity": {"storage": world.random.choice(SIZES)},
        "storageClassName": world.random.choice(CLASSES),
        "persistentVolumeReclaimPolicy": world.random.choice(("Retain", "Delete", "Recycle")),
        "nfs": {"server": "server", "path": "/"},
    }
    if world.random.random() < 0.2:
        spec["claimRef"] = {"namespace": "default", "name": world.random.choice(CLAIMS)}
    await world.create(Volume, world.random.choice(VOLUMES), "", spec=spec)


async def delete_claim(world: World) -> None:
    one = world.pick(Claim)
    if one is not None:
        await world.delete(one)


async def delete_volume(world: World) -> None:
    one = world.pick(Volume)
    if one is not None:
        await world.delete(one)


async def free_volume(world: World) -> None:
    """As an administrator does who has seen to what was on it."""
    one = world.pick(Volume)
    if one is not None and one.status.phase in ("Released", "Failed"):
        await world.patch(one, {"spec": {"claimRef": None}})


def always(world: World, step: Step) -> None:
    """Nobody gets a volume that somebody has."""
    if not isinstance(step.new, Claim) or not storage.is_fully_bound(step.new):
        return
    if isinstance(step.old, Claim) and storage.is_fully_bound(step.old):
        return
    for other in world.all(Claim):
        same = other.spec.volume_name == step.new.spec.volume_name and storage.is_fully_bound(other)
        if same and other.metadata.uid != step.new.metadata.uid and other.status.phase == "Bound":
            names = sorted((other.metadata.name, step.new.metadata.name))
            world.complain(f"{' and '.join(names)} both have {other.spec.volume_name}")


def at_rest(world: World) -> Iterable[str]:
    claims = {one.metadata.uid: one for one in world.all(Claim)}
    volumes = {one.metadata.name: one for one in world.all(Volume)}
    for claim in claims.values():
        yield from _wrong_with_claim(claim, volumes)
    for volume in volumes.values():
        yield from _wrong_with_volume(volume, claims)


def _wrong_with_claim(claim: Claim, volumes: dict[str, Volume]) -> Iterable[str]:
    name, volume = claim.metadata.name, volumes.get(claim.spec.volume_name)
    match claim.status.phase:
        case "Bound":
            if volume is None or volume.spec.claim_ref is None or volume.spec.claim_ref.uid != claim.metadata.uid:
                yield f"{name} is bound to {claim.spec.volume_name}, which is not bound to it"
        case "Pending":
            found = storage.best_volume(claim, volumes.values())
            if not claim.spec.volume_name and found is not None and storage.allows_access(claim, found):
                yield f"{name} could have {found.metadata.name}"
        case "Lost":
            if volume is not None and storage.is_bound_to(volume, claim):
                yield f"{name} is lost, but has {volume.metadata.name}"
        case phase:
            yield f"{name} is {phase or 'in no phase'}"


def _wrong_with_volume(volume: Volume, claims: dict[str, Claim]) -> Iterable[str]:
    name, phase, reference = volume.metadata.name, volume.status.phase, volume.spec.claim_ref
    user = claims.get(reference.uid) if reference is not None else None
    if user is not None and phase != "Bound":
        yield f"{name} is {phase}, but {user.metadata.name} has it"
    elif user is None and reference is not None and reference.uid and phase not in ("Released", "Failed"):
        yield f"{name} is {phase}, though its claim has gone"
    elif (reference is None or not reference.uid) and phase != "Available":
        yield f"{name} is {phase}, though it is nobody's"
    if volume.metadata.deletion_timestamp is not None and phase != "Bound":
        yield f"{name} was to go"


(
    test_claims_and_volumes_converge,
    test_claims_and_volumes_converge_nightly,
    test_claims_and_volumes_converge_in_all_troubles,
) = properties(
    History(
        controllers=(
            "persistentvolume-binder-controller",
            "persistentvolume-protection-controller",
            "persistentvolumeclaim-protection-controller",
        ),
        begin=begin,
        actions={create_claim: 5, create_volume: 5, delete_claim: 3, delete_volume: 1, free_volume: 2},
        always=always,
        at_rest=at_rest,
    )
)
