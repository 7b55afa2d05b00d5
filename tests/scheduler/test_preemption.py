from __future__ import annotations

from pybernetes.scheduler.evaluation import Diagnosis
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.preemption import NoPreemption, Preemption, plan_preemption
from pybernetes.scheduler.wording import NO_VICTIMS, NOT_HELPFUL, preemption_failed, unschedulable
from scheduler.objects import World, node, pod


def planned(world: World, one: PodInfo) -> Preemption | NoPreemption:
    diagnosis = world.evaluator.decide(one)
    assert isinstance(diagnosis, Diagnosis)
    before = world.state.nodes.requested.copy()
    plan = plan_preemption(world.state, world.evaluator, one, diagnosis)
    assert (world.state.nodes.requested == before).all()
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
        "no new claims to deallocate, preemption: 0/2 nodes are available: "
        "1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling."
    )


def test_a_request_that_no_node_could_ever_hold_preempts_nobody() -> None:
    world = World(node("a", cpu="1"))
    world.place(pod("low", cpu="1", priority=0), "a")
    assert planned(world, pod("huge", cpu="64", priority=100)) == NoPreemption({NOT_HELPFUL: 1})
