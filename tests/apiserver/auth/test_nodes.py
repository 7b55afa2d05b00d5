from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from pybernetes.api.pod_references import references
from pybernetes.apiserver.auth.authorizers import ClusterAuthorizer
from pybernetes.apiserver.auth.contract import Attributes, User
from pybernetes.apiserver.auth.node_graph import NodeGraph
from pybernetes.apiserver.auth.rbac import Rbac
from pybernetes.apiserver.resource import Context
from pybernetes.store.contract import Delete, Put
from pybernetes.store.memory import MemoryStore

N1 = User("system:node:n1", groups=("system:nodes", "system:authenticated"))
CONTEXT = Context(N1, datetime(2026, 1, 1, tzinfo=UTC))

POD: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "default", "annotations": {"nodeName": "n2"}},
    "spec": {
        "nodeName": "n1",
        "serviceAccountName": "robot",
        "imagePullSecrets": [{"name": "registry"}],
        "initContainers": [{"name": "i", "envFrom": [{"configMapRef": {"name": "settings"}}]}],
        "containers": [{"name": "c", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "password"}}}]}],
        "volumes": [
            {"name": "v", "projected": {"sources": [{"secret": {"name": "tls"}}, {"configMap": {"name": "ca"}}]}},
            {"name": "w", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "x", "ephemeral": {}},
        ],
    },
}


def reads(resource: str, name: str, namespace: str = "default") -> Attributes:
    return Attributes("get", "", True, "", "v1", resource, "", namespace, name)


def test_a_pod_refers_to_all_that_its_kubelet_needs() -> None:
    found = {(resource, name) for resource, _, name in references(POD)}
    assert found == {
        ("serviceaccounts", "robot"),
        ("secrets", "registry"),
        ("secrets", "password"),
        ("secrets", "tls"),
        ("configmaps", "settings"),
        ("configmaps", "ca"),
        ("persistentvolumeclaims", "data"),
        ("persistentvolumeclaims", "web-x"),
    }


async def test_a_kubelet_reads_what_its_pods_refer_to_while_they_are_there() -> None:
    store = MemoryStore()
    graph = NodeGraph(store)
    await graph.start()
    authorizer = ClusterAuthorizer(Rbac(), graph)
    assert not (await authorizer.authorize(N1, reads("secrets", "tls"))).allowed
    await store.transact(write=[Put("/registry/pods/default/web", orjson.dumps(POD))])
    await _until(lambda: graph.refers("n1", "secrets", "default", "tls"))
    assert (await authorizer.authorize(N1, reads("secrets", "tls"))).allowed
    assert not (await authorizer.authorize(N1, reads("secrets", "other"))).allowed
    assert not (await authorizer.authorize(N1, reads("secrets", "tls", "elsewhere"))).allowed
    listing = Attributes("list", "", True, "", "v1", "secrets", "", "default", "")
    assert not (await authorizer.authorize(N1, listing)).allowed
    # The pod's annotation names another node: that one gets nothing by it.
    other = User("system:node:n2", groups=("system:nodes",))
    assert not (await authorizer.authorize(other, reads("secrets", "tls"))).allowed
    await store.transact(write=[Delete("/registry/pods/default/web")])
    await _until(lambda: not graph.refers("n1", "secrets", "default", "tls"))
    await graph.close()
    await store.close()


def test_a_kubelet_renews_its_own_lease_only() -> None:
    authorizer = ClusterAuthorizer(Rbac())

    def lease(namespace: str, name: str) -> Attributes:
        return Attributes("update", "", True, "coordination.k8s.io", "v1", "leases", "", namespace, name)

    assert authorizer.decide(N1, lease("kube-node-lease", "n1")).allowed
    assert not authorizer.decide(N1, lease("kube-node-lease", "n2")).allowed
    assert not authorizer.decide(N1, lease("kube-system", "n1")).allowed


async def _until(holds: Any) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0)
    pytest.fail("never came to hold")
