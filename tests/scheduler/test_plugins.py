"""Each plugin on a handful of nodes: where a pod may go, where it would rather go, and why not elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from pybernetes.scheduler.evaluation import Diagnosis, Placement
from pybernetes.scheduler.pod_info import PodInfo
from scheduler.objects import World, node, pod


def chosen(world: World, one: PodInfo) -> str:
    decision = world.evaluator.decide(one)
    assert isinstance(decision, Placement), decision
    return decision.node


def refused(world: World, one: PodInfo) -> dict[str, int]:
    decision = world.evaluator.decide(one)
    assert isinstance(decision, Diagnosis), decision
    return dict(decision.reasons)


def test_a_pod_goes_where_its_requests_fit() -> None:
    world = World(node("small", cpu="1"), node("large", cpu="8"))
    assert chosen(world, pod("a", cpu="2")) == "large"


def test_what_is_missing_is_counted_for_each_resource() -> None:
    world = World(node("a", cpu="1", memory="1Gi"), node("b", cpu="1", memory="8Gi"), node("c", pods="0"))
    assert refused(world, pod("a", cpu="2", memory="2Gi")) == {
        "Insufficient cpu": 2,
        "Insufficient memory": 1,
        "Too many pods": 1,
    }


def test_an_extended_resource_that_no_node_has_is_insufficient() -> None:
    assert refused(World(node("a")), pod("p", requests={"example.com/gpu": "1"})) == {"Insufficient example.com/gpu": 1}


def test_emptier_nodes_are_better_and_each_placement_counts() -> None:
    world = World(node("a"), node("b"))
    first = chosen(world, pod("one", cpu="1"))
    world.state.assume(pod("one", cpu="1"), first)
    second = chosen(world, pod("two", cpu="1"))
    assert {first, second} == {"a", "b"}


def test_a_node_that_fills_evenly_is_better() -> None:
    world = World(node("a", cpu="10", memory="10Gi"), node("b", cpu="10", memory="10Gi"))
    world.place(pod("filler-a", cpu="4", memory="1Gi"), "a")
    world.place(pod("filler-b", cpu="1", memory="4Gi"), "b")
    assert chosen(world, pod("p", cpu="3", memory="0")) == "b"


@pytest.mark.parametrize(
    ("tolerations", "expected"),
    [
        ([], "free"),
        ([{"key": "dedicated", "operator": "Equal", "value": "db", "effect": "NoSchedule"}], "tainted"),
        ([{"operator": "Exists"}], "tainted"),
        ([{"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}], "free"),
    ],
)
def test_a_taint_repels_who_does_not_tolerate_it(tolerations: list[dict[str, Any]], expected: str) -> None:
    taint = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
    world = World(node("tainted", cpu="100", memory="100Gi", taints=[taint]), node("free", cpu="1"))
    assert chosen(world, pod("p", cpu="100m", tolerations=tolerations)) == expected


def test_a_soft_taint_is_avoided_while_there_is_another_node() -> None:
    taint = {"key": "old", "value": "", "effect": "PreferNoSchedule"}
    world = World(node("old", cpu="64", memory="64Gi", taints=[taint]), node("new", cpu="1", memory="1Gi"))
    assert chosen(world, pod("p", cpu="500m")) == "new"
    assert chosen(world, pod("p", cpu="2")) == "old"


def test_the_reasons_of_cordon_taint_selector_and_name() -> None:
    world = World(
        node("cordoned", unschedulable=True),
        node("tainted", taints=[{"key": "k", "value": "v", "effect": "NoExecute"}]),
        node("plain"),
    )
    assert refused(world, pod("p", nodeSelector={"disk": "ssd"})) == {
        "node(s) were unschedulable": 1,
        "node(s) had untolerated taint(s)": 1,
        "node(s) didn't match Pod's node affinity/selector": 1,
    }
    assert refused(world, pod("p", nodeName="absent"))["node(s) didn't match the requested node name"] == 2


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("requirement", "fits"),
    [
        (expression("zone", "In", "a", "b"), {"n1", "n2"}),
        (expression("zone", "NotIn", "a"), {"n2", "n3"}),
        (expression("zone", "Exists"), {"n1", "n2"}),
        (expression("zone", "DoesNotExist"), {"n3"}),
        (expression("cores", "Gt", "8"), {"n2"}),
        (expression("cores", "Lt", "9"), {"n1"}),
    ],
)
def test_node_affinity_operators(requirement: dict[str, Any], fits: set[str]) -> None:
    world = World(
        node("n1", labels={"zone": "a", "cores": "8"}),
        node("n2", labels={"zone": "b", "cores": "16"}),
        node("n3", labels={"cores": "many"}),
    )
    terms = {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    one = pod("p", affinity=affinity)
    rows = {name: world.state.nodes.row(name) for name in ("n1", "n2", "n3")}
    assert {name for name, row in rows.items() if row is not None and world.evaluator.fits(one, row)} == fits


def test_preferred_node_affinity_weighs() -> None:
    world = World(node("a", labels={"disk": "hdd"}), node("b", labels={"disk": "ssd"}))
    preference = {"weight": 10, "preference": {"matchExpressions": [expression("disk", "In", "ssd")]}}
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preference]}}
    assert chosen(world, pod("p", affinity=affinity)) == "b"


def test_a_host_port_is_given_once_per_node_and_address() -> None:
    world = World(node("a"))
    world.place(pod("first", ports=[{"containerPort": 80, "hostPort": 80, "hostIP": "127.0.0.1"}]), "a")
    other = pod("other", ports=[{"containerPort": 80, "hostPort": 80, "hostIP": "10.0.0.1"}])
    assert chosen(world, other) == "a"
    every = pod("every", ports=[{"containerPort": 80, "hostPort": 80}])
    assert refused(world, every) == {"node(s) didn't have free ports for the requested pod ports": 1}
    world.state.remove_pod(pod("first").key)
    assert chosen(world, every) == "a"


def spread(key: str, when: str, **more: Any) -> dict[str, Any]:
    selector = {"matchLabels": {"app": "web"}}
    return {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": when, "labelSelector": selector, **more}


def test_spread_constraints_hold_the_skew() -> None:
    zones = [node("a1", labels={"zone": "a"}), node("a2", labels={"zone": "a"}), node("b1", labels={"zone": "b"})]
    world = World(*zones, node("nowhere"))
    web = {"app": "web"}
    world.place(pod("w1", labels=web), "a1")
    one = pod("w2", labels=web, topologySpreadConstraints=[spread("zone", "DoNotSchedule")])
    assert chosen(world, one) == "b1"
    world.place(pod("big", cpu="4"), "b1")
    full = pod("w3", cpu="1", labels=web, topologySpreadConstraints=[spread("zone", "DoNotSchedule")])
    assert refused(world, full) == {
        "Insufficient cpu": 1,
        "node(s) didn't match pod topology spread constraints": 2,
        "node(s) didn't match pod topology spread constraints (missing required label)": 1,
    }


def test_too_few_domains_count_as_an_empty_one() -> None:
    world = World(node("a1", labels={"zone": "a"}))
    constraint = spread("zone", "DoNotSchedule", minDomains=2)
    world.place(pod("w1", labels={"app": "web"}), "a1")
    assert "node(s) didn't match pod topology spread constraints" in refused(
        world, pod("w2", labels={"app": "web"}, topologySpreadConstraints=[constraint])
    )


def test_pods_of_a_service_are_spread_over_hosts_by_default() -> None:
    world = World(*(node(name, cpu="32", memory="64Gi") for name in "abc"))
    world.workloads.set_service("default", "web", {"app": "web"})
    placed = []
    for number in range(3):
        one = pod(f"w{number}", labels={"app": "web"})
        placed.append(chosen(world, one))
        world.state.assume(one, placed[-1])
    assert sorted(placed) == ["a", "b", "c"]


def inter_pod(kind: str, key: str = "kubernetes.io/hostname", app: str = "web") -> dict[str, Any]:
    term = {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def test_pod_affinity_wants_company_and_the_first_may_start_anywhere() -> None:
    world = World(node("a", labels={"zone": "a"}), node("b", labels={"zone": "b"}))
    first = pod("w1", labels={"app": "web"}, affinity=inter_pod("podAffinity", "zone"))
    assert chosen(world, first) in {"a", "b"}
    world.place(first, "b")
    assert chosen(world, pod("w2", labels={"app": "web"}, affinity=inter_pod("podAffinity", "zone"))) == "b"
    stranger = pod("s", affinity=inter_pod("podAffinity", "zone", app="db"))
    assert refused(world, stranger) == {"node(s) didn't match pod affinity rules": 2}


def test_anti_affinity_holds_both_ways() -> None:
    world = World(node("a"), node("b"))
    loner = pod("loner", labels={"app": "web"}, affinity=inter_pod("podAntiAffinity"))
    world.place(loner, "a")
    assert chosen(world, pod("w1", labels={"app": "web"})) == "b"
    world.place(pod("w1", labels={"app": "web"}), "b")
    second = pod("loner-2", labels={"app": "web"}, affinity=inter_pod("podAntiAffinity"))
    assert refused(world, second) == {"node(s) didn't match pod anti-affinity rules": 2}
    assert chosen(world, pod("w2", labels={"app": "web"})) == "b"
    world.state.remove_pod(loner.key)
    assert chosen(world, second) == "a"


def test_preferred_terms_pull_and_push() -> None:
    world = World(node("a"), node("b"))
    world.place(pod("db", labels={"app": "db"}), "b")
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "db"}}}
    weighted = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]}
    assert chosen(world, pod("near", affinity={"podAffinity": weighted})) == "b"
    assert chosen(world, pod("far", affinity={"podAntiAffinity": weighted})) == "a"


def test_a_node_that_left_takes_no_pod_and_its_row_is_used_again() -> None:
    world = World(node("a"), node("b", cpu="64", memory="64Gi"))
    assert chosen(world, pod("p", cpu="1")) == "b"
    world.state.remove_node("b")
    assert chosen(world, pod("p", cpu="1")) == "a"
    world.state.set_node(node("c", cpu="64", memory="64Gi"))
    assert chosen(world, pod("p", cpu="1")) == "c"


def test_pods_of_a_node_that_is_not_known_yet_count_when_it_comes() -> None:
    world = World(node("a", cpu="1"))
    world.place(pod("early", cpu="4"), "b")
    world.state.set_node(node("b", cpu="4"))
    assert refused(world, pod("p", cpu="2")) == {"Insufficient cpu": 2}


def test_an_assumption_can_be_taken_back_until_it_is_confirmed() -> None:
    world = World(node("a", cpu="1"))
    one = pod("one", cpu="1")
    world.state.assume(one, "a")
    assert refused(world, pod("two", cpu="1")) == {"Insufficient cpu": 1}
    world.state.forget(one.key)
    assert chosen(world, pod("two", cpu="1")) == "a"
    world.state.assume(one, "a")
    world.state.set_pod(one, "a")
    world.state.forget(one.key)
    assert refused(world, pod("two", cpu="1")) == {"Insufficient cpu": 1}


def test_an_empty_selector_counts_no_placed_pod_but_the_pod_itself() -> None:
    world = World(node("a", labels={"zone": "a"}), node("b", labels={"zone": "b"}))
    for number in range(3):
        world.place(pod(f"w{number}"), "a")
    constraint = {**spread("zone", "DoNotSchedule"), "labelSelector": {}}
    assert world.evaluator.diagnose(pod("p", topologySpreadConstraints=[constraint])).reasons == {}


@pytest.mark.parametrize(("policy", "expected"), [("Honor", {"a"}), ("Ignore", set())])
def test_domains_that_the_pod_cannot_use_count_unless_ignored(policy: str, expected: set[str]) -> None:
    """Node c is outside of the pod's selector and empty: where it counts, both other zones are too full."""
    world = World(
        node("a", labels={"zone": "a", "pool": "web"}),
        node("b", labels={"zone": "b", "pool": "web"}),
        node("c", labels={"zone": "c"}),
    )
    for name, where in (("w1", "a"), ("w2", "b"), ("w3", "b")):
        world.place(pod(name, labels={"app": "web"}), where)
    constraint = spread("zone", "DoNotSchedule", nodeAffinityPolicy=policy)
    one = pod("p", labels={"app": "web"}, nodeSelector={"pool": "web"}, topologySpreadConstraints=[constraint])
    rows = {name: world.state.nodes.row(name) for name in ("a", "b")}
    fits = {name for name, row in rows.items() if row is not None and world.evaluator.fits(one, row)}
    assert fits == expected


def test_match_label_keys_spread_each_revision_by_itself() -> None:
    world = World(node("a", labels={"zone": "a"}), node("b", labels={"zone": "b"}))
    world.place(pod("old", labels={"app": "web", "revision": "1"}), "b")
    world.place(pod("new", labels={"app": "web", "revision": "2"}), "a")
    constraint = spread("zone", "DoNotSchedule", matchLabelKeys=["revision"])
    one = pod("p", labels={"app": "web", "revision": "2"}, topologySpreadConstraints=[constraint])
    assert chosen(world, one) == "b"
