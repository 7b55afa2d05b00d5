from __future__ import annotations

from typing import Any

from controllers.make import deployment, replica_set
from pybernetes.api import meta
from pybernetes.api.models import apps_v1, core_v1
from pybernetes.testing.cluster import Cluster


async def replica_sets(cluster: Cluster) -> dict[str, apps_v1.ReplicaSet]:
    """By the image of their template."""
    found = (await cluster.client.list(apps_v1.ReplicaSet, "default")).items
    return {each.spec.template.spec.containers[0].image: each for each in found}


async def patch(cluster: Cluster, spec: dict[str, Any]) -> None:
    await cluster.client.patch(apps_v1.Deployment, "web", "default", {"spec": spec})


async def roll_to(cluster: Cluster, image: str) -> None:
    await patch(cluster, {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}})
    await cluster.settle()


async def test_a_new_deployment_gets_a_replica_set_named_by_its_template(cluster: Cluster) -> None:
    web = await cluster.apply(deployment("web"))
    await cluster.settle()
    (owned,) = (await replica_sets(cluster)).values()
    digest = owned.metadata.labels["pod-template-hash"]
    assert owned.metadata.name == f"web-{digest}"
    assert meta.is_controlled_by(owned, web)
    assert owned.metadata.annotations["deployment.kubernetes.io/revision"] == "1"
    assert (await cluster.get(web)).metadata.annotations["deployment.kubernetes.io/revision"] == "1"


async def test_conditions_and_counts_of_a_finished_rollout(cluster: Cluster) -> None:
    web = await cluster.apply(deployment("web"))
    await cluster.settle()
    found = await cluster.get(web)
    (owned,) = (await replica_sets(cluster)).values()
    status = found.status
    assert (status.replicas, status.updated_replicas, status.ready_replicas, status.available_replicas) == (3, 3, 3, 3)
    assert status.observed_generation == found.metadata.generation
    available, progressing = meta.condition(status, "Available"), meta.condition(status, "Progressing")
    assert (available.status, available.reason, available.message) == (
        "True",
        "MinimumReplicasAvailable",
        "Deployment has minimum availability.",
    )
    assert (progressing.status, progressing.reason) == ("True", "NewReplicaSetAvailable")
    assert progressing.message == f'ReplicaSet "{owned.metadata.name}" has successfully progressed.'


async def test_scaling_is_told_in_events(cluster: Cluster) -> None:
    await cluster.apply(deployment("web"))
    await cluster.settle()
    (owned,) = (await replica_sets(cluster)).values()
    await patch(cluster, {"replicas": 1})
    await cluster.settle()
    events = (await cluster.client.list(core_v1.Event, "default")).items
    messages = [event.message for event in events if event.reason == "ScalingReplicaSet"]
    assert messages == [
        f"Scaled up replica set {owned.metadata.name} from 0 to 3",
        f"Scaled down replica set {owned.metadata.name} from 3 to 1",
    ]


async def test_a_changed_template_rolls_all_pods_within_bounds(cluster: Cluster) -> None:
    web = await cluster.apply(deployment("web", replicas=4))
    await cluster.settle()
    most, least = [0], [99]
    watched = cluster.informers.get(core_v1.Pod)

    def count(old: core_v1.Pod | None, new: core_v1.Pod | None) -> None:
        active = [pod for pod in watched.list("default") if pod.metadata.deletion_timestamp is None]
        most.append(len(active))
        least.append(sum(meta.is_true(pod.status, "Ready") for pod in active))

    watched.on_change(count)
    most.clear()
    least.clear()
    await roll_to(cluster, "nginx:2")
    pods = await cluster.pods_of(web, ready=4)
    assert {pod.spec.containers[0].image for pod in pods} == {"nginx:2"}
    assert max(most) <= 5
    assert min(least) >= 3
    sets = await replica_sets(cluster)
    assert (sets["nginx"].spec.replicas, sets["nginx:2"].spec.replicas) == (0, 4)
    assert sets["nginx:2"].metadata.annotations["deployment.kubernetes.io/revision"] == "2"


async def test_going_back_to_an_old_template_takes_its_replica_set_up_again(cluster: Cluster) -> None:
    web = await cluster.apply(deployment("web"))
    await cluster.settle()
    await roll_to(cluster, "nginx:2")
    await roll_to(cluster, "nginx")
    sets = await replica_sets(cluster)
    assert len(sets) == 2
    assert sets["nginx"].spec.replicas == 3
    assert sets["nginx"].metadata.annotations["deployment.kubernetes.io/revision"] == "3"
    assert sets["nginx"].metadata.annotations["deployment.kubernetes.io/revision-history"] == "1"
    assert (await cluster.get(web)).metadata.annotations["deployment.kubernetes.io/revision"] == "3"


