from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, policy_v1
from pybernetes.scheduler.evaluation import Diagnosis, Placement
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.preemption import NoPreemption, Preemption, plan_preemption
from pybernetes.scheduler.wording import (
    NEVER_PREEMPTS,
    NO_VICTIMS,
    NOT_HELPFUL,
    VICTIMS_TERMINATING,
    preemption_failed,
    unschedulable,
)
from scheduler.objects import World, node, pod


def planned(world: World, one: PodInfo) -> Preemption | NoPreemption:
    diagnosis = world.evaluator.decide(one)
    assert isinstance(diagnosis, Diagnosis)
    before = world.state.nodes.requested.copy()
    told = world.state.nodes.changes.position, world.state.nodes.bookings.position
    plan = plan_preemption(world.state, world.evaluator, one, diagnosis)
    assert (world.state.nodes.requested == before).all()
    assert told == (world.state.nodes.changes.position, world.state.nodes.bookings.position)
    return plan


def test_only_as_many_as_needed_go_the_least_important_first() -> None:
    world = World(node("a", cpu="4"))
    for name, priority in (("p1", 1), ("p2", 2), ("p3", 3), ("p4", 4)):
        world.place(pod(name, cpu="1", priority=priority), "a")
    plan = planned(world, pod("vip", cpu="2", priority=100))
    assert isinstance(plan, Preemption)
    assert [victim.key.name for victim in plan.victims] == ["p2", "p1"]


def test_the_node_whose_victims_matter_least_is_chosen() -> None:
    world = World(node("a", cpu="1"), node("b", cpu="1"), node("c", cpu="1"))
    for where, priority in (("a", 50), ("b", 10), ("c", 20)):
        world.place(pod(f"on-{where}", cpu="1", priority=priority), where)
    plan = planned(world, pod("vip", cpu="1", priority=100))
    assert isinstance(plan, Preemption)
    assert plan.node == "b"


def test_equal_or_higher_priority_is_never_a_victim() -> None:
    world = World(node("a", cpu="1"), node("other", cpu="1", labels={"kubernetes.io/os": "windows"}))
    world.place(pod("peer", cpu="1", priority=100), "a")
    one = pod("vip", cpu="1", priority=100, nodeSelector={"kubernetes.io/os": "linux"})
    world.state.set_node(node("a", cpu="1", labels={"kubernetes.io/os": "linux"}))
    plan = planned(world, one)
    assert plan == NoPreemption({NO_VICTIMS: 1, NOT_HELPFUL: 1})
    diagnosis = world.evaluator.diagnose(one)
    assert unschedulable(diagnosis, preemption_failed(diagnosis.nodes, plan.reasons)) == (
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector. "
        "preemption: 0/2 nodes are available: "
        "1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling."
    )


def test_a_request_that_no_node_could_ever_hold_preempts_nobody() -> None:
    world = World(node("a", cpu="1"))
    world.place(pod("low", cpu="1", priority=0), "a")
    assert planned(world, pod("huge", cpu="64", priority=100)) == NoPreemption({NOT_HELPFUL: 1})


def budget(app: str, allowed: int) -> policy_v1.PodDisruptionBudget:
    return msgspec.convert(
        {
            "metadata": {"name": app, "namespace": "default"},
            "spec": {"selector": {"matchLabels": {"app": app}}},
            "status": {"disruptionsAllowed": allowed},
        },
        policy_v1.PodDisruptionBudget,
    )


def test_the_fewest_budgets_are_violated_even_at_the_cost_of_higher_priority() -> None:
    world = World(node("a", cpu="1"), node("b", cpu="1"))
    world.place(pod("guarded", cpu="1", priority=1, labels={"app": "db"}), "a")
    world.place(pod("plain", cpu="1", priority=50), "b")
    world.state.budgets.set(Key("default", "db"), budget("db", 0))
    plan = planned(world, pod("vip", cpu="1", priority=100))
    assert isinstance(plan, Preemption)
    assert (plan.node, plan.violations) == ("b", 0)


def test_a_guarded_pod_is_reprieved_before_more_important_ones() -> None:
    world = World(node("a", cpu="2"))
    world.place(pod("guarded", cpu="1", priority=1, labels={"app": "db"}), "a")
    world.place(pod("plain", cpu="1", priority=50), "a")
    world.state.budgets.set(Key("default", "db"), budget("db", 0))
    plan = planned(world, pod("vip", cpu="1", priority=100))
    assert isinstance(plan, Preemption)
    assert [victim.key.name for victim in plan.victims] == ["plain"]


def test_a_budget_that_allows_one_guards_the_second() -> None:
    world = World(node("a", cpu="2"))
    for name in ("one", "two"):
        world.place(pod(name, cpu="1", priority=1, labels={"app": "db"}), "a")
    world.state.budgets.set(Key("default", "db"), budget("db", 1))
    plan = planned(world, pod("vip", cpu="2", priority=100))
    assert isinstance(plan, Preemption)
    assert (len(plan.victims), plan.violations) == (2, 1)


def test_a_node_is_held_for_who_was_nominated_to_it() -> None:
    world = World(node("a", cpu="1"))
    waiting = pod("waiting", cpu="1", priority=50)
    world.state.nominations.nominate(waiting, "a")
    peer = world.evaluator.decide(pod("peer", cpu="1", priority=50))
    assert isinstance(peer, Diagnosis)
    assert (peer.reasons, peer.rejected_by) == ({"Insufficient cpu": 1}, frozenset({"NodeResourcesFit"}))
    assert world.evaluator.decide(pod("higher", cpu="1", priority=51)) == Placement("a", 1)
    assert world.evaluator.decide(waiting) == Placement("a", 1)
    assert not world.state.is_placed(waiting.key)


def test_a_nominated_pod_goes_to_its_node_even_if_others_are_better() -> None:
    world = World(node("small", cpu="1"), node("large", cpu="64"))
    waiting = pod("waiting", cpu="1", priority=50)
    world.state.nominations.nominate(waiting, "small")
    assert world.evaluator.decide(waiting) == Placement("small", 1)


def test_nobody_else_goes_while_the_victims_are_still_leaving() -> None:
    world = World(node("a", cpu="2"))
    leaving = pod("leaving", cpu="1", priority=1)
    leaving.pod.metadata.deletion_timestamp = datetime(2030, 1, 1, tzinfo=UTC)
    leaving.pod.status.conditions = [
        core_v1.PodCondition(type="DisruptionTarget", status="True", reason="PreemptionByScheduler")
    ]
    world.place(leaving, "a")
    world.place(pod("other", cpu="1", priority=1), "a")
    waiting = pod("waiting", cpu="1", priority=50)
    world.state.nominations.nominate(waiting, "a")
    assert planned(world, waiting) == NoPreemption({}, VICTIMS_TERMINATING)


def test_a_pod_that_never_preempts_says_so() -> None:
    world = World(node("a", cpu="1"))
    world.place(pod("low", cpu="1", priority=0), "a")
    meek = pod("meek", cpu="1", priority=100, preemptionPolicy="Never")
    assert planned(world, meek) == NoPreemption({}, NEVER_PREEMPTS)


def test_where_even_the_end_of_all_would_not_help_the_plugin_says_why() -> None:
    world = World(node("a", cpu="2"))
    world.place(pod("peer", cpu="1", priority=100), "a")
    world.place(pod("low", cpu="1", priority=0), "a")
    assert planned(world, pod("vip", cpu="2", priority=100)) == NoPreemption({"Insufficient cpu": 1})
