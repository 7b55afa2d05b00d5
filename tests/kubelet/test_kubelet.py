"""A whole kubelet over a hollow runtime and a real API server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kubelet.worlds import World, container, pod, state_of, states, world
from pybernetes.api.errors import ApiError
from pybernetes.api.models.coordination_v1 import Lease
from pybernetes.api.models.core_v1 import ContainerStatus, Node, Pod
from pybernetes.api.models.meta_v1 import ObjectMeta
from pybernetes.api.models.storage_v1 import CSINode, CSINodeDriver, CSINodeSpec
from pybernetes.client import PatchType
from pybernetes.kubelet import csi_node

pytestmark = pytest.mark.virtual_time


async def test_the_node_registers_itself_and_is_ready(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:

        async def ready() -> Node | None:
            try:
                node = await cluster.client.get(Node, "node-1")
            except ApiError:
                return None
            return node if any(c.type == "Ready" and c.status == "True" for c in node.status.conditions) else None

        node = await cluster.until(ready)
        assert node.metadata.labels["kubernetes.io/hostname"] == "node-1"
        assert {a.type: a.address for a in node.status.addresses} == {"InternalIP": "10.0.0.1", "Hostname": "node-1"}
        assert node.status.capacity["pods"] == "110"
        assert node.status.daemon_endpoints.kubelet_endpoint.port == 10250

        async def lease() -> Lease | None:
            try:
                return await cluster.client.get(Lease, "node-1", "kube-node-lease")
            except ApiError:
                return None

        found = await cluster.until(lease)
        assert found.spec.holder_identity == "node-1"
        assert found.metadata.owner_references[0].uid == node.metadata.uid


async def test_the_node_has_a_csi_node_that_is_its_own(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:

        async def published() -> CSINode | None:
            try:
                return await cluster.client.get(CSINode, "node-1")
            except ApiError:
                return None

        found = await cluster.until(published)
        node = await cluster.client.get(Node, "node-1")
        (owner,) = found.metadata.owner_references
        assert (owner.kind, owner.name, owner.uid) == ("Node", "node-1", node.metadata.uid)
        assert "kubernetes.io/aws-ebs," in found.metadata.annotations["storage.alpha.kubernetes.io/migrated-plugins"]
        assert found.spec.drivers == []


async def test_the_csi_node_of_a_former_node_of_the_name_is_taken_over_with_its_drivers(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        driver = CSINodeDriver(name="a.driver", node_id="n")
        await cluster.client.create(CSINode(metadata=ObjectMeta(name="a"), spec=CSINodeSpec(drivers=[driver])))
        await csi_node.ensure(cluster.client, Node(metadata=ObjectMeta(name="a", uid="1")))
        await csi_node.ensure(cluster.client, Node(metadata=ObjectMeta(name="a", uid="2")))
        found = await cluster.client.get(CSINode, "a")
        assert [owner.uid for owner in found.metadata.owner_references] == ["2"]
        assert [driver.name for driver in found.spec.drivers] == ["a.driver"]


async def test_a_pod_runs_and_is_ready(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        await cluster.client.create(pod("web"))
        found = await cluster.in_phase("web", "Running")
        assert found.status.pod_ip
        assert found.status.host_ip == "10.0.0.1"
        assert {c.type: c.status for c in found.status.conditions} == {
            "PodReadyToStartContainers": "True",
            "Initialized": "True",
            "Ready": "True",
            "ContainersReady": "True",
            "PodScheduled": "True",
        }
        (status,) = found.status.container_statuses
        assert status.ready
        assert status.started
        assert status.container_id.startswith("hollow://")

        async def told() -> bool:
            return {"Pulled", "Created", "Started"} <= {e.reason for e in await cluster.events("web")}

        await cluster.until(told)


async def test_init_containers_run_before_the_others(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        first, second = container("first", "sleep", "5"), container("second", "sleep", "5")
        await cluster.client.create(pod("web", init_containers=[first, second]))
        found = await cluster.in_phase("web", "Running")
        assert cluster.clock.monotonic() >= 10
        assert [s.state.terminated.reason for s in found.status.init_container_statuses] == ["Completed", "Completed"]


async def test_a_pod_that_need_not_restart_succeeds(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        await cluster.client.create(pod("job", container("main", "true"), restart_policy="Never"))
        found = await cluster.in_phase("job", "Succeeded")
        assert found.status.container_statuses[0].state.terminated.exit_code == 0
        assert {c.type: c.reason for c in found.status.conditions}["Ready"] == "PodCompleted"


async def test_a_failing_container_is_restarted_with_growing_pauses(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        watching = asyncio.create_task(states(cluster.client, "crash", 11))
        await asyncio.sleep(0.1)
        await cluster.client.create(pod("crash", container("main", "sh", "-c", "sleep 1; false")))
        seen = await watching
        assert seen == [
            *(("Running", 0), ("Error", 0)),
            *(("Running", 1), ("Error", 1), ("CrashLoopBackOff", 1)),
            *(("Running", 2), ("Error", 2), ("CrashLoopBackOff", 2)),
            *(("Running", 3), ("Error", 3), ("CrashLoopBackOff", 3)),
        ]
        assert 74 <= cluster.clock.monotonic() < 80
        assert (await cluster.pod("crash")).status.phase == "Running"


async def test_a_container_that_waits_is_said_to_do_so_from_the_next_look_on(tmp_path: Path) -> None:
    """A pause of more than a minute has a look in its middle."""
    async with world(tmp_path) as cluster:
        await cluster.client.create(pod("crash", container("main", "sleep", "1")))
        await cluster.until(lambda: _restarts(cluster, 4), 400)
        await asyncio.sleep(50)
        assert [state_of(s) for s in (await cluster.pod("crash")).status.container_statuses] == [("Completed", 4)]
        await asyncio.sleep(20)
        (status,) = (await cluster.pod("crash")).status.container_statuses
        assert state_of(status) == ("CrashLoopBackOff", 4)
        assert status.state.waiting.message.startswith("back-off 1m20s restarting")
        assert status.last_state.terminated.exit_code == 0


async def test_another_image_lets_a_container_that_waits_start_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        await cluster.client.create(pod("crash", container("main", "sleep", "1")))
        await cluster.until(lambda: _restarts(cluster, 4), 400)
        await asyncio.sleep(5)
        before = cluster.clock.monotonic()
        changed = await cluster.pod("crash")
        changed.spec.containers[0].image = "busybox:2"
        await cluster.client.update(changed)
        await cluster.until(lambda: _restarts(cluster, 5), 5)
        assert cluster.clock.monotonic() - before < 5


async def test_what_others_write_into_a_status_does_not_make_the_kubelet_look(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        await cluster.client.create(pod("crash", container("main", "sleep", "1")))
        await cluster.until(lambda: _restarts(cluster, 3), 400)
        await asyncio.sleep(5)
        mark = {"type": "example.com/mark", "status": "True"}
        change = {"status": {"conditions": [mark]}}
        await cluster.client.patch(Pod, "crash", "default", change, PatchType.STRATEGIC, subresource="status")
        await asyncio.sleep(20)
        found = await cluster.pod("crash")
        assert state_of(found.status.container_statuses[0]) == ("Completed", 3)
        assert "example.com/mark" in {condition.type for condition in found.status.conditions}


async def _restarts(cluster: World, count: int) -> bool:
    (status,) = (await cluster.pod("crash")).status.container_statuses or [ContainerStatus()]
    return bool(status.restart_count == count)


async def test_a_deleted_pod_is_stopped_and_taken_out_of_the_api(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        await cluster.client.create(pod("web"))
        await cluster.in_phase("web", "Running")
        await cluster.client.delete(Pod, "web", "default")

        async def gone() -> bool:
            return not (await cluster.client.list(Pod, "default")).items

        await cluster.until(gone)

        async def nothing_left() -> bool:
            return not await cluster.runtime.list_containers() and not await cluster.runtime.list_sandboxes()

        await cluster.until(nothing_left)


async def test_a_pod_past_its_deadline_fails(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        await cluster.client.create(pod("slow", active_deadline_seconds=30))
        await cluster.in_phase("slow", "Running")
        found = await cluster.in_phase("slow", "Failed")
        assert found.status.reason == "DeadlineExceeded"


async def test_a_pod_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path, capacity={"cpu": "1"}) as cluster:
        big = container("main")
        big.resources.requests = {"cpu": "2"}
        await cluster.client.create(pod("big", big))
        found = await cluster.in_phase("big", "Failed")
        assert found.status.reason == "OutOfcpu"
        assert "requested: 2000, used: 0, capacity: 1000" in found.status.message


async def test_a_pod_deleted_while_no_kubelet_looked_is_stopped_by_the_next(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        await cluster.client.create(pod("web"))
        await cluster.in_phase("web", "Running")
        await cluster.stop()
        await cluster.client.delete(Pod, "web", "default", grace_period=0)
        assert await cluster.runtime.list_containers()
        cluster.start()

        async def nothing_left() -> bool:
            return not await cluster.runtime.list_sandboxes()

        await cluster.until(nothing_left)


async def test_a_restarted_kubelet_adopts_what_runs(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        await cluster.client.create(pod("web"))
        before = await cluster.in_phase("web", "Running")
        await cluster.stop()
        cluster.start()
        await asyncio.sleep(30)
        after = await cluster.pod("web")
        assert after.status == before.status
        assert len(await cluster.runtime.list_containers()) == 1


async def test_a_status_that_somebody_else_changed_is_put_right(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        await cluster.client.create(pod("web"))
        await cluster.in_phase("web", "Running")
        foreign = {
            "status": {"conditions": [{"type": "Ready", "status": "False"}, {"type": "my/gate", "status": "True"}]}
        }
        await cluster.client.patch(Pod, "web", "default", foreign, PatchType.STRATEGIC, subresource="status")

        async def ready_again() -> bool:
            found = {c.type: c.status for c in (await cluster.pod("web")).status.conditions}
            return found["Ready"] == "True" and found["my/gate"] == "True"

        await cluster.until(ready_again)


async def test_an_image_that_cannot_be_pulled_is_said_so(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        wrong = container("main")
        wrong.image = "registry.invalid/none:1"
        await cluster.client.create(pod("web", wrong))

        async def backs_off() -> bool:
            (status,) = (await cluster.pod("web")).status.container_statuses or [None]
            return (
                status is not None
                and status.state.waiting is not None
                and status.state.waiting.reason == "ImagePullBackOff"
            )

        await cluster.until(backs_off)

        async def told() -> bool:
            found = {(e.reason, e.message.partition(": ")[0]) for e in await cluster.events("web")}
            return {
                ("Failed", 'Failed to pull image "registry.invalid/none:1"'),
                ("Failed", "Error"),
                ("BackOff", 'Back-off pulling image "registry.invalid/none:1"'),
            } <= found

        await cluster.until(told)


async def test_an_image_that_must_not_be_pulled_is_said_so(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        local = container("main")
        local.image_pull_policy = "Never"
        await cluster.client.create(pod("web", local))

        async def refused() -> bool:
            (status,) = (await cluster.pod("web")).status.container_statuses or [None]
            return (
                status is not None
                and status.state.waiting is not None
                and status.state.waiting.reason == "ErrImageNeverPull"
            )

        await cluster.until(refused)


async def test_the_node_tells_what_becomes_of_it(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:

        async def told() -> bool:
            found = {e.reason: e.message for e in await cluster.events("node-1")}
            return found == {"Starting": "Starting kubelet.", "NodeReady": "Node node-1 status is now: NodeReady"}

        await cluster.until(told)
