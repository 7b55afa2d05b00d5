"""Disruption budgets allow as many evictions as leave enough pods ready."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from controllers.make import NOW, pod, template
from pybernetes.api import meta
from pybernetes.api.errors import ApiError
from pybernetes.api.models import apps_v1, core_v1, meta_v1, policy_v1
from pybernetes.controllers.disruption_plan import failed, plan, stale_since
from pybernetes.testing.cluster import Cluster

WEB = meta_v1.LabelSelector(match_labels={"app": "web"})


def budget(
    *,
    min_available: int | str | None = None,
    max_unavailable: int | str | None = None,
    status: policy_v1.PodDisruptionBudgetStatus | None = None,
) -> policy_v1.PodDisruptionBudget:
    return policy_v1.PodDisruptionBudget(
        metadata=meta_v1.ObjectMeta(name="web", namespace="default", generation=2),
        spec=policy_v1.PodDisruptionBudgetSpec(
            selector=WEB, min_available=min_available, max_unavailable=max_unavailable
        ),
        status=status or policy_v1.PodDisruptionBudgetStatus(),
    )


@pytest.mark.parametrize(
    ("stated", "scale", "desired", "allowed"),
    [
        ({"min_available": 2}, 0, 2, 1),
        ({"min_available": 5}, 0, 5, 0),
        ({"min_available": "50%"}, 5, 3, 0),
        ({"min_available": "20%"}, 5, 1, 2),
        ({"max_unavailable": 1}, 3, 2, 1),
        ({"max_unavailable": "50%"}, 5, 2, 1),
        ({"max_unavailable": 9}, 3, 0, 3),
    ],
)
def test_what_is_allowed_is_what_is_ready_beyond_what_is_desired(
    stated: dict[str, int | str], scale: int, desired: int, allowed: int
) -> None:
    pods = [pod("a"), pod("b"), pod("c"), pod("d", ready=False)]
    planned = plan(budget(**stated), pods, scale, NOW)  # type: ignore[arg-type]
    status = planned.status
    assert (status.current_healthy, status.desired_healthy, status.disruptions_allowed) == (3, desired, allowed)
    assert status.observed_generation == 2
    [condition] = status.conditions
    expected = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    assert (condition.status, condition.reason) == expected


def test_nothing_is_allowed_where_there_are_no_pods() -> None:
    assert plan(budget(min_available=0), [], 0, NOW).status.disruptions_allowed == 0


def test_a_granted_eviction_counts_until_the_pod_goes_or_two_minutes_have_passed() -> None:
    granted = policy_v1.PodDisruptionBudgetStatus(
        disrupted_pods={"a": NOW - timedelta(seconds=30), "b": NOW - timedelta(minutes=3), "gone": NOW}
    )
    planned = plan(budget(min_available=1, status=granted), [pod("a"), pod("b"), pod("c")], 0, NOW)
    assert planned.status.disrupted_pods == {"a": NOW - timedelta(seconds=30)}
    assert planned.status.current_healthy == 2
    assert [one.metadata.name for one in planned.undeleted] == ["b"]
    assert planned.look_again == NOW + timedelta(seconds=90)


def test_when_nothing_can_be_worked_out_nothing_is_allowed() -> None:
    before = policy_v1.PodDisruptionBudgetStatus(disruptions_allowed=3, observed_generation=1)
    status = failed(budget(max_unavailable=1, status=before), 'found no controllers for pod "a"', NOW)
    assert status.disruptions_allowed == 0
    [condition] = status.conditions
    assert (condition.reason, condition.message) == ("SyncFailed", 'found no controllers for pod "a"')


def test_only_a_pod_that_stays_has_a_stale_condition() -> None:
    target = core_v1.PodCondition(type="DisruptionTarget", status="True", last_transition_time=NOW)
    one = pod("a")
    one.status.conditions.append(target)
    assert stale_since(one) == NOW
    assert stale_since(msgspec.structs.replace(one, metadata=pod("a", deleting=True).metadata)) is None
    target.reason = "TerminationByKubelet"
    assert stale_since(one) is None


async def test_evictions_stop_where_the_budget_of_a_deployment_is_spent(cluster: Cluster) -> None:
    spec = apps_v1.DeploymentSpec(replicas=3, selector=WEB, template=template())
    deployment = await cluster.apply(
        apps_v1.Deployment(metadata=meta_v1.ObjectMeta(name="web", namespace="default"), spec=spec)
    )
    await cluster.pods_of(deployment, ready=3)
    made = budget(max_unavailable=1)
    made.metadata = meta_v1.ObjectMeta(name="web", namespace="default")
    await cluster.apply(made)
    await cluster.settle()
    status = (await cluster.get(made)).status
    assert (status.expected_pods, status.desired_healthy, status.disruptions_allowed) == (3, 2, 1)
    names = sorted(one.metadata.name for one in (await cluster.client.list(core_v1.Pod, "default")).items)
    await _evict(cluster, names[0])
    with pytest.raises(ApiError) as refused:
        await _evict(cluster, names[1])
    assert refused.value.code == 429
    await cluster.pods_of(deployment, ready=3)
    await cluster.settle()
    assert (await cluster.get(made)).status.disruptions_allowed == 1


async def test_a_pod_that_was_not_disrupted_after_all_stops_saying_so(cluster: Cluster) -> None:
    await cluster.apply(core_v1.Pod(metadata=meta_v1.ObjectMeta(name="web", namespace="default"), spec=template().spec))
    await cluster.settle()
    found = await cluster.client.get(core_v1.Pod, "web", "default")
    target = core_v1.PodCondition(
        type="DisruptionTarget",
        status="True",
        reason="EvictionByEvictionAPI",
        last_transition_time=found.metadata.creation_timestamp,
    )
    conditions = [*found.status.conditions, target]
    await cluster.client.update_status(
        msgspec.structs.replace(found, status=msgspec.structs.replace(found.status, conditions=conditions))
    )
    await cluster.clock.sleep(130)
    await cluster.settle()
    after = await cluster.client.get(core_v1.Pod, "web", "default")
    assert meta.condition(after.status, "DisruptionTarget").status == "False"


async def _evict(cluster: Cluster, name: str) -> None:
    body = policy_v1.Eviction(metadata=meta_v1.ObjectMeta(name=name, namespace="default"))
    await cluster.client.post(core_v1.Pod, name, "default", subresource="eviction", body=body)
