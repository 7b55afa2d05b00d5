"""The plan of a pod: what is declared and what is observed in, actions out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kubelet.observations import NOW, declared, exited, first, observed, sandbox, seen, sidecar
from pybernetes.api.models.core_v1 import ContainerRestartRule, ContainerRestartRuleOnExitCodes, EphemeralContainer
from pybernetes.kubelet.backoff import Backoff
from pybernetes.kubelet.observed import ObservedPod
from pybernetes.kubelet.plan import Health, PodActions, Role, backoff_key, plan
from pybernetes.kubelet.runtime import ContainerState

NOTHING = ObservedPod("uid")


def started(actions: PodActions) -> list[str]:
    return [start.name for start in actions.start]


def test_a_new_pod_gets_its_first_sandbox() -> None:
    actions = plan(declared(), NOTHING, NOW, {})
    assert actions == PodActions(create_sandbox=True, attempt=0)


def test_all_containers_start_together() -> None:
    assert started(plan(declared("a", "b"), observed(), NOW, {})) == ["a", "b"]


def test_a_pod_that_runs_as_declared_is_left_alone() -> None:
    assert plan(declared("a", "b"), observed(seen("a"), seen("b")), NOW, {}).empty


def test_a_container_without_our_hash_is_left_alone() -> None:
    adopted = seen("main")
    bare = type(adopted)(
        type(adopted.status)(
            **{f: getattr(adopted.status, f) for f in ("id", "name", "attempt", "state", "created_at")}
        ),
        "s0",
    )
    assert plan(declared(), observed(bare), NOW, {}).empty


def test_a_changed_image_replaces_the_container() -> None:
    actions = plan(declared(), observed(seen("main", image="busybox:2")), NOW, {})
    assert [kill.message for kill in actions.kill] == ["Container main definition changed, will be restarted"]


@pytest.mark.parametrize(
    ("policy", "exit_code", "restarts"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 0, False),
        ("Never", 1, False),
    ],
)
def test_the_restart_policy_decides(policy: str, exit_code: int, restarts: bool) -> None:
    pod = declared("main", "other", restart_policy=policy)
    actions = plan(pod, observed(exited("main", exit_code), seen("other")), NOW, {})
    assert started(actions) == (["main"] if restarts else [])
    if restarts:
        assert actions.start[0].restart_count == 1


@pytest.mark.parametrize(("code", "restarts"), [(42, True), (1, False)])
def test_a_rule_of_the_container_wins_over_the_policy(code: int, restarts: bool) -> None:
    pod = declared("main", "other", restart_policy="Never")
    codes = ContainerRestartRuleOnExitCodes(operator="In", values=[42])
    pod.spec.containers[0].restart_policy = "Never"
    pod.spec.containers[0].restart_policy_rules = [ContainerRestartRule(action="Restart", exit_codes=codes)]
    actions = plan(pod, observed(exited("main", code), seen("other")), NOW, {})
    assert bool(actions.start) is restarts


def test_a_pod_of_which_nothing_runs_any_more_is_stopped() -> None:
    assert plan(declared(restart_policy="Never"), observed(exited("main")), NOW, {}).kill_pod


def test_a_deleted_pod_starts_nothing() -> None:
    pod = declared()
    pod.metadata.deletion_timestamp = NOW
    assert not plan(pod, observed(exited("main", 1)), NOW, {}).start


# ---- sandboxes


def test_a_dead_sandbox_is_replaced() -> None:
    actions = plan(declared(), observed(exited("main", 1), sandboxes=(sandbox(ready=False),)), NOW, {})
    assert (actions.create_sandbox, actions.attempt) == (True, 1)


def test_a_container_in_a_dead_sandbox_is_killed_first() -> None:
    actions = plan(declared(), observed(seen("main"), sandboxes=(sandbox(ready=False),)), NOW, {})
    assert [kill.name for kill in actions.kill] == ["main"]


def test_a_sandbox_without_address_is_replaced_unless_on_the_nodes_network() -> None:
    lost = (sandbox(ips=()),)
    assert plan(declared(), observed(seen("main"), sandboxes=lost), NOW, {}).create_sandbox
    assert plan(declared(host_network=True), observed(seen("main"), sandboxes=lost), NOW, {}).empty


def test_a_pod_that_never_restarts_gets_no_second_sandbox() -> None:
    pod = declared(restart_policy="Never")
    actions = plan(pod, observed(exited("main", 1), sandboxes=(sandbox(ready=False),)), NOW, {})
    assert actions.empty


def test_a_finished_job_gets_no_second_sandbox() -> None:
    pod = declared(restart_policy="OnFailure")
    actions = plan(pod, observed(exited("main"), sandboxes=(sandbox(ready=False),)), NOW, {})
    assert actions.empty


# ---- back-off


def test_the_first_restart_does_not_wait() -> None:
    assert started(plan(declared(), observed(exited("main", 1, ended=0)), NOW, {})) == ["main"]


def test_a_container_waits_out_its_back_off() -> None:
    waits = {backoff_key(declared().spec.containers[0]): Backoff(timedelta(seconds=20), NOW - timedelta(seconds=30))}
    actions = plan(declared(), observed(exited("main", 1, ended=5)), NOW, waits)
    assert not actions.start
    assert actions.waiting[0].left == timedelta(seconds=15)
    assert started(plan(declared(), observed(exited("main", 1, ended=21)), NOW, waits)) == ["main"]
    changed = declared()
    changed.spec.containers[0].image = "busybox:2"
    assert started(plan(changed, observed(exited("main", 1, ended=5)), NOW, waits)) == ["main"]


def test_a_back_off_is_forgotten_after_ten_good_minutes() -> None:
    waits = {backoff_key(declared().spec.containers[0]): Backoff(timedelta(minutes=5), NOW - timedelta(minutes=11))}
    assert started(plan(declared(), observed(exited("main", 1, ended=1)), NOW, waits)) == ["main"]


# ---- init containers


def test_init_containers_start_one_by_one() -> None:
    pod = declared(init=(first("one"), first("two")))
    assert started(plan(pod, observed(), NOW, {})) == ["one"]
    assert plan(pod, observed(seen("one")), NOW, {}).empty
    assert started(plan(pod, observed(exited("one")), NOW, {})) == ["two"]
    assert started(plan(pod, observed(exited("one"), exited("two")), NOW, {})) == ["main"]


def test_a_failed_init_container_is_tried_again_or_ends_the_pod() -> None:
    again = declared(init=(first("one"),))
    assert started(plan(again, observed(exited("one", 1)), NOW, {})) == ["one"]
    never = declared(init=(first("one"),), restart_policy="Never")
    assert plan(never, observed(exited("one", 1)), NOW, {}).kill_pod


def test_init_containers_run_again_in_a_new_sandbox() -> None:
    pod = declared(init=(first("one"),))
    boxes = (sandbox("s1", 1), sandbox("s0", 0, ready=False))
    report = observed(exited("one"), exited("main", 1), sandboxes=boxes)
    assert started(plan(pod, report, NOW, {})) == ["one"]


def test_init_containers_do_not_run_again_once_the_pod_is_initialised() -> None:
    pod = declared(init=(first("one"),))
    assert started(plan(pod, observed(exited("main", 1)), NOW, {})) == ["main"]


# ---- sidecars


def test_a_sidecar_lets_the_next_start_once_it_has_started() -> None:
    pod = declared(init=(sidecar("proxy"), first("one")))
    assert started(plan(pod, observed(), NOW, {})) == ["proxy"]
    starting = Health(starting=frozenset({"proxy-0"}))
    assert plan(pod, observed(seen("proxy")), NOW, {}, starting).empty
    assert started(plan(pod, observed(seen("proxy")), NOW, {})) == ["one"]


def test_a_sidecar_that_ends_is_started_again() -> None:
    pod = declared(init=(sidecar("proxy"),))
    report = observed(exited("proxy"), seen("main"))
    assert started(plan(pod, report, NOW, {})) == ["proxy"]


def test_a_sidecar_does_not_keep_a_finished_pod_alive() -> None:
    pod = declared(init=(sidecar("proxy"),), restart_policy="Never")
    assert plan(pod, observed(seen("proxy"), exited("main")), NOW, {}).kill_pod


def test_a_sidecar_is_not_restarted_for_a_finished_pod() -> None:
    pod = declared(init=(sidecar("proxy"),), restart_policy="Never")
    assert not plan(pod, observed(exited("proxy"), exited("main")), NOW, {}).start


# ---- probes


def test_a_failed_liveness_probe_kills_and_restarts() -> None:
    sick = Health(liveness_failed=frozenset({"main-0"}))
    (kill,) = plan(declared(), observed(seen("main")), NOW, {}, sick).kill
    assert (kill.message, kill.restart) == ("Container main failed liveness probe, will be restarted", True)


def test_a_failed_startup_probe_kills() -> None:
    sick = Health(startup_failed=frozenset({"main-0"}))
    (kill,) = plan(declared(restart_policy="Never"), observed(seen("main")), NOW, {}, sick).kill
    assert (kill.message, kill.restart) == ("Container main failed startup probe", False)


# ---- others


def test_an_ephemeral_container_starts_once() -> None:
    pod = declared()
    pod.spec.ephemeral_containers = [EphemeralContainer(name="debug", image="busybox")]
    (start,) = plan(pod, observed(seen("main")), NOW, {}).start
    assert (start.name, start.role) == ("debug", Role.EPHEMERAL)
    assert plan(pod, observed(seen("main"), exited("debug", 1)), NOW, {}).empty


def test_an_unknown_container_is_killed_before_it_is_started() -> None:
    actions = plan(declared(), observed(seen("main", ContainerState.UNKNOWN)), NOW, {})
    assert [kill.name for kill in actions.kill] == ["main"]
    assert not actions.start
