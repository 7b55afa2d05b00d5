"""Replication controllers, replica sets, daemon sets and stateful sets."""

# ruff: noqa: E501
from __future__ import annotations

from typing import Any

import pytest

from apiserver.resources.support import CONTEXT, cells, changed, created, problems, update_problems
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.resources.controller_revision import CONTROLLER_REVISIONS
from pybernetes.apiserver.resources.daemon_set import DAEMON_SETS, TEMPLATE_GENERATION, prepare_update
from pybernetes.apiserver.resources.pod_template import POD_TEMPLATES
from pybernetes.apiserver.resources.replica_set import REPLICA_SETS
from pybernetes.apiserver.resources.replication_controller import REPLICATION_CONTROLLERS
from pybernetes.apiserver.resources.stateful_set import STATEFUL_SETS

TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a", "image": "x"}]}}


def workload(**spec: Any) -> Document:
    selector = {"matchLabels": {"app": "web"}}
    return {"metadata": {"name": "web"}, "spec": {"selector": selector, "template": TEMPLATE, **spec}}


def test_a_replication_controller_takes_selector_and_labels_of_its_template() -> None:
    stored = created(REPLICATION_CONTROLLERS, {"metadata": {"name": "web"}, "spec": {"template": TEMPLATE}})
    assert stored["spec"]["selector"] == {"app": "web"}
    assert stored["metadata"]["labels"] == {"app": "web"}
    assert stored["spec"]["replicas"] == 1
    assert stored["status"] == {"replicas": 0}
    assert cells(REPLICATION_CONTROLLERS, stored, wide=True)["Selector"] == "app=web"


def test_a_replication_controller_selects_its_pods() -> None:
    manifest = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "other"}, "template": TEMPLATE}}
    assert problems(REPLICATION_CONTROLLERS, manifest) == [
        'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'
    ]
    assert "spec.template: Required value" in problems(
        REPLICATION_CONTROLLERS, {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}}}
    )


def test_a_replica_set_counts_its_pods() -> None:
    stored = changed(created(REPLICA_SETS, workload(replicas=3)), status={"replicas": 2, "readyReplicas": 1})
    shown = cells(REPLICA_SETS, stored)
    assert (shown["Desired"], shown["Current"], shown["Ready"]) == (3, 2, 1)


def test_a_daemon_set_gets_the_defaults_of_upstream() -> None:
    stored = created(DAEMON_SETS, workload())
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    assert stored["spec"]["updateStrategy"] == strategy
    assert stored["spec"]["revisionHistoryLimit"] == 10
    assert stored["metadata"]["annotations"] == {TEMPLATE_GENERATION: "1"}


def test_a_daemon_set_counts_its_templates() -> None:
    stored = created(DAEMON_SETS, workload())
    new = changed(stored, spec__template__spec__containers__0__image="y")
    prepare_update(new, stored, CONTEXT)
    assert new["metadata"]["annotations"][TEMPLATE_GENERATION] == "2"


@pytest.mark.parametrize(
    ("rolling", "expected"),
    [
        (
            {"maxUnavailable": 0, "maxSurge": 0},
            "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0",
        ),
        (
            {"maxUnavailable": 1, "maxSurge": 1},
            "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero",
        ),
        (
            {"maxUnavailable": "1", "maxSurge": 0},
            'spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "1": a valid percent string must be a '
            "numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
        ),
    ],
)
def test_a_daemon_set_either_surges_or_goes_without(rolling: Document, expected: str) -> None:
    assert problems(DAEMON_SETS, workload(updateStrategy={"rollingUpdate": rolling})) == [expected]


def test_a_stateful_set_gets_the_defaults_of_upstream() -> None:
    resources = {"requests": {"storage": "1Gi"}}
    claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": resources}}
    spec = created(STATEFUL_SETS, workload(volumeClaimTemplates=[claim]))["spec"]
    assert spec["podManagementPolicy"] == "OrderedReady"
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    (template,) = spec["volumeClaimTemplates"]
    assert (template["kind"], template["status"]) == ("PersistentVolumeClaim", {"phase": "Pending"})
    assert template["spec"]["volumeMode"] == "Filesystem"


def test_little_of_a_stateful_set_may_change() -> None:
    stored = created(STATEFUL_SETS, workload())
    assert update_problems(STATEFUL_SETS, stored, spec__replicas=3) == []
    (refused,) = update_problems(STATEFUL_SETS, stored, spec__serviceName="other")
    assert refused.startswith(
        "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals',"
    )


def test_a_template_by_itself_is_completed_too() -> None:
    stored = created(POD_TEMPLATES, {"metadata": {"name": "t"}, "template": TEMPLATE})
    assert stored["template"]["spec"]["restartPolicy"] == "Always"


def test_a_revision_names_its_controller_and_keeps_its_data() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "web", "uid": "u", "controller": True}
    manifest = {"metadata": {"name": "r", "ownerReferences": [owner]}, "data": {"spec": {}}, "revision": 2}
    stored = created(CONTROLLER_REVISIONS, manifest)
    shown = cells(CONTROLLER_REVISIONS, stored)
    assert (shown["Controller"], shown["Revision"]) == ("daemonset.apps/web", 2)
    assert update_problems(CONTROLLER_REVISIONS, stored, data={"a": 1}) == [
        'data: Invalid value: {"a":1}: field is immutable'
    ]
