"""Autoscalers follow their metrics, no faster and no further than they may."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
import pytest

from controllers.make import NOW, deployment, pod, template
from pybernetes.api import meta
from pybernetes.api.models import apps_v1, autoscaling_v2, core_v1, meta_v1
from pybernetes.client.transport import Request, Response, Stream, Transport
from pybernetes.controllers.autoscaling.limits import Bounds, Memory, allow
from pybernetes.controllers.autoscaling.proposals import (
    NoProposal,
    Sample,
    Tolerances,
    by_average,
    by_ratio,
    by_utilization,
    per_pod,
    propose,
    requests_of,
)
from pybernetes.testing.cluster import Cluster

Behavior = autoscaling_v2.HorizontalPodAutoscalerBehavior
Rules = autoscaling_v2.HPAScalingRules
Policy = autoscaling_v2.HPAScalingPolicy


def working(name: str, *, cpu: str = "1", **state: Any) -> core_v1.Pod:
    made = pod(name, **state)
    container = core_v1.Container(name="main", resources=core_v1.ResourceRequirements(requests={"cpu": cpu}))
    made.spec.containers = [container]
    made.status.start_time = NOW - timedelta(hours=1)
    return made


def samples(**used: int) -> dict[str, Sample]:
    return {name: Sample(value, NOW, timedelta(seconds=30)) for name, value in used.items()}


def utilization(target: int, pods: list[core_v1.Pod]) -> Any:
    return by_utilization(target, lambda: requests_of(pods, "", "cpu"))


@pytest.mark.parametrize(
    ("used", "replicas", "percent"),
    [
        ((500, 500, 500), 3, 50),
        ((540, 540, 540), 3, 54),
        ((1000, 1000, 1000), 6, 100),
        ((200, 200, 200), 2, 20),
        ((0, 0, 0), 0, 0),
    ],
)
def test_replicas_follow_what_is_used_beyond_the_tolerance(used: tuple[int, ...], replicas: int, percent: int) -> None:
    pods = [working(name) for name in "abc"]
    found = propose(
        pods, samples(**dict(zip("abc", used, strict=True))), "cpu", 3, Tolerances(), utilization(50, pods), NOW
    )
    assert (found.replicas, found.utilization) == (replicas, percent)


def test_silent_pods_count_as_idle_when_it_would_be_more_and_as_full_when_it_would_be_fewer() -> None:
    pods = [working(name) for name in "abcd"]
    more = propose(pods, samples(a=800, b=800, c=800), "cpu", 4, Tolerances(), utilization(50, pods), NOW)
    assert more.replicas == 5
    fewer = propose(pods, samples(a=100, b=100, c=100), "cpu", 4, Tolerances(), utilization(50, pods), NOW)
    assert fewer.replicas == 3


def test_pods_that_are_not_ready_hold_up_only_growth() -> None:
    pods = [working("a"), working("b"), working("c", ready=False)]
    pods[2].status.start_time = NOW - timedelta(seconds=60)
    found = propose(pods, samples(a=900, b=900, c=900), "cpu", 3, Tolerances(), utilization(50, pods), NOW)
    assert found.replicas == 4
    assert found.utilization == 90


def test_a_change_that_would_turn_round_is_not_made() -> None:
    pods = [working(name) for name in "ab"]
    found = propose(pods, samples(a=600), "cpu", 2, Tolerances(), utilization(50, pods), NOW)
    assert found.replicas == 2


def test_averages_are_aimed_at_without_requests() -> None:
    pods = [pod("a"), pod("b")]
    found = propose(pods, samples(a=20_000, b=10_000), "", 2, Tolerances(), by_average(10_000), NOW)
    assert (found.replicas, found.average, found.utilization) == (3, 15_000, None)


def test_what_belongs_to_no_pod_counts_by_ratio_or_is_shared() -> None:
    pods = [pod("a"), pod("b"), pod("c", ready=False)]
    assert by_ratio(2.0, 3, Tolerances(), pods) == 4
    assert by_ratio(1.05, 3, Tolerances(), pods) == 3
    assert by_ratio(2.5, 0, Tolerances(), []) == 3
    shared = per_pod(10_000, 2_000, 3, Tolerances())
    assert (shared.replicas, shared.average) == (5, 3334)


@pytest.mark.parametrize(
    ("pods", "found", "why"),
    [
        ([], {}, "no pods returned by selector while calculating replica count"),
        ([working("a")], {}, "did not receive metrics for targeted pods (pods might be unready)"),
        ([pod("a")], samples(a=1), "missing request for cpu in container x of Pod a"),
    ],
)
def test_nothing_is_proposed_where_nothing_is_known(
    pods: list[core_v1.Pod], found: Mapping[str, Sample], why: str
) -> None:
    for one in pods:
        one.status.start_time = NOW - timedelta(hours=1)
        one.spec.containers = one.spec.containers or [core_v1.Container(name="x")]
    with pytest.raises(NoProposal) as refused:
        propose(pods, found, "cpu", 1, Tolerances(), utilization(50, pods), NOW)
    assert str(refused.value) == why


def remembering(*recommended: tuple[int, float]) -> Memory:
    """Recommendations, each so many seconds ago."""
    return Memory(tuple((replicas, NOW - timedelta(seconds=ago)) for replicas, ago in recommended))


def test_what_was_recommended_within_five_minutes_is_not_undercut() -> None:
    allowed = allow(None, 5, 2, Bounds(1, 10), remembering((4, 299), (9, 301)), NOW)
    assert (allowed.replicas, allowed.able.reason) == (4, "ScaleDownStabilized")


@pytest.mark.parametrize(
    ("current", "desired", "most", "replicas", "reason"),
    [
        (3, 20, 30, 6, "ScaleUpLimit"),
        (1, 20, 30, 4, "ScaleUpLimit"),
        (3, 20, 5, 5, "TooManyReplicas"),
        (3, 1, 5, 2, "TooFewReplicas"),
        (3, 4, 5, 4, "DesiredWithinRange"),
    ],
)
def test_bounds_and_the_greatest_step_limit_what_is_desired(
    current: int, desired: int, most: int, replicas: int, reason: str
) -> None:
    allowed = allow(None, current, desired, Bounds(2, most), Memory(), NOW)
    assert (allowed.replicas, allowed.limited.reason) == (replicas, reason)
    assert allowed.is_limited is (reason != "DesiredWithinRange")


def test_policies_limit_the_rate_by_what_was_done_in_their_period() -> None:
    up = Rules(
        stabilization_window_seconds=0,
        select_policy="Max",
        policies=[Policy(type="Pods", value=4, period_seconds=60), Policy(type="Percent", value=50, period_seconds=60)],
    )
    down = Rules(
        stabilization_window_seconds=0,
        select_policy="Min",
        policies=[Policy(type="Pods", value=1, period_seconds=60), Policy(type="Percent", value=50, period_seconds=60)],
    )
    behavior = Behavior(scale_up=up, scale_down=down)
    assert allow(behavior, 10, 30, Bounds(1, 100), Memory(), NOW).replicas == 15
    once = Memory().scaled(10, 14, NOW - timedelta(seconds=30))
    assert allow(behavior, 14, 30, Bounds(1, 100), once, NOW).replicas == 15
    assert allow(behavior, 10, 2, Bounds(1, 100), Memory(), NOW).replicas == 9
    disabled = Behavior(scale_up=up, scale_down=Rules(stabilization_window_seconds=0, select_policy="Disabled"))
    assert allow(disabled, 10, 2, Bounds(1, 100), Memory(), NOW).replicas == 10


def test_windows_hold_back_in_both_directions() -> None:
    behavior = Behavior(
        scale_up=Rules(
            stabilization_window_seconds=60,
            select_policy="Max",
            policies=[Policy(type="Percent", value=1000, period_seconds=60)],
        ),
        scale_down=Rules(
            stabilization_window_seconds=60,
            select_policy="Max",
            policies=[Policy(type="Percent", value=100, period_seconds=60)],
        ),
    )
    up = allow(behavior, 5, 9, Bounds(1, 20), remembering((6, 59)), NOW)
    assert (up.replicas, up.able.reason) == (6, "ScaleUpStabilized")
    down = allow(behavior, 5, 2, Bounds(1, 20), remembering((4, 59), (9, 61)), NOW)
    assert (down.replicas, down.able.reason) == (4, "ScaleDownStabilized")


@dataclass
class WithMetrics:
    """A transport that answers for the resource metrics API: every pod of the list uses so much."""

    inner: Transport
    used: dict[str, str] = field(default_factory=lambda: {"cpu": "100m"})

    async def send(self, request: Request) -> Response:
        if not request.path.startswith("/apis/metrics.k8s.io/"):
            return await self.inner.send(request)
        listed = await self.inner.send(
            Request("GET", "/api/v1/namespaces/default/pods", request.query, request.headers)
        )
        items = [
            {
                "metadata": {"name": one["metadata"]["name"]},
                "timestamp": "2100-01-01T00:00:00Z",
                "window": "15s",
                "containers": [{"name": "main", "usage": dict(self.used)}],
            }
            for one in orjson.loads(listed.body)["items"]
        ]
        return Response(200, {"Content-Type": "application/json"}, orjson.dumps({"items": items}))

    def stream(self, request: Request) -> AbstractAsyncContextManager[Stream]:
        return self.inner.stream(request)

    async def close(self) -> None:
        await self.inner.close()


def autoscaler(target: int = 50) -> autoscaling_v2.HorizontalPodAutoscaler:
    aim = autoscaling_v2.MetricTarget(type="Utilization", average_utilization=target)
    source = autoscaling_v2.ResourceMetricSource(name="cpu", target=aim)
    spec = autoscaling_v2.HorizontalPodAutoscalerSpec(
        scale_target_ref=autoscaling_v2.CrossVersionObjectReference(
            api_version="apps/v1", kind="Deployment", name="web"
        ),
        min_replicas=1,
        max_replicas=5,
        metrics=[autoscaling_v2.MetricSpec(type="Resource", resource=source)],
    )
    return autoscaling_v2.HorizontalPodAutoscaler(
        metadata=meta_v1.ObjectMeta(name="web", namespace="default"), spec=spec
    )


def web() -> apps_v1.Deployment:
    made = deployment(replicas=2)
    described = template()
    described.spec.containers[0].resources = core_v1.ResourceRequirements(requests={"cpu": "100m"})
    made.spec.template = described
    made.metadata = meta_v1.ObjectMeta(name="web", namespace="default")
    return made


@pytest.mark.virtual_time
async def test_a_deployment_grows_under_load_and_shrinks_five_minutes_after_it() -> None:
    between: list[WithMetrics] = []

    def metered(inner: Transport) -> Transport:
        between.append(WithMetrics(inner))
        return between[-1]

    async with Cluster(transport=metered) as cluster:
        made = await cluster.apply(web())
        await cluster.pods_of(made, ready=2)
        one = await cluster.apply(autoscaler())
        await cluster.clock.sleep(400)
        assert (await cluster.get(made)).spec.replicas == 5
        status = (await cluster.get(one)).status
        assert meta.is_true(status, "ScalingLimited")
        assert meta.condition(status, "ScalingActive").reason == "ValidMetricFound"
        assert status.current_metrics[0].resource is not None
        assert status.current_metrics[0].resource.current.average_utilization == 100
        for transport in between:
            transport.used["cpu"] = "10m"
        await cluster.clock.sleep(240)
        assert (await cluster.get(made)).spec.replicas == 5
        await cluster.clock.sleep(120)
        assert (await cluster.get(made)).spec.replicas == 1


async def test_without_metrics_nothing_is_scaled_and_the_condition_says_why(cluster: Cluster) -> None:
    made = await cluster.apply(web())
    await cluster.pods_of(made, ready=2)
    one = autoscaler()
    one.spec.metrics = [
        autoscaling_v2.MetricSpec(
            type="External",
            external=autoscaling_v2.ExternalMetricSource(
                metric=autoscaling_v2.MetricIdentifier(name="queue"),
                target=autoscaling_v2.MetricTarget(type="Value", value="5"),
            ),
        )
    ]
    one = await cluster.apply(one)
    await cluster.clock.sleep(20)
    condition = meta.condition((await cluster.get(one)).status, "ScalingActive")
    assert (condition.status, condition.reason) == ("False", "FailedGetExternalMetric")
    assert "unable to get external metric default/queue/nil" in condition.message
    assert (await cluster.get(made)).spec.replicas == 2


async def test_an_autoscaler_of_nothing_says_that_it_cannot_scale(cluster: Cluster) -> None:
    one = await cluster.apply(autoscaler())
    await cluster.clock.sleep(20)
    condition = meta.condition((await cluster.get(one)).status, "AbleToScale")
    assert (condition.status, condition.reason) == ("False", "FailedGetScale")
    assert 'deployments.apps "web" not found' in condition.message
