from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from controllers.make import deployment
from pybernetes import testing
from pybernetes.api.models import core_v1, meta_v1
from pybernetes.testing.cluster import Cluster, LeakedTasks, NotSettled


async def test_from_nothing_to_three_running_pods(cluster: Cluster) -> None:
    web = await cluster.apply(deployment("web", replicas=3))
    await cluster.settle()
    pods = await cluster.pods_of(web, ready=3)
    assert {pod.status.phase for pod in pods} == {"Running"}
    assert all(pod.spec.node_name and pod.status.pod_ip for pod in pods)


async def test_settling_twice_changes_nothing(cluster: Cluster) -> None:
    await cluster.apply(deployment("web"))
    await cluster.settle()
    revision = cluster.store.revision
    await cluster.settle()
    assert cluster.store.revision == revision


async def test_applying_again_makes_the_object_read_like_that(cluster: Cluster) -> None:
    web = await cluster.apply(deployment("web", replicas=1))
    await cluster.settle()
    await cluster.apply(deployment("web", replicas=2))
    await cluster.settle()
    assert len(await cluster.pods_of(web, ready=2)) == 2


async def test_waiting_for_what_never_comes_says_what_there_is(cluster: Cluster) -> None:
    web = await cluster.apply(deployment("web", replicas=1))
    with pytest.raises(NotSettled, match="no 5 ready pods of web"):
        await cluster.pods_of(web, ready=5)


async def test_time_can_be_turned(cluster: Cluster) -> None:
    before = cluster.clock.now()
    await cluster.clock.advance(3600)
    assert (cluster.clock.now() - before).total_seconds() == pytest.approx(3600)


@pytest.mark.virtual_time
async def test_a_task_left_behind_fails_the_test() -> None:
    with pytest.raises(LeakedTasks, match="forgotten"):
        async with Cluster():
            forgotten = asyncio.create_task(asyncio.Event().wait(), name="forgotten")
    forgotten.cancel()


@pytest.mark.virtual_time
async def test_a_shared_object_that_is_written_to_fails_the_test() -> None:
    async def write_to_a_shared_object() -> None:
        async with Cluster() as cluster:
            metadata = meta_v1.ObjectMeta(name="shared", namespace="default")
            await cluster.client.create(core_v1.ConfigMap(metadata=metadata))
            known = cluster.informers.get(core_v1.ConfigMap)
            await cluster.settle()
            known.list("default")[0].data["x"] = "y"

    with pytest.raises(AssertionError, match="changed in place"):
        await write_to_a_shared_object()


@pytest.mark.virtual_time
async def test_the_same_seed_gives_the_same_run() -> None:
    runs = []
    for _ in range(2):
        async with Cluster(seed=7) as cluster:
            web = await cluster.apply(deployment("web"))
            await cluster.settle()
            runs.append(sorted(pod.metadata.name for pod in await cluster.pods_of(web)))
    assert runs[0] == runs[1]


@pytest.mark.cluster(nodes=3, controllers=("*", "-deployment-controller"))
async def test_what_a_cluster_is_made_of_can_be_chosen(cluster: Cluster) -> None:
    await cluster.apply(deployment("web"))
    await cluster.settle()
    assert len((await cluster.client.list(core_v1.Node)).items) == 3
    assert (await cluster.client.list(core_v1.Pod)).items == []


async def test_a_manifest_can_be_applied_as_text(cluster: Cluster) -> None:
    team, settings = await cluster.apply_yaml(
        """
        {apiVersion: v1, kind: Namespace, metadata: {name: team}}
        ---
        {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {colour: blue}}
        """
    )
    assert team.metadata.uid
    assert (settings.metadata.namespace, settings.data) == ("default", {"colour": "blue"})


async def test_the_example_of_the_users_page_runs_as_it_stands(cluster: Cluster) -> None:
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
    names: dict[str, Any] = {}
    exec(page.partition("# test_web.py\n")[2].partition("```")[0], names)
    await names["test_a_deleted_pod_is_replaced"](cluster)


def test_the_package_has_what_users_need_and_nothing_else() -> None:
    assert testing.Cluster is Cluster
    assert {name: getattr(testing, name).__module__ for name in testing.__all__} == {
        "Cluster": "pybernetes.testing.cluster",
        "Deadlock": "pybernetes.testing.loop",
        "LeakedTasks": "pybernetes.testing.cluster",
        "NotSettled": "pybernetes.testing.cluster",
        "VirtualLoop": "pybernetes.testing.loop",
    }
    with pytest.raises(AttributeError, match=r"module 'pybernetes\.testing' has no attribute 'Clusters'"):
        _ = testing.Clusters


@pytest.mark.cluster(nodes=0, simulated_nodes=100)
async def test_many_nodes_can_be_simulated(cluster: Cluster) -> None:
    web = await cluster.apply(deployment("web", replicas=50))
    pods = await cluster.pods_of(web, ready=50)
    assert len({pod.spec.node_name for pod in pods}) == 50
