from __future__ import annotations

from controllers.make import replica_set, template
from pybernetes.api import meta
from pybernetes.api.models import apps_v1, core_v1, meta_v1, scheduling_v1
from pybernetes.testing.cluster import Cluster


async def test_a_deleted_pod_is_replaced_under_its_replica_set(cluster: Cluster) -> None:
    web = await cluster.apply(replica_set("web", replicas=3))
    first, *_ = await cluster.pods_of(web, ready=3)
    await cluster.delete(first)
    await cluster.settle()
    pods = await cluster.pods_of(web, ready=3)
    assert first.metadata.uid not in {pod.metadata.uid for pod in pods}


async def test_the_status_counts_what_there_is(cluster: Cluster) -> None:
    web = await cluster.apply(replica_set("web", replicas=2))
    await cluster.settle()
    status = (await cluster.get(web)).status
    assert (status.replicas, status.ready_replicas, status.available_replicas, status.fully_labeled_replicas) == (
        2,
        2,
        2,
        2,
    )
    assert status.observed_generation == 1


async def test_a_matching_orphan_is_adopted_and_not_doubled(cluster: Cluster) -> None:
    orphan = core_v1.Pod(
        metadata=meta_v1.ObjectMeta(name="orphan", namespace="default", labels={"app": "web"}),
        spec=template().spec,
    )
    await cluster.apply(orphan)
    web = await cluster.apply(replica_set("web", replicas=2))
    await cluster.settle()
    pods = await cluster.pods_of(web, ready=2)
    assert "orphan" in {pod.metadata.name for pod in pods}


async def test_a_pod_that_stops_matching_is_released_and_replaced(cluster: Cluster) -> None:
    web = await cluster.apply(replica_set("web", replicas=1))
    (pod,) = await cluster.pods_of(web, ready=1)
    await cluster.client.patch(core_v1.Pod, pod.metadata.name, "default", {"metadata": {"labels": {"app": "other"}}})
    await cluster.settle()
    released = await cluster.get(pod)
    assert meta.controller_of(released) is None
    (replacement,) = await cluster.pods_of(web, ready=1)
    assert replacement.metadata.uid != pod.metadata.uid


async def test_scaling_down_to_nothing_and_up_again(cluster: Cluster) -> None:
    web = await cluster.apply(replica_set("web", replicas=3))
    await cluster.settle()
    for replicas in (0, 4):
        await cluster.client.patch(apps_v1.ReplicaSet, "web", "default", {"spec": {"replicas": replicas}})
        await cluster.settle()
        assert len(await cluster.pods_of(web, ready=replicas)) == replicas


async def test_what_was_done_is_told_in_events(cluster: Cluster) -> None:
    await cluster.apply(replica_set("web", replicas=1))
    await cluster.settle()
    events = (await cluster.client.list(core_v1.Event, "default")).items
    (created,) = [event for event in events if event.reason == "SuccessfulCreate"]
    assert created.message.startswith("Created pod: web-")
    assert created.source.component == "replicaset-controller"


async def test_a_replication_controller_does_the_same(cluster: Cluster) -> None:
    web = await cluster.apply(
        core_v1.ReplicationController(
            metadata=meta_v1.ObjectMeta(name="web", namespace="default"),
            spec=core_v1.ReplicationControllerSpec(replicas=2, selector={"app": "web"}, template=template()),
        )
    )
    first, _ = await cluster.pods_of(web, ready=2)
    await cluster.delete(first)
    await cluster.settle()
    assert len(await cluster.pods_of(web, ready=2)) == 2


async def test_a_refused_pod_is_told_as_a_failure_until_it_is_not_any_more(cluster: Cluster) -> None:
    wanted = replica_set("web", replicas=2)
    wanted.spec.template.spec.priority_class_name = "nobody-made-it"
    web = await cluster.apply(wanted)
    await cluster.settle()
    (failure,) = (await cluster.get(web)).status.conditions
    assert (failure.type, failure.status, failure.reason) == ("ReplicaFailure", "True", "FailedCreate")
    assert "nobody-made-it" in failure.message
    priority = scheduling_v1.PriorityClass(metadata=meta_v1.ObjectMeta(name="nobody-made-it"), value=5)
    await cluster.apply(priority)
    await cluster.clock.advance(60)
    assert (await cluster.get(web)).status.conditions == []
    assert len(await cluster.pods_of(web, ready=2)) == 2
