"""Namespaces, nodes, events and what else stands by itself."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.resources.support import NOW, cells, changed, created, model, problems, update_problems
from pybernetes.apiserver.resource import Document, StatusSubresource
from pybernetes.apiserver.resources.event import EVENTS, NEW_EVENTS, from_core, to_core
from pybernetes.apiserver.resources.namespace import NAMESPACES
from pybernetes.apiserver.resources.node import NODES
from pybernetes.apiserver.resources.priority_class import PRIORITY_CLASSES


def named(**fields: Any) -> Document:
    return {"metadata": {"name": "one"}, **fields}


def test_a_namespace_is_active_labelled_with_its_name_and_held_by_its_finalizer() -> None:
    stored = created(NAMESPACES, named())
    assert stored["metadata"]["labels"] == {"kubernetes.io/metadata.name": "one"}
    assert stored["spec"] == {"finalizers": ["kubernetes"]}
    assert stored["status"] == {"phase": "Active"}
    assert cells(NAMESPACES, stored)["Status"] == "Active"


def test_the_name_of_a_namespace_is_a_label() -> None:
    (text,) = problems(NAMESPACES, {"metadata": {"name": "a.b"}})
    assert text == 'metadata.name: Invalid value: "a.b": must not contain dots'


def test_only_a_namespace_that_is_going_may_be_terminating() -> None:
    stored = created(NAMESPACES, named())
    status = NAMESPACES.subresource("status")
    assert isinstance(status, StatusSubresource)
    assert status.validate is not None
    new = model(NAMESPACES, changed(stored, status__phase="Terminating"))
    assert [str(error) for error in status.validate(new, model(NAMESPACES, stored))] == [
        "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"
    ]


def test_a_node_brings_its_status_and_allocates_its_capacity() -> None:
    stored = created(NODES, named(status={"capacity": {"cpu": "4"}}))
    assert stored["status"]["allocatable"] == {"cpu": "4"}


def test_a_node_reads_as_upstream_prints_it() -> None:
    node = {
        "metadata": {"name": "n", "labels": {"node-role.kubernetes.io/control-plane": ""}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            "nodeInfo": {"kubeletVersion": "v1.36.0", "osImage": "Debian"},
        },
    }
    shown = cells(NODES, node, wide=True)
    assert (shown["Status"], shown["Roles"], shown["Version"]) == (
        "Ready,SchedulingDisabled",
        "control-plane",
        "v1.36.0",
    )
    assert (shown["Internal-IP"], shown["External-IP"], shown["OS-Image"]) == ("10.0.0.1", "<none>", "Debian")
    assert shown["Kernel-Version"] == "<unknown>"


def test_a_taint_needs_an_effect_that_exists() -> None:
    assert problems(NODES, named(spec={"taints": [{"key": "a", "effect": "Sometimes"}]})) == [
        'metadata.taints[0].effect: Unsupported value: "Sometimes": '
        'supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'
    ]


CORE_EVENT: Document = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "e", "namespace": "default"},
    "involvedObject": {"kind": "Pod", "namespace": "default", "name": "web", "fieldPath": "spec.containers{a}"},
    "reason": "Started",
    "message": "Started container a\n",
    "source": {"component": "kubelet", "host": "n"},
    "firstTimestamp": "2030-01-01T11:50:00Z",
    "lastTimestamp": "2030-01-01T11:59:50Z",
    "count": 3,
    "type": "Normal",
}


def test_an_event_reads_as_upstream_prints_it() -> None:
    assert cells(EVENTS, CORE_EVENT, wide=True) == {
        "Last Seen": "10s",
        "Type": "Normal",
        "Reason": "Started",
        "Object": "pod/web",
        "Subobject": "spec.containers{a}",
        "Source": "kubelet, n",
        "Message": "Started container a",
        "First Seen": "10m",
        "Count": 3,
        "Name": "e",
    }


def test_both_views_of_an_event_are_the_same_event() -> None:
    view = from_core(CORE_EVENT)
    assert view["note"] == CORE_EVENT["message"]
    assert view["regarding"] == CORE_EVENT["involvedObject"]
    assert view["apiVersion"] == "events.k8s.io/v1"
    assert to_core(view) == CORE_EVENT
    assert [column.extract(view, NOW) for column in NEW_EVENTS.columns] == [
        column.extract(CORE_EVENT, NOW) for column in EVENTS.columns
    ]


def test_an_event_belongs_to_the_namespace_of_its_object() -> None:
    wrong = {**CORE_EVENT, "metadata": {"name": "e", "namespace": "other"}}
    assert problems(EVENTS, wrong) == [
        'involvedObject.namespace: Invalid value: "default": does not match event.namespace'
    ]


@pytest.mark.parametrize("field", ["reportingController", "reportingInstance", "action", "reason"])
def test_an_event_of_the_new_group_says_who_reports(field: str) -> None:
    event = {
        "metadata": {"name": "e"},
        "eventTime": "2030-01-01T12:00:00.000000Z",
        "regarding": {"namespace": "default", "name": "x", "kind": "Pod"},
        "type": "Normal",
        "reportingController": "example.com/c",
        "reportingInstance": "c-1",
        "action": "Act",
        "reason": "Because",
    }
    assert problems(NEW_EVENTS, event) == []
    del event[field]
    assert f"{field}: Required value" in problems(NEW_EVENTS, event)


def test_users_priorities_end_at_a_billion() -> None:
    assert created(PRIORITY_CLASSES, named(value=1))["preemptionPolicy"] == "PreemptLowerPriority"
    assert problems(PRIORITY_CLASSES, named(value=1000000001)) == [
        "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"
    ]
    stored = created(PRIORITY_CLASSES, named(value=1))
    assert update_problems(PRIORITY_CLASSES, stored, value=2) == ["value: Forbidden: may not be changed in an update."]