async def test_recreate_never_runs_old_and_new_together(cluster: Cluster) -> None:
    web = await cluster.apply(deployment("web", strategy="Recreate"))
    await cluster.settle()
    together: list[set[str]] = []
    watched = cluster.informers.get(core_v1.Pod)

    def look(old: core_v1.Pod | None, new: core_v1.Pod | None) -> None:
        """A pod that has ended may still be there: its containers run no more."""
        there = [pod for pod in watched.list("default") if pod.status.phase not in ("Succeeded", "Failed")]
        together.append({pod.spec.containers[0].image for pod in there})

    watched.on_change(look)
    await roll_to(cluster, "nginx:2")
    assert len(await cluster.pods_of(web, ready=3)) == 3
    assert {"nginx", "nginx:2"} not in together
    assert {"nginx:2"} in together


async def test_a_paused_deployment_is_resized_but_not_rolled(cluster: Cluster) -> None:
    web = await cluster.apply(deployment("web"))
    await cluster.settle()
    await patch(cluster, {"paused": True})
    await cluster.settle()
    assert meta.condition((await cluster.get(web)).status, "Progressing").reason == "DeploymentPaused"
    await roll_to(cluster, "nginx:2")
    await patch(cluster, {"replicas": 5})
    await cluster.settle()
    assert list(await replica_sets(cluster)) == ["nginx"]
    assert len(await cluster.pods_of(web, ready=5)) == 5
    await patch(cluster, {"paused": False})
    await cluster.settle()
    assert (await replica_sets(cluster))["nginx:2"].spec.replicas == 5


async def test_only_as_much_history_is_kept_as_asked(cluster: Cluster) -> None:
    await cluster.apply(deployment("web", history=1))
    await cluster.settle()
    for number in range(2, 5):
        await roll_to(cluster, f"nginx:{number}")
    assert sorted(await replica_sets(cluster)) == ["nginx:3", "nginx:4"]


async def test_a_rollout_that_does_not_get_on_is_called_late(cluster: Cluster) -> None:
    web = deployment("web", deadline=60)
    web.spec.template.spec.node_selector = {"no": "such-node"}
    await cluster.apply(web)
    await cluster.settle()
    assert meta.condition((await cluster.get(web)).status, "Progressing").reason == "ReplicaSetUpdated"
    await cluster.clock.advance(90)
    late = meta.condition((await cluster.get(web)).status, "Progressing")
    assert (late.status, late.reason) == ("False", "ProgressDeadlineExceeded")
    assert late.message.endswith("has timed out progressing.")


async def test_min_ready_seconds_hold_back_availability(cluster: Cluster) -> None:
    web = await cluster.apply(deployment("web", min_ready_seconds=30))
    await cluster.settle()
    assert (await cluster.get(web)).status.available_replicas == 0
    await cluster.clock.advance(40)
    assert (await cluster.get(web)).status.available_replicas == 3


async def test_two_deployments_with_one_name_of_a_replica_set_do_not_share_it(cluster: Cluster) -> None:
    web = await cluster.apply(deployment("web"))
    await cluster.settle()
    (owned,) = (await replica_sets(cluster)).values()
    await cluster.client.delete(apps_v1.Deployment, "web", "default", propagation="Orphan")
    await cluster.settle()
    orphan = await cluster.get(owned)
    assert meta.controller_of(orphan) is None
    again = await cluster.apply(deployment("web"))
    await cluster.settle()
    assert again.metadata.uid != web.metadata.uid
    assert meta.is_controlled_by(await cluster.get(owned), again)


async def test_a_rollout_that_is_overtaken_ends_at_the_last_template(cluster: Cluster) -> None:
    web = await cluster.apply(deployment("web", replicas=4))
    await cluster.settle()
    for number in range(2, 5):
        await patch(cluster, {"template": {"spec": {"containers": [{"name": "main", "image": f"nginx:{number}"}]}}})
        await cluster.clock.advance(0.02)
    await cluster.settle()
    pods = await cluster.pods_of(web, ready=4)
    assert {pod.spec.containers[0].image for pod in pods} == {"nginx:4"}


async def test_a_stuck_rollout_is_resized_in_proportion(cluster: Cluster) -> None:
    web = await cluster.apply(deployment("web", replicas=10, max_surge=3, max_unavailable=2))
    await cluster.settle()
    template = {"spec": {"containers": [{"name": "main", "image": "bad"}], "nodeSelector": {"no": "such-node"}}}
    await patch(cluster, {"template": template})
    await cluster.settle()
    sets = await replica_sets(cluster)
    assert (sets["nginx"].spec.replicas, sets["bad"].spec.replicas) == (8, 5)
    await patch(cluster, {"replicas": 30})
    await cluster.settle()
    sets = await replica_sets(cluster)
    assert (sets["nginx"].spec.replicas, sets["bad"].spec.replicas) == (20, 13)
    assert (await cluster.get(web)).status.available_replicas == 20


async def test_a_taken_name_is_got_around(cluster: Cluster) -> None:
    wanted = deployment("web")
    await cluster.apply(wanted)
    await cluster.settle()
    (owned,) = (await replica_sets(cluster)).values()
    await cluster.client.delete(apps_v1.Deployment, "web", "default")
    await cluster.settle(quiet=30)
    squatter = replica_set(owned.metadata.name, image="other", replicas=0)
    await cluster.apply(squatter)
    web = await cluster.apply(wanted)
    await cluster.settle()
    assert len(await cluster.pods_of(web, ready=3)) == 3
    assert (await cluster.get(web)).status.collision_count == 1
