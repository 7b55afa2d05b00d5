"""Metadata that only some kinds judge, or that is judged twice, each answered as kube-apiserver answers it."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.serving import serving

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
PODS = "/api/v1/namespaces/default/pods"
HORIZONTAL = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
RULES = {"apiGroups": ["x"], "apiVersions": ["v1"], "resources": ["a"], "operations": ["*"]}


@pytest.mark.parametrize(
    ("collection", "document"),
    [
        (f"{ADMISSION}/validatingwebhookconfigurations", {}),
        (f"{ADMISSION}/mutatingwebhookconfigurations", {}),
        (
            f"{ADMISSION}/validatingadmissionpolicies",
            {"spec": {"validations": [{"expression": "true"}], "matchConstraints": {"resourceRules": [RULES]}}},
        ),
        (
            f"{ADMISSION}/validatingadmissionpolicybindings",
            {"spec": {"policyName": "a", "validationActions": ["Deny"]}},
        ),
    ],
)
async def test_finalizers_of_any_name_are_taken_by_kinds_of_admission(
    collection: str, document: dict[str, Any]
) -> None:
    async with serving() as talk:
        made = await talk.post(collection, {"metadata": {"name": "a", "finalizers": ["plain"]}, **document})
        assert (made.status, made.body["metadata"]["finalizers"]) == (201, ["plain"])
        changed = await talk.patch(f"{collection}/a", {"metadata": {"finalizers": ["plain", "other"]}})
        assert changed.status == 200
        refused = await talk.patch(f"{collection}/a", {"metadata": {"finalizers": ["a b"]}})
        assert refused.status == 422


async def test_what_is_wrong_with_a_pods_annotations_is_told_twice_when_it_changes() -> None:
    async with serving() as talk:
        container = {"name": "c", "image": "i"}
        await talk.post(PODS, {"metadata": {"name": "a"}, "spec": {"containers": [container]}})
        key = "controller.kubernetes.io/pod-deletion-cost"
        for door in ("", "/status"):
            refused = await talk.patch(f"{PODS}/a{door}", {"metadata": {"annotations": {key: "much"}}})
            told = [one["field"] for one in refused.body["details"]["causes"]]
            assert told == [f"metadata.annotations[{key}]"] * (1 if door else 2)


async def test_managers_are_forgotten_through_a_converted_version() -> None:
    async with serving() as talk:
        target = {"apiVersion": "apps/v1", "kind": "A", "name": "b"}
        await talk.post(HORIZONTAL, {"metadata": {"name": "a"}, "spec": {"maxReplicas": 2, "scaleTargetRef": target}})
        patched = await talk.patch(f"{HORIZONTAL}/a", {"metadata": {"managedFields": []}})
        assert (patched.status, "managedFields" in patched.body["metadata"]) == (200, False)
