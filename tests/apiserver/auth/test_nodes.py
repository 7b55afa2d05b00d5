from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from pybernetes.api.errors import ApiError
from pybernetes.apiserver.admission.contract import Attributes as Admission
from pybernetes.apiserver.admission.contract import Operation
from pybernetes.apiserver.auth.authorizers import ClusterAuthorizer
from pybernetes.apiserver.auth.contract import Attributes, User
from pybernetes.apiserver.auth.node_graph import NodeGraph, references
from pybernetes.apiserver.auth.node_restriction import NodeRestriction, protected_label_changes
from pybernetes.apiserver.auth.rbac import Rbac
from pybernetes.apiserver.resource import Context
from pybernetes.apiserver.resources.lease import LEASES
from pybernetes.apiserver.resources.node import NODES
from pybernetes.apiserver.resources.pod import PODS
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


async def refusal(asked: Admission) -> str:
    try:
        await NodeRestriction().validate(asked)
    except ApiError as error:
        return error.message
    return ""


def pod_on(node: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web", **metadata}, "spec": {"nodeName": node}}


async def test_a_kubelet_changes_and_deletes_its_own_pods_only() -> None:
    def status(old: dict[str, Any], new: dict[str, Any]) -> Admission:
        return Admission(Operation.UPDATE, PODS, "default", "web", CONTEXT, new, old, "status")

    assert await refusal(status(pod_on("n1"), pod_on("n1"))) == ""
    assert await refusal(status(pod_on("n2"), pod_on("n2"))) == (
        'pods "web" is forbidden: node "n1" can only update pod status for pods with spec.nodeName set to itself'
    )
    relabelled = status(pod_on("n1"), pod_on("n1", labels={"a": "b"}))
    assert "cannot update labels" in await refusal(relabelled)
    deletion = Admission(Operation.DELETE, PODS, "default", "web", CONTEXT, None, pod_on("n2"))
    assert "can only delete pods" in await refusal(deletion)


async def test_a_kubelet_creates_mirror_pods_only() -> None:
    def create(pod: dict[str, Any]) -> Admission:
        return Admission(Operation.CREATE, PODS, "default", "web", CONTEXT, pod)

    mirror = {"kubernetes.io/config.mirror": "hash"}
    assert "can only create mirror pods" in await refusal(create(pod_on("n1")))
    assert await refusal(create(pod_on("n1", annotations=mirror))) == ""
    assert "spec.nodeName set to itself" in await refusal(create(pod_on("n2", annotations=mirror)))


async def test_a_kubelet_changes_its_own_node_without_taints_and_protected_labels() -> None:
    def update(name: str, new: dict[str, Any]) -> Admission:
        return Admission(Operation.UPDATE, NODES, "", name, CONTEXT, new, {"metadata": {"name": name}})

    assert await refusal(update("n1", {"metadata": {"labels": {"kubernetes.io/hostname": "n1", "mine": "x"}}})) == ""
    assert "is not allowed to modify node" in await refusal(update("n2", {"metadata": {}}))
    assert "modify taints" in await refusal(update("n1", {"metadata": {}, "spec": {"taints": [{"key": "a"}]}}))
    protected = {"node-restriction.kubernetes.io/zone": "a"}
    assert "modify labels" in await refusal(update("n1", {"metadata": {"labels": protected}}))


async def test_others_are_not_restricted() -> None:
    context = Context(User("jane"), CONTEXT.now)
    assert await refusal(Admission(Operation.DELETE, PODS, "default", "web", context, None, pod_on("n2"))) == ""
    assert await refusal(Admission(Operation.UPDATE, LEASES, "x", "y", CONTEXT, {}, {})) != ""


@pytest.mark.parametrize(
    ("label", "protected"),
    [
        ("plain", False),
        ("example.com/x", False),
        ("kubernetes.io/hostname", False),
        ("node.kubernetes.io/anything", False),
        ("kubernetes.io/role", True),
        ("node-role.kubernetes.io/control-plane", True),
        ("something.k8s.io/x", True),
    ],
)
def test_labels_of_the_system_are_protected_but_for_those_that_kubelets_set(label: str, protected: bool) -> None:
    assert bool(protected_label_changes({label: "x"}, {})) is protected


async def _until(holds: Any) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0)
    pytest.fail("never came to hold")
