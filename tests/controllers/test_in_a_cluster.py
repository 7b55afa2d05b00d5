"""Controllers at work in a whole cluster with hollow nodes and virtual time."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import msgspec
import pytest

from pybernetes.api import meta
from pybernetes.api.models import apps_v1, batch_v1, core_v1, discovery_v1
from pybernetes.testing.cluster import Cluster

T = TypeVar("T")


def made(model: type[T], name: str, **content: Any) -> T:
    return msgspec.convert({"metadata": {"name": name, "namespace": "default"}, **content}, model)


def template(command: list[str] | None = None, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "busybox", **({"command": command} if command else {})}
    return {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [container], **spec}}


async def test_a_job_runs_to_completion_and_leaves_no_finalizer(cluster: Cluster) -> None:
    spec = {"completions": 5, "parallelism": 2, "template": template(["true"], restartPolicy="Never")}
    job = await cluster.apply(made(batch_v1.Job, "five", spec=spec))
    await cluster.settle()
    job = await cluster.get(job)
    assert meta.is_true(job.status, "Complete")
    assert (job.status.succeeded, job.status.failed, job.status.active) == (5, 0, 0)
    assert all(not pod.metadata.finalizers for pod in await cluster.pods_of(job))


async def test_a_job_that_keeps_failing_is_given_up(cluster: Cluster) -> None:
    spec = {"backoffLimit": 2, "template": template(["false"], restartPolicy="Never")}
    job = await cluster.apply(made(batch_v1.Job, "doomed", spec=spec))
    await cluster.settle(quiet=60)
    job = await cluster.get(job)
    assert meta.is_true(job.status, "Failed")
    assert job.status.failed == 3


@pytest.mark.parametrize("nodes", [3])
async def test_a_daemon_set_has_a_pod_on_every_node_and_rolls_to_a_new_template(cluster: Cluster, nodes: int) -> None:
    for number in range(1, nodes):
        cluster.add_node(number)
    spec = {"selector": {"matchLabels": {"app": "x"}}, "template": template()}
    agents = await cluster.apply(made(apps_v1.DaemonSet, "agent", spec=spec))
    pods = await cluster.pods_of(agents, ready=nodes)
    assert {pod.spec.node_name for pod in pods} == {f"node-{number}" for number in range(nodes)}
    agents = await cluster.get(agents)
    agents.spec.template.spec.containers[0].image = "busybox:2"
    await cluster.client.update(agents)
    await cluster.settle(quiet=5)
    rolled = await cluster.pods_of(agents, ready=nodes)
    assert {pod.spec.containers[0].image for pod in rolled} == {"busybox:2"}
    revisions = await cluster.client.list(apps_v1.ControllerRevision, "default")
    assert sorted(one.revision for one in revisions.items) == [1, 2]


async def test_a_daemon_set_takes_over_the_pods_and_the_past_of_one_before_it(cluster: Cluster) -> None:
    spec = {"selector": {"matchLabels": {"app": "x"}}, "template": template()}
    first = await cluster.apply(made(apps_v1.DaemonSet, "agent", spec=spec))
    (before,) = await cluster.pods_of(first, ready=1)
    await cluster.delete(first, propagation="Orphan")
    await cluster.settle(quiet=5)
    changed = {**spec, "template": template(["sleep", "1000"]), "updateStrategy": {"type": "OnDelete"}}
    second = await cluster.apply(made(apps_v1.DaemonSet, "agent", spec=changed))
    (after,) = await cluster.pods_of(second, ready=1)
    assert after.metadata.uid == before.metadata.uid
    await cluster.settle(quiet=5)
    revisions = (await cluster.client.list(apps_v1.ControllerRevision, "default")).items
    assert sorted(one.revision for one in revisions) == [1, 2]
    assert all(meta.is_controlled_by(one, second) for one in revisions)


async def test_a_service_lists_its_ready_pods_and_forgets_deleted_ones(cluster: Cluster) -> None:
    port = {"port": 80, "targetPort": 8080}
    service = made(core_v1.Service, "web", spec={"selector": {"app": "x"}, "ports": [port]})
    await cluster.apply(service)
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "x"}}, "template": template()}
    web = await cluster.apply(made(apps_v1.ReplicaSet, "web", spec=spec))
    pods = await cluster.pods_of(web, ready=3)
    await cluster.settle()
    addresses = {pod.status.pod_ip for pod in pods}
    assert await listed(cluster) == (addresses, addresses)
    await cluster.delete(web)
    await cluster.settle(quiet=60)
    assert await listed(cluster) == (set(), set())
    await cluster.delete(service)
    await cluster.settle(quiet=5)
    slices = (await cluster.client.list(discovery_v1.EndpointSlice, "default")).items
    assert [one for one in slices if one.metadata.labels.get("kubernetes.io/service-name") == "web"] == []


async def listed(cluster: Cluster) -> tuple[set[str], set[str]]:
    """The ready addresses of the Service `web`, by its Endpoints and by its slices."""
    endpoints = await cluster.client.get(core_v1.Endpoints, "web", "default")
    slices = await cluster.client.list(
        discovery_v1.EndpointSlice, "default", label_selector="kubernetes.io/service-name=web"
    )
    return (
        {address.ip for subset in endpoints.subsets for address in subset.addresses},
        {one.addresses[0] for each in slices.items for one in each.endpoints if one.conditions.ready},
    )


async def test_pods_of_a_node_that_died_are_replaced_on_another(cluster: Cluster) -> None:
    cluster.add_node(1)
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "x"}}, "template": template()}
    web = await cluster.apply(made(apps_v1.ReplicaSet, "web", spec=spec))
    pods = await cluster.pods_of(web, ready=2)
    assert {pod.spec.node_name for pod in pods} == {"node-0", "node-1"}
    await cluster.kill_node(1)
    await cluster.clock.advance(60)
    node = await cluster.client.get(core_v1.Node, "node-1")
    assert {taint.key for taint in node.spec.taints} == {"node.kubernetes.io/unreachable"}
    await cluster.clock.advance(310)
    survivors = [pod for pod in await cluster.pods_of(web) if pod.metadata.deletion_timestamp is None]
    assert {pod.spec.node_name for pod in survivors} == {"node-0"}
    assert len(survivors) == 2


async def test_a_pod_that_a_job_adopts_is_counted_when_it_ends(cluster: Cluster) -> None:
    spec = {"template": template(["sleep", "1000"], restartPolicy="Never")}
    job = await cluster.apply(made(batch_v1.Job, "once", spec=spec))
    await cluster.settle(quiet=5)
    (pod,) = await cluster.pods_of(job)
    await cluster.client.patch(core_v1.Pod, pod.metadata.name, "default", {"metadata": {"ownerReferences": None}})
    await cluster.settle(quiet=5)
    adopted = await cluster.get(pod)
    assert (meta.is_controlled_by(adopted, job), adopted.metadata.finalizers) == (True, pod.metadata.finalizers)
    await cluster.end(adopted)
    await cluster.settle(quiet=5)
    job = await cluster.get(job)
    assert (job.status.succeeded, meta.is_true(job.status, "Complete")) == (1, True)
    assert len(await cluster.pods_of(job)) == 1


async def test_pods_that_a_job_leaves_behind_are_no_longer_tracked(cluster: Cluster) -> None:
    spec = {"template": template(["sleep", "1000"], restartPolicy="Never")}
    job = await cluster.apply(made(batch_v1.Job, "left", spec=spec))
    (pod,) = await cluster.pods_of(job)
    assert pod.metadata.finalizers
    await cluster.client.delete(batch_v1.Job, "left", "default", propagation="Orphan")
    await cluster.settle()
    left = await cluster.get(pod)
    assert (left.metadata.owner_references, left.metadata.finalizers) == ([], [])


async def test_a_pod_goes_when_it_has_tolerated_a_taint_for_as_long_as_it_said(cluster: Cluster) -> None:
    toleration = {"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 40}
    pod = await cluster.apply(made(core_v1.Pod, "patient", spec=template(tolerations=[toleration])["spec"]))
    await cluster.settle()
    node = await cluster.client.get(core_v1.Node, "node-0")
    node.spec.taints = [*node.spec.taints, core_v1.Taint(key="k", effect="NoExecute")]
    await cluster.client.update(node)
    await asyncio.sleep(35)
    assert (await cluster.get(pod)).metadata.deletion_timestamp is None
    await asyncio.sleep(10)
    await cluster.settle()
    events = await cluster.client.list(core_v1.Event, "default")
    told = [one for one in events.items if one.reason == "TaintManagerEviction"]
    assert [one.message for one in told] == ["Marking for deletion Pod default/patient"]


async def test_an_unavailable_pod_is_one_that_is_asked_for_and_not_there(cluster: Cluster) -> None:
    quota = made(core_v1.ResourceQuota, "two", spec={"hard": {"pods": "2"}})
    await cluster.apply(quota)
    await cluster.settle()
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "x"}}, "template": template()}
    web = await cluster.apply(made(apps_v1.Deployment, "web", spec=spec))
    await cluster.settle()
    status = (await cluster.get(web)).status
    assert (status.replicas, status.available_replicas, status.unavailable_replicas) == (2, 2, 1)
