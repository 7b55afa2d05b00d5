"""Deployments."""

# ruff: noqa: E501
from __future__ import annotations

from typing import Any

import pytest

from apiserver.resources.support import cells, changed, created, problems, update_problems
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.resources.deployment import DEPLOYMENTS, generation_rises


def deployment(labels: Document | None = None, **spec: Any) -> Document:
    template = {
        "metadata": {"labels": labels or {"app": "web"}},
        "spec": {"containers": [{"name": "a", "image": "x:1"}]},
    }
    return {
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template, **spec},
    }


def test_a_minimal_deployment_gets_the_defaults_of_upstream() -> None:
    stored = created(DEPLOYMENTS, deployment())
    spec = stored["spec"]
    assert spec["replicas"] == 1
    assert spec["revisionHistoryLimit"] == 10
    assert spec["progressDeadlineSeconds"] == 600
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    assert spec["template"]["spec"] == {
        "containers": [
            {
                "name": "a",
                "image": "x:1",
                "imagePullPolicy": "IfNotPresent",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }
    assert stored["status"] == {}


def test_zero_replicas_stay_zero() -> None:
    assert created(DEPLOYMENTS, deployment(replicas=0))["spec"]["replicas"] == 0


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (
            deployment(labels={"app": "other"}),
            'spec.template.metadata.labels: Invalid value: {"app":"other"}: `selector` does not match template `labels`',
        ),
        (deployment(selector=None), "spec.selector: Required value"),
        (deployment(selector={}), "spec.selector: Invalid value: {}: empty selector is invalid for deployment"),
        (deployment(replicas=-1), "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        (
            deployment(strategy={"type": "Recreate", "rollingUpdate": {}}),
            "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ),
        (
            deployment(strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}),
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ),
        (
            deployment(strategy={"rollingUpdate": {"maxUnavailable": "101%"}}),
            'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
        ),
        (
            deployment(minReadySeconds=600),
            "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds",
        ),
    ],
)
def test_a_mistake_gets_the_message_of_upstream(manifest: Document, expected: str) -> None:
    assert expected in problems(DEPLOYMENTS, manifest)


def test_the_pods_of_a_deployment_run_for_ever() -> None:
    manifest = deployment()
    manifest["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    assert problems(DEPLOYMENTS, manifest) == [
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'
    ]


def test_a_template_without_labels_says_what_its_labels_are() -> None:
    expected = "spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`"
    assert expected in problems(DEPLOYMENTS, deployment(template={}))


def test_the_selector_of_a_deployment_may_not_change() -> None:
    stored = created(DEPLOYMENTS, deployment(labels={"app": "web", "tier": "front"}))
    assert update_problems(DEPLOYMENTS, stored, spec__selector={"matchLabels": {"tier": "front"}}) == [
        'spec.selector: Invalid value: {"matchLabels":{"tier":"front"}}: field is immutable'
    ]


def test_annotations_and_the_spec_raise_the_generation_and_labels_do_not() -> None:
    stored = created(DEPLOYMENTS, deployment())
    assert generation_rises(changed(stored, spec__replicas=2), stored)
    assert generation_rises(changed(stored, metadata__annotations={"a": "b"}), stored)
    assert not generation_rises(changed(stored, metadata__labels={"a": "b"}), stored)


def test_a_deployment_reads_as_upstream_prints_it() -> None:
    counts = {"readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1}
    stored = changed(created(DEPLOYMENTS, deployment(replicas=3)), status=counts)
    assert cells(DEPLOYMENTS, stored, wide=True) == {
        "Name": "web",
        "Ready": "1/3",
        "Up-to-date": 2,
        "Available": 1,
        "Age": "<unknown>",
        "Containers": "a",
        "Images": "x:1",
        "Selector": "app=web",
    }
