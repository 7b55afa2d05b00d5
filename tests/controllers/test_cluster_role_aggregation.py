"""Cluster roles that collect the rules of others."""

from __future__ import annotations

from pybernetes.api.models import meta_v1, rbac_v1
from pybernetes.controllers.cluster_role_aggregation import MANAGER, plan
from pybernetes.testing.cluster import Cluster

COLLECTS = rbac_v1.AggregationRule(
    cluster_role_selectors=[
        meta_v1.LabelSelector(match_labels={"kind": "toy"}),
        meta_v1.LabelSelector(match_labels={"kind": "tool"}),
    ]
)


def about(resource: str) -> rbac_v1.PolicyRule:
    return rbac_v1.PolicyRule(verbs=["get"], api_groups=["example.com"], resources=[resource])


def role(name: str, kind: str, *resources: str) -> rbac_v1.ClusterRole:
    metadata = meta_v1.ObjectMeta(name=name, labels={"kind": kind})
    return rbac_v1.ClusterRole(metadata=metadata, rules=[about(resource) for resource in resources])


def collector() -> rbac_v1.ClusterRole:
    metadata = meta_v1.ObjectMeta(name="all", labels={"kind": "toy"})
    return rbac_v1.ClusterRole(metadata=metadata, aggregation_rule=COLLECTS, rules=[about("secrets")])


def test_rules_stand_by_selector_and_name_each_once() -> None:
    roles = [
        role("b", "toy", "balls", "kites"),
        role("a", "tool", "saws", "kites"),
        role("c", "toy", "dolls"),
        collector(),
    ]
    assert plan(collector(), roles) == [about("balls"), about("kites"), about("dolls"), about("saws")]


def test_a_role_without_an_aggregation_rule_is_left_alone() -> None:
    assert plan(role("b", "toy", "balls"), [role("c", "toy", "dolls")]) is None


async def test_a_role_gets_the_rules_of_others_and_follows_them(cluster: Cluster) -> None:
    await cluster.apply(role("balls", "toy", "balls"))
    collecting = await cluster.apply(collector())
    await cluster.settle()
    assert (await cluster.get(collecting)).rules == [about("balls")]
    await cluster.apply(role("saws", "tool", "saws"))
    await cluster.settle()
    collected = await cluster.get(collecting)
    assert collected.rules == [about("balls"), about("saws")]
    assert MANAGER in [entry.manager for entry in collected.metadata.managed_fields]
