"""Whole texts of explanations, for clusters small enough to check by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pybernetes.api.meta import Key
from pybernetes.scheduler.evaluation import Diagnosis, Placement
from pybernetes.scheduler.explaining.explain import explain
from pybernetes.scheduler.explaining.explanation import Explanation, Source
from pybernetes.scheduler.explaining.memory import DecisionMemory, Remembered
from pybernetes.scheduler.explaining.text import lines_of
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.preemption import plan_preemption
from scheduler.objects import World, node, pod

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DEDICATED = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}


def decided(world: World, memory: DecisionMemory, one: PodInfo) -> Placement | Diagnosis:
    """A decision as the scheduler takes it: remembered, and counted."""
    decision = world.evaluator.decide(one)
    memory.remember(world.evaluator.trace, AT)
    if isinstance(decision, Placement):
        world.state.assume(one, decision.node)
    else:
        memory.note(one.key, preemption=plan_preemption(world.state, world.evaluator, one, decision))
    return decision


def told(world: World, remembered: Remembered | None) -> Explanation:
    assert remembered is not None
    return explain(
        remembered.trace,
        world.state,
        source=Source.DECISION,
        at=remembered.at,
        attempt=remembered.attempt,
        preemption=remembered.preemption,
    )


def explained(world: World, one: PodInfo) -> Explanation:
    memory = DecisionMemory()
    decided(world, memory, one)
    return told(world, memory.get(one.key))


def text(explanation: Explanation, **options: Any) -> str:
    return "\n".join(lines_of(explanation, **options))


def changes(world: World, one: PodInfo) -> dict[str, tuple[str, ...]]:
    return {change.node: change.changes for change in explained(world, one).changes}


def test_a_placed_pod_shows_every_score_and_who_was_refused() -> None:
    world = World(node("node-1"), node("node-2", cpu="8", memory="8Gi"), node("node-3", taints=[DEDICATED]))
    world.place(pod("old", cpu="3", memory="1Gi"), "node-1")
    assert text(explained(world, pod("web", cpu="1", memory="1Gi"))) == (
        "pod default/web: placed on node-2; 2 of 3 nodes would do\n"
        "decision of 2026-01-02T03:04:05Z, attempt 1\n"
        "\n"
        "   NODE    TOTAL  NodeResourcesFit×1  NodeResourcesBalancedAllocation×1\n"
        "*  node-2  162    87 (87)             75 (75)\n"
        "   node-1  109    37 (37)             72 (72)\n"
        "points are a plugin's score from 0 to 100 times its weight; its raw score is in parentheses\n"
        "\n"
        "refused:\n"
        "  1 by TaintToleration: node(s) had untolerated taint(s): node-3"
    )


def test_a_pending_pod_is_told_the_smallest_changes_first() -> None:
    world = World(
        node("node-1", labels={"disk": "hdd"}, unschedulable=True),
        node("node-2", cpu="500m", labels={"disk": "ssd"}, taints=[DEDICATED]),
        node("node-3", labels={"disk": "ssd"}),
    )
    world.place(pod("old", cpu="3750m"), "node-3")
    assert text(explained(world, pod("web", cpu="750m", nodeSelector={"disk": "ssd"}))) == (
        "pod default/web: pending; none of 3 nodes will do\n"
        "decision of 2026-01-02T03:04:05Z, attempt 1\n"
        "\n"
        "refused:\n"
        "  2 by NodeResourcesFit: Insufficient cpu: node-2, node-3\n"
        "  1 by NodeAffinity: node(s) didn't match Pod's node affinity/selector: node-1\n"
        "  1 by NodeUnschedulable: node(s) were unschedulable: node-1\n"
        "  1 by TaintToleration: node(s) had untolerated taint(s): node-2\n"
        "\n"
        "what would have to change, the least first:\n"
        "  node-3 lacks 500m cpu (750m wanted, 250m of 4 free)\n"
        "  node-1 is cordoned (uncordon it, or tolerate node.kubernetes.io/unschedulable:NoSchedule); "
        "label disk is 'hdd', the pod's nodeSelector wants ssd\n"
        "  node-2 taint dedicated=db:NoSchedule is not tolerated; lacks 250m cpu (750m wanted, 500m of 500m free)\n"
        "\n"
        "preemption helps nowhere: 1 × No preemption victims found for incoming pod, "
        "2 × Preemption is not helpful for scheduling"
    )


def test_the_drawn_one_of_equal_nodes_stands_first() -> None:
    explanation = explained(World(node("a"), node("b"), node("c")), pod("web", cpu="1"))
    assert explanation.ties == ("a", "b", "c")
    assert explanation.nodes[0].name == explanation.node
    assert "3 nodes have the highest total (a, b, c): one of them is drawn" in text(explanation)


def test_preemption_lists_every_candidate_with_its_victims() -> None:
    world = World(node("a", cpu="1"), node("b", cpu="1"))
    world.place(pod("on-a", cpu="1", priority=5), "a")
    world.place(pod("on-b", cpu="1", priority=1), "b")
    lines = text(explained(world, pod("vip", cpu="1", priority=100))).splitlines()
    assert lines[-3:] == [
        "preemption: pods are evicted from b; candidates:",
        "  a: default/on-a",
        "  b: default/on-b",
    ]


def test_many_nodes_are_counted_unless_all_are_asked_for() -> None:
    world = World(*(node(f"n{number:02}", cpu="1") for number in range(12)))
    explanation = explained(world, pod("web", cpu="2"))
    few, every = text(explanation), text(explanation, most=None)
    assert (
        "12 by NodeResourcesFit: Insufficient cpu: n00, n01, n02, n03, n04, n05, n06, n07, n08, n09 and 2 more" in few
    )
    assert "  … and 2 more nodes" in few
    assert "n11" not in few
    assert "  n11 lacks 1 cpu (2 wanted, 1 of 1 free)" in every


def test_no_node_at_all_is_said() -> None:
    assert text(explained(World(), pod("web"))).splitlines()[0] == "pod default/web: pending; none of 0 nodes will do"


def test_each_filter_says_what_is_missing_with_numbers() -> None:
    world = World(node("n", pods="1", memory="4Gi"))
    world.place(pod("old", memory="3584Mi", ports=[{"containerPort": 80, "hostPort": 80}]), "n")
    asking = pod("web", memory="1Gi", requests={"example.com/gpu": "2"}, ports=[{"containerPort": 1, "hostPort": 80}])
    assert changes(world, asking) == {
        "n": (
            "host port 80/TCP is taken by default/old",
            "has no room for one more pod (1 of 1)",
            "lacks 512Mi memory (1Gi wanted, 512Mi of 4Gi free)",
            "lacks 2 example.com/gpu (2 wanted, 0 of 0 free)",
        )
    }


def test_node_affinity_says_which_requirement_fails() -> None:
    terms = [
        {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]},
        {"matchExpressions": [{"key": "gpu", "operator": "Exists"}]},
    ]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    assert changes(World(node("n", labels={"zone": "c"})), pod("web", affinity={"nodeAffinity": required})) == {
        "n": ("required node affinity is not met: zone In [a, b] (zone is 'c') or gpu Exists (gpu is missing)",)
    }


def test_company_is_named_by_its_labels_and_its_domain() -> None:
    world = World(node("n"))
    world.place(pod("first", labels={"app": "web"}), "n")
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}
    away = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    assert changes(world, pod("second", labels={"app": "web"}, affinity=away)) == {
        "n": ("has a pod with app=web in kubernetes.io/hostname=n, which the pod must not be near",)
    }
    near = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{**term, "topologyKey": "zone"}]}}
    assert changes(world, pod("third", affinity=near)) == {
        "n": ("has no pod with app=web in zone (a label it has not), which the pod must be near",)
    }


def test_spreading_says_over_what() -> None:
    world = World(node("a1", labels={"zone": "a"}), node("b1", labels={"zone": "b"}, unschedulable=True), node("c1"))
    world.place(pod("first", labels={"app": "web"}), "a1")
    constraint = {
        "maxSkew": 1,
        "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }
    found = changes(world, pod("second", labels={"app": "web"}, topologySpreadConstraints=[constraint]))
    assert found["a1"] == ("has too many pods with app=web in zone=a already (maxSkew 1)",)
    assert found["c1"] == ("label zone, which the pod is spread over, is missing",)


def test_what_was_free_is_told_as_the_decision_saw_it() -> None:
    world, memory = World(node("n", cpu="4")), DecisionMemory()
    world.place(pod("old", cpu="3"), "n")
    decided(world, memory, pod("large", cpu="2"))
    world.state.remove_pod(Key("default", "old"))
    (change,) = told(world, memory.get(Key("default", "large"))).changes
    assert change.changes == ("lacks 1 cpu (2 wanted, 1 of 4 free)",)
