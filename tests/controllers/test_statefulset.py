"""StatefulSets: pods with names and claims of their own, in order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from controllers.make import NOW, pod, template
from pybernetes.api import meta
from pybernetes.api.models import apps_v1, core_v1, meta_v1
from pybernetes.client import PatchType
from pybernetes.controllers.stateful_claims import is_of_former_pod, owned_by, owners_wanted
from pybernetes.controllers.stateful_pods import REVISION, conforms, ordinal_of, stateful_pod
from pybernetes.controllers.statefulset_plan import Plan, Revisions, plan, status
from pybernetes.testing.cluster import Cluster

SAME = Revisions("db-1", "db-1")
ROLLING = Revisions("db-1", "db-2")
WEB = meta_v1.LabelSelector(match_labels={"app": "web"})


def stateful_set(replicas: int = 3, **spec: Any) -> apps_v1.StatefulSet:
    described = {
        "update_strategy": apps_v1.StatefulSetUpdateStrategy(
            type="RollingUpdate", rolling_update=apps_v1.RollingUpdateStatefulSetStrategy(partition=0)
        ),
        "pod_management_policy": "OrderedReady",
        **spec,
    }
    return apps_v1.StatefulSet(
        metadata=meta_v1.ObjectMeta(name="db", namespace="default", uid="uid-db", generation=3),
        spec=apps_v1.StatefulSetSpec(
            replicas=replicas, selector=WEB, template=template(), service_name="db", **described
        ),
    )


def claim_template(name: str = "data") -> core_v1.PersistentVolumeClaim:
    return core_v1.PersistentVolumeClaim(
        metadata=meta_v1.ObjectMeta(name=name),
        spec=core_v1.PersistentVolumeClaimSpec(
            access_modes=["ReadWriteOnce"],
            resources=core_v1.VolumeResourceRequirements(requests={"storage": "1Gi"}),
        ),
    )


def member(one: apps_v1.StatefulSet, ordinal: int, revision: str = "db-1", **state: Any) -> core_v1.Pod:
    made = stateful_pod(one, one.spec.template, ordinal, revision)
    found = pod(made.metadata.name, labels=made.metadata.labels, **state)
    return msgspec.structs.replace(found, spec=made.spec)


def names(pods: tuple[core_v1.Pod, ...]) -> list[str]:
    return [one.metadata.name for one in pods]


def steps(planned: Plan) -> tuple[tuple[int, ...], list[str]]:
    return planned.create, names(planned.delete)


def test_an_ordered_set_makes_the_first_pod_that_is_missing_and_waits_for_it() -> None:
    one = stateful_set()
    assert steps(plan(one, [], SAME, (), NOW)) == ((0,), [])
    assert steps(plan(one, [member(one, 0, ready=False)], SAME, (), NOW)) == ((), [])
    assert steps(plan(one, [member(one, 0)], SAME, (), NOW)) == ((1,), [])
    assert steps(plan(one, [member(one, 0), member(one, 2)], SAME, (), NOW)) == ((1,), [])


def test_a_parallel_set_makes_all_at_once() -> None:
    one = stateful_set(pod_management_policy="Parallel")
    assert steps(plan(one, [member(one, 1, ready=False)], SAME, (), NOW)) == ((0, 2), [])


def test_a_pod_that_ended_goes_and_is_made_anew_only_when_it_is_gone() -> None:
    one = stateful_set(1)
    assert steps(plan(one, [member(one, 0, phase="Failed", ready=False)], SAME, (), NOW)) == ((), ["db-0"])
    going = member(one, 0, phase="Failed", ready=False, deleting=True)
    assert steps(plan(one, [going], SAME, (), NOW)) == ((), [])


def test_what_is_too_many_goes_from_the_end_one_at_a_time_and_after_the_rest_is_available() -> None:
    one = stateful_set(1)
    all_well = [member(one, n) for n in range(4)]
    assert steps(plan(one, all_well, SAME, (), NOW)) == ((), ["db-3"])
    one_going = [*all_well[:3], member(one, 3, deleting=True)]
    assert steps(plan(one, one_going, SAME, (), NOW)) == ((), [])
    first_not_ready = [member(one, 0, ready=False), *all_well[1:]]
    assert steps(plan(one, first_not_ready, SAME, (), NOW)) == ((), [])
    only_the_highest_is_not = [*all_well[:3], member(one, 3, ready=False)]
    assert steps(plan(one, only_the_highest_is_not, SAME, (), NOW)) == ((), ["db-3"])
    another_is_not = [all_well[0], all_well[1], member(one, 2, ready=False), member(one, 3, ready=False)]
    assert steps(plan(one, another_is_not, SAME, (), NOW)) == ((), [])
    parallel = stateful_set(1, pod_management_policy="Parallel")
    assert steps(plan(parallel, all_well, SAME, (), NOW)) == ((), ["db-3", "db-2", "db-1"])


def test_ordinals_begin_where_the_set_says() -> None:
    one = stateful_set(2, ordinals=apps_v1.StatefulSetOrdinals(start=5))
    assert steps(plan(one, [member(one, 0), member(one, 5)], SAME, (), NOW)) == ((6,), [])
    assert steps(plan(one, [member(one, 0), member(one, 5), member(one, 6)], SAME, (), NOW)) == ((), ["db-0"])


def test_a_rolling_update_replaces_from_the_end_down_to_the_partition() -> None:
    partitioned = apps_v1.RollingUpdateStatefulSetStrategy(partition=1)
    one = stateful_set(
        update_strategy=apps_v1.StatefulSetUpdateStrategy(type="RollingUpdate", rolling_update=partitioned)
    )
    old = [member(one, n) for n in range(3)]
    assert steps(plan(one, old, ROLLING, (), NOW)) == ((), ["db-2"])
    updating = [*old[:2], member(one, 2, "db-2", ready=False)]
    assert steps(plan(one, updating, ROLLING, (), NOW)) == ((), [])
    updated = [*old[:2], member(one, 2, "db-2")]
    assert steps(plan(one, updated, ROLLING, (), NOW)) == ((), ["db-1"])
    rest = [old[0], member(one, 1, "db-2"), member(one, 2, "db-2")]
    assert steps(plan(one, rest, ROLLING, (), NOW)) == ((), [])


def test_more_may_be_replaced_at_once_where_the_set_says_so() -> None:
    two = apps_v1.RollingUpdateStatefulSetStrategy(partition=0, max_unavailable=2)
    one = stateful_set(
        4,
        pod_management_policy="Parallel",
        update_strategy=apps_v1.StatefulSetUpdateStrategy(type="RollingUpdate", rolling_update=two),
    )
    old = [member(one, n) for n in range(4)]
    assert steps(plan(one, old, ROLLING, (), NOW)) == ((), ["db-3", "db-2"])
    assert steps(plan(one, [*old[:3], member(one, 3, "db-2", ready=False)], ROLLING, (), NOW)) == ((), ["db-2"])


def test_on_delete_nothing_is_replaced() -> None:
    one = stateful_set(1, update_strategy=apps_v1.StatefulSetUpdateStrategy(type="OnDelete"))
    assert steps(plan(one, [member(one, 0)], ROLLING, (), NOW)) == ((), [])


def test_no_pod_is_made_while_its_claim_goes_with_a_former_one() -> None:
    assert steps(plan(stateful_set(), [], SAME, (0,), NOW)) == ((), [])


def test_nothing_is_done_for_a_set_that_is_being_deleted() -> None:
    one = stateful_set()
    one.metadata.deletion_timestamp = NOW
    assert plan(one, [member(one, 0)], SAME, (), NOW) == Plan()


def test_a_pod_is_available_only_after_it_has_been_ready_for_long_enough() -> None:
    one = stateful_set(2, min_ready_seconds=30)
    assert steps(plan(one, [member(one, 0, ready_for=29)], SAME, (), NOW)) == ((), [])
    assert steps(plan(one, [member(one, 0, ready_for=30)], SAME, (), NOW)) == ((1,), [])


def test_the_status_counts_pods_by_revision_and_an_update_ends_when_all_are_ready() -> None:
    one = stateful_set(2)
    pods = [member(one, 0), member(one, 1, "db-2", ready=False)]
    found = status(one, pods, Plan(), ROLLING, NOW)
    assert (found.replicas, found.ready_replicas, found.current_replicas, found.updated_replicas) == (2, 1, 1, 1)
    assert (found.current_revision, found.update_revision, found.observed_generation) == ("db-1", "db-2", 3)
    done = status(one, [member(one, 0, "db-2"), member(one, 1, "db-2")], Plan(), ROLLING, NOW)
    assert (done.current_revision, done.current_replicas) == ("db-2", 2)


def test_a_pod_knows_its_name_its_service_and_its_claims() -> None:
    one = stateful_set(volume_claim_templates=[claim_template()])
    made = stateful_pod(one, one.spec.template, 1, "db-1")
    assert (made.metadata.name, made.spec.hostname, made.spec.subdomain) == ("db-1", "db-1", "db")
    assert made.metadata.labels["apps.kubernetes.io/pod-index"] == "1"
    [volume] = made.spec.volumes
    assert volume.persistent_volume_claim is not None
    assert volume.persistent_volume_claim.claim_name == "data-db-1"
    assert conforms(one, made)
    made.metadata.labels.pop("statefulset.kubernetes.io/pod-name")
    assert not conforms(one, made)


@pytest.mark.parametrize(("name", "ordinal"), [("db-0", 0), ("db-12", 12), ("db-x", None), ("other-0", None)])
def test_a_pod_belongs_to_a_set_by_its_name(name: str, ordinal: int | None) -> None:
    assert ordinal_of("db", name) == ordinal


@pytest.mark.parametrize(
    ("deleted", "scaled", "condemned", "owners"),
    [
        ("Retain", "Retain", False, []),
        ("Delete", "Retain", False, ["StatefulSet"]),
        ("Delete", "Retain", True, ["StatefulSet"]),
        ("Retain", "Delete", False, []),
        ("Retain", "Delete", True, ["Pod"]),
        ("Delete", "Delete", False, ["StatefulSet"]),
        ("Delete", "Delete", True, ["Pod"]),
    ],
)
def test_a_claim_goes_with_whom_the_retention_policy_says(
    deleted: str, scaled: str, condemned: bool, owners: list[str]
) -> None:
    policy = apps_v1.StatefulSetPersistentVolumeClaimRetentionPolicy(when_deleted=deleted, when_scaled=scaled)
    one = stateful_set(persistent_volume_claim_retention_policy=policy)
    claim, owner = claim_template("data-db-0"), member(one, 0)
    for before in ([], [meta.owner_reference(one)], [meta.owner_reference(owner)]):
        present = owned_by(claim, before)
        wanted = owners_wanted(present, one, owner, is_condemned=condemned)
        after = before if wanted is None else wanted
        assert [each.kind for each in after] == owners
        assert owners_wanted(owned_by(claim, after), one, owner, is_condemned=condemned) is None


def test_a_claim_of_a_former_pod_is_left_to_go() -> None:
    one = stateful_set()
    former = member(one, 0)
    claim = owned_by(claim_template("data-db-0"), [meta.owner_reference(former)])
    assert is_of_former_pod(claim, "db-0")
    assert not is_of_former_pod(claim, "db-0", former.metadata.uid)


async def test_a_set_comes_up_in_order_updates_from_the_end_and_keeps_its_claims(cluster: Cluster) -> None:
    one = stateful_set(volume_claim_templates=[claim_template()])
    one.metadata = meta_v1.ObjectMeta(name="db", namespace="default")
    made = await cluster.apply(one)
    pods = await cluster.pods_of(made, ready=3)
    assert sorted(names(tuple(pods))) == ["db-0", "db-1", "db-2"]
    created = {each.metadata.name: each.metadata.creation_timestamp for each in pods}
    assert created["db-0"] <= created["db-1"] <= created["db-2"]
    await cluster.settle()
    claims = (await cluster.client.list(core_v1.PersistentVolumeClaim, "default")).items
    assert sorted(each.metadata.name for each in claims) == ["data-db-0", "data-db-1", "data-db-2"]

    changed = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "nginx:2"}]}}}}
    await cluster.client.patch(apps_v1.StatefulSet, "db", "default", changed, PatchType.STRATEGIC)
    await cluster.settle()
    after = await cluster.get(made)
    assert after.status.updated_replicas == after.status.ready_replicas == 3
    assert after.status.current_revision == after.status.update_revision
    for each in await cluster.pods_of(made, ready=3):
        assert each.spec.containers[0].image == "nginx:2"
        assert each.metadata.labels[REVISION] == after.status.update_revision
    revisions = (await cluster.client.list(apps_v1.ControllerRevision, "default")).items
    assert sorted(each.revision for each in revisions) == [1, 2]

    await cluster.client.patch(apps_v1.StatefulSet, "db", "default", {"spec": {"replicas": 1}})
    await cluster.settle()
    assert names(tuple(await cluster.pods_of(made, ready=1))) == ["db-0"]
    claims = (await cluster.client.list(core_v1.PersistentVolumeClaim, "default")).items
    assert len(claims) == 3


async def test_a_claim_goes_with_the_pod_that_is_scaled_away(cluster: Cluster) -> None:
    policy = apps_v1.StatefulSetPersistentVolumeClaimRetentionPolicy(when_deleted="Retain", when_scaled="Delete")
    one = stateful_set(2, volume_claim_templates=[claim_template()], persistent_volume_claim_retention_policy=policy)
    one.metadata = meta_v1.ObjectMeta(name="db", namespace="default")
    made = await cluster.apply(one)
    await cluster.pods_of(made, ready=2)
    await cluster.client.patch(apps_v1.StatefulSet, "db", "default", {"spec": {"replicas": 1}})
    await cluster.settle()
    claims = (await cluster.client.list(core_v1.PersistentVolumeClaim, "default")).items
    assert [each.metadata.name for each in claims] == ["data-db-0"]
    await cluster.client.patch(apps_v1.StatefulSet, "db", "default", {"spec": {"replicas": 2}})
    assert len(await cluster.pods_of(made, ready=2)) == 2


async def test_the_controller_makes_up_for_a_pod_that_was_deleted_under_the_same_name(cluster: Cluster) -> None:
    one = stateful_set(1)
    one.metadata = meta_v1.ObjectMeta(name="db", namespace="default")
    made = await cluster.apply(one)
    [before] = await cluster.pods_of(made, ready=1)
    await cluster.delete(before)
    await cluster.clock.sleep(40)
    [after] = await cluster.pods_of(made, ready=1)
    assert after.metadata.name == before.metadata.name
    assert after.metadata.uid != before.metadata.uid
