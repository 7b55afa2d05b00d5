"""The objects that the benchmarks write."""

from __future__ import annotations

import orjson


def pod(name: str, labels: dict[str, str], *, scheduler: str = "none") -> bytes:
    """About 1.7 kB once defaulted. No scheduler takes it unless one is named."""
    container = {
        "name": "main",
        "image": "registry.example/app:1.2.3",
        "ports": [{"containerPort": 8080, "name": "http"}],
        "env": [{"name": "MODE", "value": "production"}, {"name": "LEVEL", "value": "info"}],
        "resources": {"requests": {"cpu": "100m", "memory": "200Mi"}, "limits": {"cpu": "200m", "memory": "500Mi"}},
    }
    return orjson.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "containers": [container],
                "schedulerName": scheduler,
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0,
            },
        }
    )


def node(number: int) -> bytes:
    """An empty node without a kubelet, as scheduler_perf makes them."""
    capacity = {"cpu": "4", "memory": "32Gi", "pods": "110"}
    name = f"bench-node-{number}"
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"zone{number % 3}"}
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "ready",
        "lastHeartbeatTime": "2100-01-01T00:00:00Z",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    return orjson.dumps(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            "status": {"capacity": capacity, "allocatable": capacity, "conditions": [ready]},
        }
    )


def namespace(name: str) -> bytes:
    return orjson.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
