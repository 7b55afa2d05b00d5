from __future__ import annotations

from typing import Any

import pytest

from controllers.make import deployment, replica_set, template
from pybernetes.api import meta
from pybernetes.api.errors import ApiError
from pybernetes.api.models import apps_v1, core_v1, meta_v1
from pybernetes.testing.cluster import Cluster


async def is_gone(cluster: Cluster, value: Any) -> bool:
    try:
        await cluster.get(value)
    except ApiError as error:
        return error.code == 404
    return False


def namespace(name: str = "team") -> core_v1.Namespace:
    return core_v1.Namespace(metadata=meta_v1.ObjectMeta(name=name))


def config_map(name: str, **metadata: Any) -> core_v1.ConfigMap:
    return core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name=name, namespace="default", **metadata))


async def test_every_namespace_gets_a_default_account_and_the_root_ca(cluster: Cluster) -> None:
    await cluster.apply(namespace())
    await cluster.settle()
    account = await cluster.client.get(core_v1.ServiceAccount, "default", "team")
    await cluster.client.delete(core_v1.ServiceAccount, "default", "team")
    await cluster.settle()
    again = await cluster.client.get(core_v1.ServiceAccount, "default", "team")
    assert again.metadata.uid != account.metadata.uid
    bundle = await cluster.client.get(core_v1.ConfigMap, "kube-root-ca.crt", "team")
    assert list(bundle.data) == ["ca.crt"]


async def test_the_root_ca_is_put_right_when_someone_changes_it(cluster: Cluster) -> None:
    await cluster.settle()
    before = await cluster.client.get(core_v1.ConfigMap, "kube-root-ca.crt", "default")
    await cluster.client.patch(core_v1.ConfigMap, "kube-root-ca.crt", "default", {"data": {"ca.crt": "mine"}})
    await cluster.settle()
    assert (await cluster.get(before)).data == before.data


async def test_a_deleted_namespace_takes_everything_with_it(cluster: Cluster) -> None:
    team = await cluster.apply(namespace())
    web = deployment("web")
    web.metadata.namespace = "team"
    await cluster.apply(web)
    await cluster.settle()
    await cluster.delete(team)
    await cluster.settle(quiet=60)
    assert await is_gone(cluster, team)
    assert (await cluster.client.list(core_v1.Pod, "team")).items == []
    assert (await cluster.client.list(apps_v1.Deployment, "team")).items == []


async def test_a_finalizer_holds_a_namespace_which_says_so(cluster: Cluster) -> None:
    team = await cluster.apply(namespace())
    held = config_map("held", finalizers=["example.com/hold"])
    held.metadata.namespace = "team"
    await cluster.apply(held)
    await cluster.settle()
    await cluster.delete(team)
    await cluster.clock.advance(30)
    status = (await cluster.get(team)).status
    assert status.phase == "Terminating"
    remaining = meta.condition(status, "NamespaceContentRemaining")
    assert remaining.message == "Some resources are remaining: configmaps. has 1 resource instances"
    finalizers = meta.condition(status, "NamespaceFinalizersRemaining")
    assert finalizers.message == (
        "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
    )
    await cluster.client.patch(core_v1.ConfigMap, "held", "team", {"metadata": {"finalizers": None}})
    await cluster.clock.advance(30)
    assert await is_gone(cluster, team)


async def test_a_namespaces_pods_go_before_anything_else(cluster: Cluster) -> None:
    team = await cluster.apply(namespace())
    kept = config_map("kept")
    kept.metadata.namespace = "team"
    await cluster.apply(kept)
    metadata = meta_v1.ObjectMeta(name="held", namespace="team", finalizers=["example.com/hold"])
    spec = core_v1.PodSpec(containers=[core_v1.Container(name="main", image="nginx")])
    await cluster.apply(core_v1.Pod(metadata=metadata, spec=spec))
    await cluster.settle()
    await cluster.delete(team)
    await cluster.clock.advance(30)
    assert not await is_gone(cluster, kept)
    remaining = meta.condition((await cluster.get(team)).status, "NamespaceContentRemaining")
    assert (remaining.status, remaining.reason) == ("False", "ContentRemoved")
    await cluster.client.patch(core_v1.Pod, "held", "team", {"metadata": {"finalizers": None}})
    await cluster.clock.advance(30)
    assert await is_gone(cluster, team)


async def test_dependents_follow_their_owner_in_the_background(cluster: Cluster) -> None:
    web = await cluster.apply(deployment("web"))
    await cluster.settle()
    await cluster.delete(web, propagation="Background")
    await cluster.settle(quiet=60)
    assert (await cluster.client.list(apps_v1.ReplicaSet, "default")).items == []
    assert (await cluster.client.list(core_v1.Pod, "default")).items == []


async def test_in_the_foreground_the_owner_goes_last(cluster: Cluster) -> None:
    web = await cluster.apply(deployment("web"))
    await cluster.settle()
    gone: list[str] = []
    for model in (apps_v1.Deployment, apps_v1.ReplicaSet, core_v1.Pod):
        cluster.informers.get(model).on_change(lambda old, new: gone.append(old.kind) if old and not new else None)
    await cluster.delete(web, propagation="Foreground")
    await cluster.settle(quiet=60)
    assert gone == ["Pod", "Pod", "Pod", "ReplicaSet", "Deployment"]


