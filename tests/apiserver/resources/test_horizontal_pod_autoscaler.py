"""One object, served as autoscaling/v1 and autoscaling/v2."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiserver.serving import TABLE, serving
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.resources.autoscaler_versions import from_v1, to_v1
from pybernetes.apiserver.resources.horizontal_pod_autoscaler import HORIZONTAL_POD_AUTOSCALERS

from .support import problems

V1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
V2 = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
PODS_METRIC = {
    "type": "Pods",
    "pods": {"metric": {"name": "requests"}, "target": {"type": "AverageValue", "averageValue": "10"}},
}


def autoscaler(version: str, **spec: Any) -> Document:
    return {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"scaleTargetRef": TARGET, "maxReplicas": 5, **spec},
    }


async def test_what_v1_says_of_the_cpu_is_a_metric_of_v2() -> None:
    async with serving() as talk:
        await talk.post(V1, autoscaler("v1", targetCPUUtilizationPercentage=70))
        spec = (await talk.get(f"{V2}/web")).body["spec"]
    target = {"type": "Utilization", "averageUtilization": 70}
    assert spec["metrics"] == [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    assert spec["minReplicas"] == 1


async def test_what_v1_has_no_fields_for_stands_in_its_annotations_and_is_kept_when_written_back() -> None:
    behavior = {"scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}}
    async with serving() as talk:
        created = (await talk.post(V2, autoscaler("v2", metrics=[PODS_METRIC], behavior=behavior))).body
        seen = (await talk.get(f"{V1}/web")).body
        written = await talk.put(f"{V1}/web", seen)
        kept = (await talk.get(f"{V2}/web")).body
    annotations = seen["metadata"]["annotations"]
    assert json.loads(annotations["autoscaling.alpha.kubernetes.io/metrics"]) == [
        {"type": "Pods", "pods": {"metricName": "requests", "targetAverageValue": "10"}}
    ]
    assert json.loads(annotations["autoscaling.alpha.kubernetes.io/behavior"])["ScaleUp"]["Policies"] == [
        {"Type": "Pods", "Value": 2, "PeriodSeconds": 60}
    ]
    assert written.status == 200
    assert (kept["spec"], kept["metadata"]["resourceVersion"]) == (
        created["spec"],
        created["metadata"]["resourceVersion"],
    )


async def test_annotations_that_cannot_be_read_are_dropped() -> None:
    manifest = autoscaler("v1")
    manifest["metadata"]["annotations"] = {"autoscaling.alpha.kubernetes.io/metrics": "[nonsense", "mine": "stays"}
    async with serving() as talk:
        created = (await talk.post(V1, manifest)).body
    assert created["metadata"]["annotations"] == {"mine": "stays"}
    assert created["spec"]["targetCPUUtilizationPercentage"] == 80


async def test_a_write_through_v1_keeps_the_status_that_only_v2_can_tell() -> None:
    condition = {"type": "AbleToScale", "status": "True", "lastTransitionTime": "2030-01-01T00:00:00Z"}
    async with serving() as talk:
        created = (await talk.post(V2, autoscaler("v2"))).body
        created["status"] = {"desiredReplicas": 3, "currentReplicas": 2, "conditions": [condition]}
        await talk.put(f"{V2}/web/status", created)
        await talk.put(f"{V1}/web", autoscaler("v1", maxReplicas=7))
        seen = (await talk.get(f"{V2}/web")).body
    assert seen["spec"]["maxReplicas"] == 7
    assert seen["status"]["conditions"] == [condition]


async def test_both_versions_are_watched_and_judged_as_v2() -> None:
    async with serving() as talk:
        refused = await talk.post(V1, autoscaler("v1", targetCPUUtilizationPercentage=0))
        watching = await talk.watch(V1)
        await talk.post(V2, autoscaler("v2"))
        _, watched = await watching.next()
    assert refused.body["details"]["causes"][0]["field"] == "spec.metrics[0].resource.target.averageUtilization"
    assert watched["apiVersion"] == "autoscaling/v1"
    assert watched["spec"]["targetCPUUtilizationPercentage"] == 80


async def test_a_change_through_one_version_is_taken_from_those_who_manage_it_through_the_other() -> None:
    async with serving() as talk:
        await talk.post(V1, autoscaler("v1", targetCPUUtilizationPercentage=70), fieldManager="old")
        target = {"type": "Utilization", "averageUtilization": 60}
        metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
        await talk.put(f"{V2}/web", autoscaler("v2", metrics=metrics), fieldManager="new")
        managed = (await talk.get(f"{V1}/web")).body["metadata"]["managedFields"]
    fields = {entry["manager"]: (entry["apiVersion"], sorted(entry["fieldsV1"]["f:spec"])) for entry in managed}
    assert fields == {
        "old": ("autoscaling/v1", ["f:maxReplicas", "f:minReplicas", "f:scaleTargetRef"]),
        "new": ("autoscaling/v2", ["f:metrics"]),
    }


async def test_the_table_is_the_same_through_both_versions() -> None:
    async with serving() as talk:
        await talk.post(V1, autoscaler("v1", targetCPUUtilizationPercentage=70))
        rows = [(await talk.get(f"{path}/web", TABLE)).body["rows"][0]["cells"] for path in (V1, V2)]
    assert rows[0][:6] == ["web", "Deployment/web", "cpu: <unknown>/70%", "1", 5, 0]
    assert rows[0][:6] == rows[1][:6]


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("Object", {"describedObject": TARGET, "metric": {"name": "m"}, "target": {"type": "Value", "value": "3k"}}),
        ("External", {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "1500m"}}),
        ("Resource", {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}),
        (
            "ContainerResource",
            {"name": "cpu", "container": "c", "target": {"type": "Utilization", "averageUtilization": 5}},
        ),
    ],
)
def test_every_kind_of_metric_survives_v1(kind: str, source: Document) -> None:
    metric = {"type": kind, kind[0].lower() + kind[1:]: source}
    assert from_v1(to_v1(autoscaler("v2", metrics=[metric])))["spec"]["metrics"] == [metric]


@pytest.mark.parametrize(
    ("spec", "field", "expected"),
    [
        ({"maxReplicas": 0}, "maxReplicas", "Required value: must be set and greater than 0"),
        ({"minReplicas": 0}, "minReplicas", "Invalid value: 0: must be greater than or equal to 1"),
        (
            {"scaleTargetRef": {"kind": "Deployment", "name": "web"}},
            "scaleTargetRef.apiVersion",
            'Invalid value: "": apiVersion must specify API group',
        ),
        (
            {"metrics": [{"type": "Pods"}]},
            "metrics[0].pods",
            "Required value: must populate information for the given metric source",
        ),
        (
            {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 3601}}},
            "behavior.scaleDown.stabilizationWindowSeconds",
            "Invalid value: 3601: must be less than or equal to 3600",
        ),
    ],
)
def test_a_mistake_gets_the_message_of_upstream(spec: Document, field: str, expected: str) -> None:
    assert f"spec.{field}: {expected}" in problems(HORIZONTAL_POD_AUTOSCALERS, autoscaler("v2", **spec))


def test_what_an_object_metric_describes_is_judged_as_a_whole_before_its_metric() -> None:
    source = {"describedObject": {"apiVersion": "a/b/c", "kind": "", "name": "n"}, "target": {"type": "Value"}}
    metrics = [{"type": "Object", "object": source}]
    found = problems(HORIZONTAL_POD_AUTOSCALERS, autoscaler("v2", metrics=metrics))
    assert [one.partition(":")[0].rpartition("object.")[2] for one in found][:3] == [
        "describedObject.kind",
        "describedObject.apiVersion",
        "metric.name",
    ]


async def test_no_policies_are_refused_where_unstated_ones_are_defaulted() -> None:
    async with serving() as talk:
        refused = await talk.post(V2, autoscaler("v2", behavior={"scaleUp": {"policies": []}}))
        assert refused.message == (
            'HorizontalPodAutoscaler.autoscaling "web" is invalid: '
            "spec.behavior.scaleUp.policies: Required value: must specify at least one Policy"
        )
        made = await talk.post(V2, autoscaler("v2", behavior={"scaleUp": {"policies": None}}))
        assert len(made.body["spec"]["behavior"]["scaleUp"]["policies"]) == 2
