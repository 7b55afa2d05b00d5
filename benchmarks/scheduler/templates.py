"""The pods, nodes and services of scheduler_perf's workloads, as documents."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]
ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
HIGH_PRIORITY = "bench-high-priority"
SMALL = {"cpu": "100m", "memory": "500Mi"}
NODE = {"cpu": "4", "memory": "32Gi", "pods": "110"}
NAMED_NODE = "scheduler-perf-node"


def pod(requests: Document | None = None, labels: Document | None = None, **spec: Any) -> Document:
    container: Document = {"name": "pause", "image": "registry.k8s.io/pause:3.10.2"}
    if requests is not None:
        container |= {"ports": [{"containerPort": 80}], "resources": {"requests": requests, "limits": requests}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"labels": labels or {}},
        "spec": {
            "containers": [container],
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            **spec,
        },
    }


def _selecting(labels: Document, key: str, **where: Any) -> Document:
    return {"labelSelector": {"matchLabels": labels}, "topologyKey": key, **where}


def _company(kind: str, labels: Document, term: Document, *, required: bool) -> Document:
    if required:
        affinity: Document = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    else:
        affinity = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]}
    return pod(SMALL, labels, affinity={kind: affinity})


def _spreading(when: str) -> Document:
    constraint = {"maxSkew": 5, "whenUnsatisfiable": when, **_selecting(BLUE, ZONE)}
    return pod(SMALL, BLUE, topologySpreadConstraints=[constraint])


def _on_nodes(**term: Any) -> Document:
    terms = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {"nodeAffinity": terms}


BLUE, GREEN, RED = {"color": "blue"}, {"color": "green"}, {"color": "red"}
BOTH_NAMESPACES = {"namespaces": ["sched-1", "sched-0"]}
TEAM = {"team": "devops"}
OF_TEAM = {"namespaceSelector": {"matchLabels": TEAM}}

DEFAULT = pod(SMALL)
LIGHT = pod()
GATED = pod(schedulingGates=[{"name": "test.k8s.io/hold"}])
LABELLED = pod(None, {"app": "scheduler-perf"})
LOW_PRIORITY = pod({"cpu": "900m", "memory": "500Mi"})
HIGH_PRIORITY_POD = pod({"cpu": "3", "memory": "500Mi"}, priorityClassName=HIGH_PRIORITY)
TOO_LARGE = pod({"cpu": "9", "memory": "500Mi"}, priorityClassName=HIGH_PRIORITY)
FOR_NAMED_NODE = pod(
    affinity=_on_nodes(matchFields=[{"key": "metadata.name", "operator": "In", "values": [NAMED_NODE]}])
)
NODE_AFFINITY = pod(
    SMALL, affinity=_on_nodes(matchExpressions=[{"key": ZONE, "operator": "In", "values": ["zone1", "zone2"]}])
)
AFFINITY = _company("podAffinity", BLUE, _selecting(BLUE, ZONE, **BOTH_NAMESPACES), required=True)
ANTI_AFFINITY = _company("podAntiAffinity", GREEN, _selecting(GREEN, HOST, **BOTH_NAMESPACES), required=True)
PREFERRED_AFFINITY = _company("podAffinity", RED, _selecting(RED, HOST, **BOTH_NAMESPACES), required=False)
PREFERRED_ANTI_AFFINITY = _company(
    "podAntiAffinity", {"color": "yellow"}, _selecting({"color": "yellow"}, HOST, **BOTH_NAMESPACES), required=False
)
ANTI_AFFINITY_OF_TEAM = _company("podAntiAffinity", GREEN, _selecting(GREEN, HOST, **OF_TEAM), required=True)
SPREADING = _spreading("DoNotSchedule")
PREFERRED_SPREADING = _spreading("ScheduleAnyway")


def node(name: str, labels: Document, capacity: Document | None = None) -> Document:
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "ready",
        "lastHeartbeatTime": "2100-01-01T00:00:00Z",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    room = capacity or NODE
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {HOST: name, **labels}},
        "status": {"capacity": room, "allocatable": room, "conditions": [ready]},
    }


def service(name: str, selector: Document) -> Document:
    spec = {"selector": selector, "ports": [{"protocol": "TCP", "port": 8080, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def priority_class() -> Document:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": HIGH_PRIORITY},
        "value": 10,
    }