async def test_orphans_stay_without_their_owner(cluster: Cluster) -> None:
    web = await cluster.apply(deployment("web"))
    await cluster.settle()
    await cluster.delete(web, propagation="Orphan")
    await cluster.settle()
    assert await is_gone(cluster, web)
    (left,) = (await cluster.client.list(apps_v1.ReplicaSet, "default")).items
    assert left.metadata.owner_references == []
    assert len((await cluster.client.list(core_v1.Pod, "default")).items) == 3


async def test_an_object_lives_while_one_of_its_owners_does(cluster: Cluster) -> None:
    first, second = [await cluster.apply(config_map(name)) for name in ("first", "second")]
    owners = [meta.owner_reference(owner, controller=False) for owner in (first, second)]
    child = await cluster.apply(config_map("child", owner_references=owners))
    await cluster.delete(first)
    await cluster.settle()
    assert [owner.name for owner in (await cluster.get(child)).metadata.owner_references] == ["second"]
    await cluster.delete(second)
    await cluster.settle()
    assert await is_gone(cluster, child)


async def test_an_owner_of_another_uid_is_no_owner(cluster: Cluster) -> None:
    owner = await cluster.apply(config_map("owner"))
    reference = meta.owner_reference(owner, controller=False)
    reference.uid = "00000000-0000-0000-0000-000000000000"
    child = await cluster.apply(config_map("child", owner_references=[reference]))
    await cluster.settle()
    assert await is_gone(cluster, child)


async def test_a_reference_with_a_wrong_name_harms_its_holder_only(cluster: Cluster) -> None:
    owner = await cluster.apply(config_map("owner"))
    right = meta.owner_reference(owner, controller=False)
    wrong = meta.owner_reference(owner, controller=False)
    wrong.name = "other"
    mistaken = await cluster.apply(config_map("mistaken", owner_references=[wrong]))
    await cluster.settle()
    assert await is_gone(cluster, mistaken)
    gone = meta.owner_reference(mistaken, controller=False)
    child = await cluster.apply(config_map("child", owner_references=[right, gone]))
    await cluster.settle()
    assert [one.name for one in (await cluster.get(child)).metadata.owner_references] == ["owner"]


async def test_an_owner_in_another_namespace_is_none_and_somebody_is_told(cluster: Cluster) -> None:
    await cluster.client.create(core_v1.Namespace(metadata=meta_v1.ObjectMeta(name="far")))
    owner = await cluster.client.create(core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name="owner", namespace="far")))
    await cluster.settle()
    child = await cluster.apply(config_map("child", owner_references=[meta.owner_reference(owner, controller=False)]))
    await cluster.settle()
    assert await is_gone(cluster, child)
    events = await cluster.client.list(core_v1.Event, "default")
    told = [one.message for one in events.items if one.reason == "OwnerRefInvalidNamespace"]
    where = f"[v1/ConfigMap, namespace: default, name: owner, uid: {owner.metadata.uid}]"
    assert told == [f'ownerRef {where} does not exist in namespace "default"']


@pytest.mark.parametrize("length", [2, 3])
async def test_a_circle_of_owners_is_left_alone_until_one_is_deleted(cluster: Cluster, length: int) -> None:
    ring = [await cluster.apply(config_map(f"ring-{number}")) for number in range(length)]
    for number, each in enumerate(ring):
        owner = meta.owner_reference(ring[number - 1], controller=False)
        owner.block_owner_deletion = True
        each.metadata.owner_references = [owner]
        await cluster.client.update(each)
    await cluster.settle()
    assert not await is_gone(cluster, ring[0])
    await cluster.delete(ring[0], propagation="Foreground")
    await cluster.settle(quiet=60)
    assert [await is_gone(cluster, each) for each in ring] == [True] * length


async def test_of_an_owner_that_waits_and_one_that_stays_the_staying_one_counts(cluster: Cluster) -> None:
    leaving = await cluster.apply(replica_set("web", replicas=6))
    staying = await cluster.apply(config_map("staying"))
    pods = await cluster.pods_of(leaving, ready=6)
    kept = {pod.metadata.name for pod in pods[:3]}
    for pod in pods[:3]:
        pod.metadata.owner_references.append(meta.owner_reference(staying, controller=False))
        await cluster.client.update(pod)
    await cluster.delete(leaving, propagation="Foreground")
    await cluster.settle(quiet=60)
    assert await is_gone(cluster, leaving)
    left = (await cluster.client.list(core_v1.Pod, "default")).items
    assert {pod.metadata.name for pod in left} == kept
    assert all(pod.metadata.deletion_timestamp is None for pod in left)
    assert all([owner.name for owner in pod.metadata.owner_references] == ["staying"] for pod in left)


async def test_pods_go_before_what_else_is_in_a_namespace(cluster: Cluster) -> None:
    team = await cluster.apply(namespace())
    pod = core_v1.Pod(
        metadata=meta_v1.ObjectMeta(name="held", namespace="team", finalizers=["example.com/hold"]),
        spec=template().spec,
    )
    await cluster.apply(pod)
    settings = config_map("settings")
    settings.metadata.namespace = "team"
    await cluster.apply(settings)
    await cluster.settle()
    await cluster.delete(team)
    await cluster.clock.advance(60)
    assert (await cluster.get(pod)).metadata.deletion_timestamp is not None
    assert (await cluster.get(settings)).metadata.deletion_timestamp is None
    await cluster.client.patch(core_v1.Pod, "held", "team", {"metadata": {"finalizers": None}})
    await cluster.clock.advance(30)
    assert await is_gone(cluster, team)
