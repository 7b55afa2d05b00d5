"""What the binder decides, without a cluster."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pybernetes.api import meta, storage
from pybernetes.api.models import core_v1, meta_v1, storage_v1
from pybernetes.controllers.persistent_claim_plan import (
    Bind,
    ClaimPlan,
    Provision,
    SetPhase,
    Surroundings,
    UseClass,
    bound_claim,
    plan_claim,
    status_with,
    status_without_volume,
)
from pybernetes.controllers.persistent_volume_plan import VolumePlan, in_phase, plan_volume, unbound

Claim = core_v1.PersistentVolumeClaim
Volume = core_v1.PersistentVolume


def claim(name: str = "data", gigabytes: int = 1, annotations: dict[str, str] | None = None, **spec: Any) -> Claim:
    spec = {"access_modes": ["ReadWriteOnce"], "storage_class_name": "", **spec}
    return Claim(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default", uid=f"uid-{name}", annotations=annotations or {}),
        spec=core_v1.PersistentVolumeClaimSpec(
            resources=core_v1.VolumeResourceRequirements(requests={"storage": f"{gigabytes}Gi"}), **spec
        ),
        status=core_v1.PersistentVolumeClaimStatus(phase="Pending"),
    )


def volume(
    name: str = "disk", gigabytes: int = 1, phase: str = "Available", of: Claim | None = None, **spec: Any
) -> Volume:
    annotations = spec.pop("annotations", {})
    labels = spec.pop("labels", {})
    return Volume(
        metadata=meta_v1.ObjectMeta(name=name, annotations=annotations, labels=labels),
        spec=core_v1.PersistentVolumeSpec(
            capacity={"storage": f"{gigabytes}Gi"},
            claim_ref=None if of is None else meta.object_reference(of),
            **{"access_modes": ["ReadWriteOnce"], "persistent_volume_reclaim_policy": "Retain", **spec},
        ),
        status=core_v1.PersistentVolumeStatus(phase=phase),
    )


def known(name: str, provisioner: str = "example.com/disks", mode: str = "Immediate") -> storage_v1.StorageClass:
    return storage_v1.StorageClass(
        metadata=meta_v1.ObjectMeta(name=name), provisioner=provisioner, volume_binding_mode=mode
    )


def planned(
    one: Claim, *volumes: Volume, classes: tuple[storage_v1.StorageClass, ...] = (), waiting: tuple[str, ...] = ()
) -> ClaimPlan:
    named = next((each for each in volumes if each.metadata.name == one.spec.volume_name), None)
    return plan_claim(one, Surroundings(named, lambda: volumes, classes, lambda: waiting))


def chosen(plan: ClaimPlan) -> str | None:
    return plan.step.volume.metadata.name if isinstance(plan.step, Bind) else None


def reasons(plan: ClaimPlan) -> list[str]:
    return [event.reason for event in plan.events]


@pytest.mark.parametrize(
    "unfit",
    [
        volume(gigabytes=1, phase="Released"),
        volume(storage_class_name="fast"),
        volume(access_modes=["ReadOnlyMany"]),
        volume(volume_mode="Block"),
        volume(of=claim("other")),
        volume(volume_attributes_class_name="gold"),
    ],
)
def test_a_volume_that_does_not_fit_is_left(unfit: Volume) -> None:
    assert chosen(planned(claim(), unfit)) is None
    assert chosen(planned(claim(), unfit, volume("fits", 5))) == "fits"


def test_a_selector_narrows_the_choice() -> None:
    one = claim(selector=meta_v1.LabelSelector(match_labels={"disk": "ssd"}))
    assert chosen(planned(one, volume("slow"), volume("fast", 5, labels={"disk": "ssd"}))) == "fast"


def test_a_volume_reserved_for_the_claim_is_taken_even_if_a_smaller_one_is_free() -> None:
    reserved = volume("reserved", 9, of=claim())
    assert reserved.spec.claim_ref is not None
    reference = msgspec.structs.replace(reserved.spec.claim_ref, uid="")
    reserved = msgspec.structs.replace(reserved, spec=msgspec.structs.replace(reserved.spec, claim_ref=reference))
    assert chosen(planned(claim(), volume("small"), reserved)) == "reserved"


def test_volumes_with_no_more_access_than_needed_come_first() -> None:
    rich = volume("rich", 1, access_modes=["ReadWriteOnce", "ReadWriteMany"])
    assert chosen(planned(claim(), rich, volume("plain", 5))) == "plain"


def test_a_claim_without_class_gets_the_default_class_when_there_is_one() -> None:
    marked = msgspec.structs.replace(
        known("std"), metadata=meta_v1.ObjectMeta(name="std", annotations={storage.DEFAULT_CLASS: "true"})
    )
    assert planned(claim(storage_class_name=None), classes=(marked,)).step == UseClass("std")
    assert planned(claim(storage_class_name=""), classes=(marked,)).step == SetPhase("Pending")


def test_a_claim_that_waits_for_its_consumer_says_for_whom() -> None:
    late = known("late", mode="WaitForFirstConsumer")
    one = claim(storage_class_name="late")
    free = volume(storage_class_name="late")
    plan = planned(one, free, classes=(late,))
    assert (plan.step, reasons(plan)) == (SetPhase("Pending"), ["WaitForFirstConsumer"])
    plan = planned(one, free, classes=(late,), waiting=("a", "b"))
    assert [(event.reason, event.message) for event in plan.events] == [
        ("WaitForPodScheduled", "waiting for pods a,b to be scheduled")
    ]
    chosen_node = claim(storage_class_name="late", annotations={storage.SELECTED_NODE: "node-1"})
    plan = planned(chosen_node, classes=(late,))
    assert (plan.step, reasons(plan)) == (Provision("example.com/disks"), ["ExternalProvisioning"])


def test_what_was_built_in_once_is_asked_of_its_driver() -> None:
    one = claim(storage_class_name="ebs")
    assert planned(one, classes=(known("ebs", "kubernetes.io/aws-ebs"),)).step == Provision("ebs.csi.aws.com")


@pytest.mark.parametrize(
    ("volumes", "step"),
    [
        ((), "ClaimLost"),
        ((volume(of=claim("other")),), "ClaimMisbound"),
    ],
)
def test_a_bound_claim_without_its_volume_is_lost(volumes: tuple[Volume, ...], step: str) -> None:
    plan = planned(claim(volume_name="disk", annotations={storage.BIND_COMPLETED: "yes"}), *volumes)
    assert isinstance(plan.step, SetPhase)
    assert plan.step.phase == "Lost"
    assert plan.step.event is not None
    assert plan.step.event.reason == step


def test_a_claim_that_wants_a_taken_volume_is_told() -> None:
    plan = planned(claim(volume_name="disk"), volume(of=claim("other")))
    assert (plan.step, reasons(plan)) == (SetPhase("Pending"), ["FailedBinding"])
    assert plan.events[0].message == 'volume "disk" already bound to a different claim.'


BY_US = {storage.BOUND_BY_CONTROLLER: "yes"}
PROVISIONED = {storage.PROVISIONED_BY: "example.com/disks"}


@pytest.mark.parametrize(
    ("one", "user", "wanted"),
    [
        (volume(), None, VolumePlan("Available")),
        (volume(of=claim()), claim(volume_name="disk"), VolumePlan("Bound")),
        (volume(of=claim(), phase="Bound"), claim(), VolumePlan("Bound")),
        (volume(of=claim()), None, VolumePlan("Released")),
        (volume(of=claim(), phase="Failed"), None, VolumePlan("Failed")),
        (volume(of=claim(), annotations=BY_US), claim(volume_name="else"), VolumePlan("Available", unbind=True)),
        (
            volume(of=claim(), annotations=PROVISIONED, persistent_volume_reclaim_policy="Delete"),
            claim(volume_name="else"),
            VolumePlan("Released"),
        ),
    ],
)
def test_what_becomes_of_a_volume(one: Volume, user: Claim | None, wanted: VolumePlan) -> None:
    assert plan_volume(one, user) == wanted


def test_volumes_of_unbuilt_kinds_are_not_deleted_silently() -> None:
    nfs = core_v1.NFSVolumeSource(server="server", path="/")
    plan = plan_volume(volume(of=claim(), persistent_volume_reclaim_policy="Delete", nfs=nfs), None)
    assert plan.phase == "Failed"
    why = 'error getting deleter volume plugin for volume "disk": no deletable volume plugin matched'
    assert plan.message == why


def test_what_a_user_reserved_stays_reserved_by_name() -> None:
    kept = unbound(volume(of=claim())).spec.claim_ref
    assert kept is not None
    assert (kept.name, kept.uid) == ("data", "")
    freed = unbound(volume(of=claim(), annotations=BY_US))
    assert (freed.spec.claim_ref, freed.metadata.annotations) == (None, {})


# ---- whatever comes in whatever order


class World:
    """Claims and volumes to which plans are applied one write at a time."""

    def __init__(self, claims: list[Claim], volumes: list[Volume]) -> None:
        self.claims = {one.metadata.name: one for one in claims}
        self.volumes = {one.metadata.name: one for one in volumes}

    def look_at_claim(self, name: str, writes: int) -> None:
        """Only so many writes come through: the rest is for the next look."""
        one = self.claims[name]
        plan = planned(one, *self.volumes.values())
        if isinstance(plan.step, SetPhase):
            self.claims[name] = msgspec.structs.replace(one, status=status_without_volume(one, plan.step.phase))
        if not isinstance(plan.step, Bind):
            return
        found = plan.step.volume
        after = [storage.bound_to(found, one)]
        after.append(in_phase(after[0], "Bound"))
        self.volumes[found.metadata.name] = after[min(writes, 2) - 1]
        if writes > 2:
            one = bound_claim(one, found)
        if writes > 3:
            one = msgspec.structs.replace(one, status=status_with(one, found))
        self.claims[name] = one

    def look_at_volume(self, name: str) -> None:
        one = self.volumes[name]
        reference = one.spec.claim_ref
        user = None if reference is None else self.claims.get(reference.name)
        plan = plan_volume(one, user)
        self.volumes[name] = in_phase(unbound(one) if plan.unbind else one, plan.phase, plan.message)


sizes = st.lists(st.integers(1, 5), min_size=1, max_size=5)
steps = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4)), max_size=40)


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, steps)
def test_every_history_ends_with_pairs_that_fit_and_nothing_left_to_bind(
    claims: list[int], volumes: list[int], history: list[tuple[int, int]]
) -> None:
    world = World(
        [claim(f"claim-{number}", size) for number, size in enumerate(claims)],
        [volume(f"volume-{number}", size, phase="Pending") for number, size in enumerate(volumes)],
    )
    names = [*world.claims, *world.volumes]
    everything = [(number, 4) for number in range(len(names))] * 3
    for number, writes in [*history, *everything]:
        name = names[number % len(names)]
        if name in world.claims:
            world.look_at_claim(name, writes)
        else:
            world.look_at_volume(name)
    for one in world.claims.values():
        if one.status.phase == "Bound":
            mine = world.volumes[one.spec.volume_name]
            assert mine.status.phase == "Bound"
            assert mine.spec.claim_ref == meta.object_reference(one)
            assert storage.capacity(mine) >= storage.requested(one)
        else:
            free = [each for each in world.volumes.values() if each.status.phase == "Available"]
            assert storage.best_volume(one, free) is None
    users = [one.spec.volume_name for one in world.claims.values() if one.spec.volume_name]
    assert len(users) == len(set(users))
