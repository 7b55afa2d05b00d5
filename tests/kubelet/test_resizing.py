"""Resizing pods that run, and the control groups that it ends in."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubelet.observations import declared, observed, seen
from pybernetes.api.models.core_v1 import Container, ContainerResizePolicy, ContainerStatus, Pod, ResourceRequirements
from pybernetes.kubelet import admission, cgroups, resizing, resources
from pybernetes.kubelet.cgroups import Cgroups, Setting
from pybernetes.kubelet.pod_share import share_of
from pybernetes.kubelet.resizing import Progress
from pybernetes.kubelet.resources import PodResources, Qos
from pybernetes.kubelet.status_context import Reason

MEMORY = 8 << 30


def asking(cpu: str, memory: str = "64Mi") -> Pod:
    pod = declared()
    pod.spec.containers[0].resources = ResourceRequirements(requests={"cpu": cpu, "memory": memory})
    return pod


def grant(pod: Pod) -> Reason | None:
    return None


def test_what_is_granted_replaces_what_was() -> None:
    small, big = asking("1"), asking("2")
    decision = resizing.decide(big, resizing.asked_for(small), grant)
    assert decision.allocation == resizing.asked_for(big)
    assert resizing.with_allocation(big, decision.allocation) is big


def test_what_is_refused_leaves_the_pod_with_what_it_has() -> None:
    small, big = asking("1"), asking("2")
    refusal = Reason("Deferred", "no room")
    decision = resizing.decide(big, resizing.asked_for(small), lambda pod: refusal)
    effective = resizing.with_allocation(big, decision.allocation)
    assert effective.spec.containers[0].resources.requests["cpu"] == "1"
    (condition,) = resizing.conditions(big, decision.refusal, None)
    assert (condition.type, condition.reason) == ("PodResizePending", "Deferred")


def test_an_earlier_grant_is_read_from_the_status() -> None:
    pod = asking("2")
    known = ContainerStatus(
        name="main", container_id="containerd://x", resources=asking("1").spec.containers[0].resources
    )
    pod.status.container_statuses = [known]
    assert resizing.granted_before(pod).containers["main"].requests["cpu"] == "1"


def test_a_container_whose_group_differs_is_updated() -> None:
    pod = asking("2")
    has = resources.of_container(asking("1"), asking("1").spec.containers[0], MEMORY)
    report = observed(seen("main"))
    (update,) = resizing.updates(pod, report, {"main-0": has}, MEMORY)
    assert (update.resources.cpu_shares, update.restart) == (2048, False)
    assert resizing.updates(pod, report, {"main-0": update.resources}, MEMORY) == []
    assert resizing.updates(pod, report, {}, MEMORY) == []


def test_an_init_container_is_updated_while_it_runs() -> None:
    pod = declared()
    first = Container(name="first", resources=ResourceRequirements(limits={"memory": "64Mi"}))
    pod.spec.init_containers = [first]
    has = resources.of_container(pod, Container(name="first"), MEMORY)
    (update,) = resizing.updates(pod, observed(seen("first")), {"first-0": has}, MEMORY)
    assert (update.name, update.resources.memory_limit, update.restart) == ("first", 64 << 20, False)


@pytest.mark.parametrize(("resource", "restart"), [("cpu", True), ("memory", False)])
def test_the_resize_policy_may_ask_for_a_restart(resource: str, restart: bool) -> None:
    pod = asking("2")
    policy = ContainerResizePolicy(resource_name=resource, restart_policy="RestartContainer")
    pod.spec.containers[0].resize_policy = [policy]
    has = resources.of_container(asking("1"), asking("1").spec.containers[0], MEMORY)
    (update,) = resizing.updates(pod, observed(seen("main")), {"main-0": has}, MEMORY)
    assert update.restart is restart


def test_a_node_refuses_for_now_or_for_ever() -> None:
    allocatable = {"cpu": "4", "memory": "8Gi"}
    never = admission.resize_refusal(asking("5"), [], allocatable)
    assert never is not None
    assert (never.reason, never.message) == (
        "Infeasible",
        "Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000",
    )
    later = admission.resize_refusal(asking("3"), [asking("2")], allocatable)
    assert later is not None
    assert later.reason == "Deferred"
    assert admission.resize_refusal(asking("2"), [asking("2")], allocatable) is None


def test_a_pods_group_is_widened_before_and_tightened_after() -> None:
    one, other = PodResources(100, 5000, None), PodResources(200, 4000, 10)
    assert resizing.roomier(one, other) == PodResources(200, 5000, None)


def test_a_grant_is_in_progress_until_it_is_done() -> None:
    (condition,) = resizing.conditions(asking("1"), None, Progress(3))
    assert (condition.type, condition.reason, condition.observed_generation) == ("PodResizeInProgress", "", 3)
    (condition,) = resizing.conditions(asking("1"), None, Progress(3, "busy"))
    assert (condition.reason, condition.message) == ("Error", "busy")


def test_a_pod_that_states_resources_of_its_own_is_granted_them() -> None:
    pod = asking("1")
    pod.spec.resources = ResourceRequirements(requests={"cpu": "2", "memory": "1G"}, limits={"memory": "2Gi"})
    before = resizing.asked_for(pod)
    pod.status.resources = ResourceRequirements(requests={"cpu": "2", "memory": "1000000000"}, limits={"memory": "1Gi"})
    known = resizing.granted_before(pod)
    assert known.pod == ResourceRequirements(requests={"cpu": "2", "memory": "1G"}, limits={"memory": "1Gi"})
    assert resizing.decide(pod, known, grant).allocation == before
    assert resizing.with_allocation(pod, known).spec.resources == known.pod


def test_the_status_shows_what_the_whole_pod_has() -> None:
    pod = asking("1500m")
    pod.spec.containers.append(Container(name="other"))
    pod.spec.containers[0].resources.limits = {"cpu": "2", "memory": "64Mi"}
    pod.spec.overhead = {"cpu": "100m"}
    share = share_of(pod)
    assert share.requests == {"cpu": "1600m", "memory": "64Mi"}
    assert share.shown("Pending").limits == {"cpu": "2100m", "memory": "64Mi"}
    running = ResourceRequirements(requests={"cpu": "1600m", "memory": "64Mi"})
    assert share.shown("Running") == running  # the other container has no limit
    assert share_of(declared()).shown("Running") == ResourceRequirements()


# ---- control groups


def test_settings_of_both_versions() -> None:
    wanted = PodResources(500, 50_000, 1 << 20)
    assert Setting("cpu", "cpu.shares", "512") in cgroups.settings_v1(wanted)
    assert Setting("memory", "memory.limit_in_bytes", "1048576") in cgroups.settings_v1(wanted)
    assert Setting("cpu", "cpu.max", "50000 100000") in cgroups.settings_v2(wanted)
    unlimited = PodResources(0, None, None)
    assert Setting("cpu", "cpu.cfs_quota_us", "-1") in cgroups.settings_v1(unlimited)
    assert Setting("memory", "memory.max", "max") in cgroups.settings_v2(unlimited)


def test_a_pods_group_exists_in_every_hierarchy(tmp_path: Path) -> None:
    for controller in ("cpu", "memory", "pids"):
        (tmp_path / controller).mkdir()
    groups = Cgroups("/node", tmp_path)
    groups.set_up(4000, MEMORY)
    path = groups.make_pod("u1", Qos.BURSTABLE, PodResources(100, None, 1 << 20))
    assert path == "/node/kubepods/burstable/podu1"
    assert (tmp_path / "pids" / "node/kubepods/burstable/podu1").is_dir()
    assert (tmp_path / "memory" / "node/kubepods/burstable/podu1/memory.limit_in_bytes").read_text() == "1048576"
    assert groups.pods() == {"u1"}


def test_controllers_are_handed_down_on_version_2(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids")
    groups = Cgroups("/", tmp_path)
    groups.make_pod("u1", Qos.GUARANTEED, PodResources(1000, 100_000, 1 << 20))
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu +memory +pids +cpuset +io"
    assert (tmp_path / "kubepods" / "cgroup.subtree_control").exists()
    assert (tmp_path / "kubepods/podu1/cpu.max").read_text() == "100000 100000"
