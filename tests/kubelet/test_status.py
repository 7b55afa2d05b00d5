"""The status of a pod, from what the runtime reports."""

from __future__ import annotations

import pytest

from kubelet.observations import NOW, declared, exited, first, observed, sandbox, seen, sidecar
from pybernetes.api.models.core_v1 import (
    ContainerState,
    ContainerStateRunning,
    ContainerStatus,
    PodCondition,
    PodReadinessGate,
    PodStatus,
)
from pybernetes.kubelet.observed import ObservedPod
from pybernetes.kubelet.status import status_of
from pybernetes.kubelet.status_context import Reason, StatusContext
from pybernetes.kubelet.status_manager import difference

NOTHING = ObservedPod("uid")


def context(**more: object) -> StatusContext:
    return StatusContext(now=NOW, host_ips=("10.0.0.1",), **more)  # type: ignore[arg-type]


def well(*names: str) -> StatusContext:
    ids = frozenset(f"{name}-0" for name in names)
    return context(ready=ids, started=ids)


def condition(status: PodStatus, type: str) -> PodCondition:
    (found,) = [c for c in status.conditions if c.type == type]
    return found


def test_a_pod_that_has_just_arrived_is_pending() -> None:
    status = status_of(declared(), NOTHING, context())
    assert status.phase == "Pending"
    assert status.container_statuses[0].state.waiting is not None
    assert status.container_statuses[0].state.waiting.reason == "ContainerCreating"
    assert (status.start_time, status.qos_class, status.host_ip) == (NOW, "BestEffort", "10.0.0.1")
    assert condition(status, "Ready").message == "containers with unready status: [main]"


def test_containers_wait_for_init_containers() -> None:
    status = status_of(declared(init=(first("one"),)), observed(seen("one")), well("one"))
    assert status.phase == "Pending"
    assert status.container_statuses[0].state.waiting is not None
    assert status.container_statuses[0].state.waiting.reason == "PodInitializing"
    assert condition(status, "Initialized").message == "containers with incomplete status: [one]"


def test_a_running_pod_is_ready() -> None:
    status = status_of(declared(), observed(seen("main")), well("main"))
    assert (status.phase, status.pod_ip) == ("Running", "10.1.1.1")
    assert condition(status, "Ready").status == "True"
    assert status.container_statuses[0].container_id == "containerd://main-0"


def test_the_address_stays_until_there_is_another_sandbox() -> None:
    running = status_of(declared(), observed(seen("main")), well("main"))
    pod = declared()
    pod.status = running
    over = status_of(pod, observed(exited("main", 1), sandboxes=(sandbox(ready=False),)), context())
    assert (over.phase, over.pod_ip, [one.ip for one in over.pod_ips]) == ("Running", "10.1.1.1", ["10.1.1.1"])
    assert status_of(pod, observed(sandboxes=(sandbox(ips=()),)), context()).pod_ip == ""
    assert status_of(pod, observed(sandboxes=(sandbox(ips=("10.1.1.2",)),)), context()).pod_ip == "10.1.1.2"


def test_readiness_gates_hold_back_the_pod_but_not_its_containers() -> None:
    pod = declared(readiness_gates=[PodReadinessGate(condition_type="example.org/ok")])
    status = status_of(pod, observed(seen("main")), well("main"))
    assert condition(status, "ContainersReady").status == "True"
    assert condition(status, "Ready").reason == "ReadinessGatesNotReady"
    pod.status.conditions = [PodCondition(type="example.org/ok", status="True")]
    status = status_of(pod, observed(seen("main")), well("main"))
    assert condition(status, "Ready").status == "True"
    assert condition(status, "example.org/ok").status == "True"


@pytest.mark.parametrize(
    ("policy", "codes", "phase"),
    [
        ("Never", (0, 0), "Succeeded"),
        ("Never", (0, 1), "Failed"),
        ("OnFailure", (0, 0), "Succeeded"),
        ("OnFailure", (0, 1), "Running"),
        ("Always", (0, 0), "Running"),
    ],
)
def test_the_phase_of_a_pod_whose_containers_have_ended(policy: str, codes: tuple[int, int], phase: str) -> None:
    report = observed(exited("a", codes[0]), exited("b", codes[1]))
    assert status_of(declared("a", "b", restart_policy=policy), report, context()).phase == phase


def test_one_running_container_makes_the_pod_running() -> None:
    pod = declared("a", "b", restart_policy="Never")
    assert status_of(pod, observed(exited("a", 1), seen("b")), well("b")).phase == "Running"


def test_a_failed_init_container_fails_a_pod_that_never_restarts() -> None:
    pod = declared(init=(first("one"),), restart_policy="Never")
    assert status_of(pod, observed(exited("one", 1)), context()).phase == "Failed"


