"""A pod that names its node by affinity, as DaemonSets' pods do, is looked at for that node alone."""

from __future__ import annotations

from typing import Any

from pybernetes.scheduler.evaluation import Diagnosis, Placement
from pybernetes.scheduler.pod_info import PodInfo
from scheduler.objects import World, node, pod

ELSEWHERE = "node(s) didn't satisfy plugin(s) [NodeAffinity]"


def for_node(*names: str, **fields: Any) -> PodInfo:
    terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]} for name in names]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return pod("daemon", affinity={"nodeAffinity": required}, **fields)


def decide(one: PodInfo) -> Placement | Diagnosis:
    return World(node("a"), node("b"), node("c", cpu="1")).evaluator.decide(one)


def test_it_goes_to_its_node() -> None:
    decision = decide(for_node("b"))
    assert isinstance(decision, Placement)
    assert (decision.node, decision.feasible) == ("b", 1)


def test_where_it_does_not_fit_the_others_are_not_asked_what_they_lack() -> None:
    decision = decide(for_node("c", cpu="2"))
    assert isinstance(decision, Diagnosis)
    assert decision.reasons == {"Insufficient cpu": 1, ELSEWHERE: 2}
    assert decision.rejected_by == {"NodeAffinity", "NodeResourcesFit"}


def test_no_node_has_the_name() -> None:
    decision = decide(for_node("z"))
    assert isinstance(decision, Diagnosis)
    assert decision.reasons == {ELSEWHERE: 3}
    assert not decision.resolvable.any()


def test_each_term_may_name_another_node() -> None:
    decision = decide(for_node("a", "b"))
    assert isinstance(decision, Placement)
    assert decision.feasible == 2
