from __future__ import annotations

from controllers.make import NOW, pod, template
from pybernetes.api.selectors import LabelSelector
from pybernetes.controllers.deletion_order import deletion_cost, order_for_deletion
from pybernetes.controllers.replicas import Goal, plan


def goal(replicas: int, *, min_ready_seconds: int = 0) -> Goal:
    return Goal(replicas, min_ready_seconds, LabelSelector.from_map({"app": "web"}), template())


def test_missing_pods_are_created_and_none_deleted() -> None:
    decided = plan(goal(3), [pod("a")], NOW)
    assert (decided.create, decided.delete) == (2, ())


def test_enough_pods_are_left_alone() -> None:
    decided = plan(goal(2), [pod("a"), pod("b", ready=False)], NOW)
    assert (decided.create, decided.delete) == (0, ())
    assert (decided.counts.replicas, decided.counts.ready, decided.counts.available) == (2, 1, 1)


def test_of_too_many_the_unready_goes_first() -> None:
    decided = plan(goal(2), [pod("a"), pod("b", ready=False), pod("c")], NOW)
    assert [each.metadata.name for each in decided.delete] == ["b"]


def test_no_more_than_five_hundred_at_once() -> None:
    assert plan(goal(1000), [], NOW).create == 500
    assert len(plan(goal(0), [pod(f"p{number}") for number in range(600)], NOW).delete) == 500


def test_a_ready_pod_is_available_only_after_min_ready_seconds() -> None:
    decided = plan(goal(2, min_ready_seconds=30), [pod("a", ready_for=10), pod("b", ready_for=40)], NOW)
    assert (decided.counts.ready, decided.counts.available) == (2, 1)
    assert decided.look_again == 20


def test_pods_that_lack_a_label_of_the_template_do_not_count_as_fully_labeled() -> None:
    counts = plan(goal(2), [pod("a"), pod("b", labels={"app": "other"})], NOW).counts
    assert (counts.replicas, counts.fully_labeled) == (2, 1)


def test_the_order_of_deletion_is_upstreams() -> None:
    ordered = [
        pod("unassigned", node=""),
        pod("pending", phase="Pending", ready=False),
        pod("unready", ready=False),
        pod("cheap", annotations={"controller.kubernetes.io/pod-deletion-cost": "-5"}),
        pod("crowded-1", node="crowded"),
        pod("crowded-2", node="crowded"),
        pod("just-ready", node="n1", ready_for=5),
        pod("restarted", node="n2", restarts=3),
        pod("young", node="n3", age=100, ready_for=3600),
        pod("old", node="n4"),
    ]
    found = order_for_deletion(reversed(ordered), ordered, NOW)
    assert [each.metadata.name for each in found] == [each.metadata.name for each in ordered]


def test_a_deletion_cost_that_is_no_number_counts_as_zero() -> None:
    for text in ("", "high", "007", "1.5", str(2**31)):
        assert deletion_cost(pod("a", annotations={"controller.kubernetes.io/pod-deletion-cost": text})) == 0