def test_a_sidecar_that_has_not_started_keeps_the_pod_pending() -> None:
    pod = declared(init=(sidecar("proxy"),))
    assert status_of(pod, observed(seen("proxy")), context()).phase == "Pending"
    assert status_of(pod, observed(seen("proxy"), seen("main")), well("proxy", "main")).phase == "Running"


def test_a_container_in_back_off_waits_and_shows_how_it_ended() -> None:
    reasons = {"main": Reason("CrashLoopBackOff", "back-off 10s")}
    report = observed(exited("main", 7, restarts=2), exited("main", 5, restarts=1))
    (status,) = status_of(declared(), report, context(reasons=reasons)).container_statuses
    assert status.state.waiting is not None
    assert status.state.waiting.reason == "CrashLoopBackOff"
    assert status.last_state.terminated is not None
    assert status.last_state.terminated.exit_code == 7
    assert status.restart_count == 2


def test_a_container_that_is_not_started_again_shows_how_its_start_failed() -> None:
    reasons = {"main": Reason("RunContainerError", "no such file")}
    report = observed(exited("main", 128))
    status = status_of(declared(restart_policy="Never"), report, context(reasons=reasons))
    assert status.phase == "Failed"
    assert status.container_statuses[0].state.terminated is not None
    assert status.container_statuses[0].state.terminated.exit_code == 128


def test_a_running_container_shows_how_the_one_before_it_ended() -> None:
    report = observed(seen("main", restarts=1), exited("main", 5))
    (status,) = status_of(declared(), report, context()).container_statuses
    assert status.state.running is not None
    assert status.last_state.terminated is not None
    assert status.last_state.terminated.reason == "Error"


def test_a_container_that_vanished_is_said_to_have_ended() -> None:
    pod = declared()
    running = ContainerState(running=ContainerStateRunning(started_at=NOW))
    old = PodStatus(phase="Running", container_statuses=[ContainerStatus(name="main", state=running)])
    (status,) = status_of(pod, observed(), context(old=old)).container_statuses
    assert status.last_state.terminated is not None
    assert (status.last_state.terminated.reason, status.last_state.terminated.exit_code) == (
        "ContainerStatusUnknown",
        137,
    )


def test_a_deleted_pod_ends_as_its_containers_did() -> None:
    pod = declared()
    assert status_of(pod, observed(exited("main", 0)), context(ended=True)).phase == "Succeeded"
    assert status_of(pod, observed(exited("main", 137)), context(ended=True)).phase == "Failed"


def test_a_terminal_phase_is_final() -> None:
    old = PodStatus(phase="Failed", reason="Evicted")
    status = status_of(declared(), observed(seen("main")), context(old=old))
    assert (status.phase, status.reason) == ("Failed", "Evicted")


def test_transition_times_stay_while_nothing_changes() -> None:
    pod = declared()
    before = status_of(pod, observed(seen("main")), well("main"))
    later = StatusContext(now=NOW.replace(hour=13), host_ips=("10.0.0.1",), old=before)
    after = status_of(pod, observed(seen("main")), later)
    assert condition(after, "Initialized").last_transition_time == NOW
    assert condition(after, "Ready").last_transition_time == NOW.replace(hour=13)


def test_a_pod_without_sandbox_is_not_ready_to_start_containers() -> None:
    status = status_of(declared(), observed(sandboxes=(sandbox(ready=False),)), context())
    assert condition(status, "PodReadyToStartContainers").status == "False"


def test_a_patch_names_only_what_changed() -> None:
    old = {
        "phase": "Pending",
        "reason": "x",
        "conditions": [{"type": "A", "status": "False", "reason": "r"}, {"type": "B"}],
    }
    new = {"phase": "Running", "conditions": [{"type": "A", "status": "True"}, {"type": "B"}]}
    assert difference(old, new) == {
        "phase": "Running",
        "reason": None,
        "conditions": [{"type": "A", "status": "True", "reason": None}],
    }


def test_a_condition_of_ours_that_is_over_is_removed() -> None:
    old = {"conditions": [{"type": "Ready", "status": "True"}, {"type": "PodResizeInProgress", "status": "True"}]}
    new = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert difference(old, new) == {"conditions": [{"type": "PodResizeInProgress", "$patch": "delete"}]}
    assert difference({"conditions": [{"type": "Another", "status": "True"}]}, {"conditions": []}) == {}


def test_a_new_address_replaces_the_old_one() -> None:
    change = difference({"podIPs": [{"ip": "a"}]}, {"podIPs": [{"ip": "b"}]})
    assert change == {"podIPs": [{"$patch": "replace"}, {"ip": "b"}]}
