"""NodeRestriction: what a kubelet may write."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from pybernetes.api.errors import ApiError
from pybernetes.apiserver.admission.contract import Attributes, Operation
from pybernetes.apiserver.admission.node_restriction import NodeRestriction
from pybernetes.apiserver.admission.node_restriction.labels import protected_label_changes
from pybernetes.apiserver.auth.contract import AlwaysDeny, User
from pybernetes.apiserver.resource import Context, Resource
from pybernetes.apiserver.resources.lease import LEASES
from pybernetes.apiserver.resources.node import NODES
from pybernetes.apiserver.resources.persistent_volume_claim import PERSISTENT_VOLUME_CLAIMS
from pybernetes.apiserver.resources.pod import PODS
from pybernetes.apiserver.resources.service_account import SERVICE_ACCOUNTS

N1 = User("system:node:n1", groups=("system:nodes", "system:authenticated"))
CONTEXT = Context(N1, datetime(2026, 1, 1, tzinfo=UTC))
MIRROR = {"kubernetes.io/config.mirror": "hash"}
OWNER = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u1", "controller": True}


class Known:
    """What a server would know."""

    def __init__(self, *documents: tuple[str, dict[str, Any]]) -> None:
        self._documents = documents

    def get(self, group_resource: str, namespace: str, name: str) -> dict[str, Any] | None:
        return next(
            (
                document
                for kind, document in self._documents
                if kind == group_resource
                and document["metadata"]["name"] == name
                and document["metadata"].get("namespace", "") == namespace
            ),
            None,
        )

    def labels_of(self, group_resource: str, namespace: str, name: str) -> dict[str, str]:
        found = self.get(group_resource, namespace, name)
        labels: dict[str, str] = found["metadata"].get("labels") or {} if found else {}
        return labels

    def version(self, group_resource: str) -> int:
        return 0

    def list(self, group_resource: str, namespace: str = "") -> Iterable[dict[str, Any]]:
        return [document for kind, document in self._documents if kind == group_resource]


WORLD = Known(
    ("nodes", {"metadata": {"name": "n1", "uid": "u1"}}),
    (
        "pods",
        {
            "metadata": {"name": "web", "namespace": "default", "uid": "p1"},
            "spec": {
                "nodeName": "n1",
                "volumes": [{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"audience": "vault"}}]}}],
            },
        },
    ),
    ("pods", {"metadata": {"name": "far", "namespace": "default", "uid": "p2"}, "spec": {"nodeName": "n2"}}),
)


async def refusal(
    resource: Resource,
    operation: Operation,
    name: str,
    new: dict[str, Any] | None = None,
    old: dict[str, Any] | None = None,
    subresource: str = "",
    *,
    user: User = N1,
    namespace: str = "default",
) -> str:
    context = Context(user, CONTEXT.now)
    asked = Attributes(operation, resource, namespace, name, context, new, old, subresource)
    plugin = NodeRestriction(WORLD, AlwaysDeny())
    try:
        await plugin.mutate(asked)
        await plugin.validate(asked)
    except ApiError as error:
        return error.message.partition(" is forbidden: ")[2]
    return ""


def pod_on(node: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web", **metadata}, "spec": {"nodeName": node}}


async def test_a_kubelet_changes_and_deletes_its_own_pods_only() -> None:
    update, delete = Operation.UPDATE, Operation.DELETE
    assert await refusal(PODS, update, "web", pod_on("n1"), pod_on("n1"), "status") == ""
    assert await refusal(PODS, update, "web", pod_on("n2"), pod_on("n2"), "status") == (
        'node "n1" can only update pod status for pods with spec.nodeName set to itself'
    )
    relabelled = pod_on("n1", labels={"a": "b"})
    assert "cannot update labels" in await refusal(PODS, update, "web", relabelled, pod_on("n1"), "status")
    assert "can only delete pods" in await refusal(PODS, delete, "web", None, pod_on("n2"))
    assert await refusal(PODS, update, "web", pod_on("n1"), pod_on("n1")) == (
        'unexpected operation "UPDATE", node "n1" can only create and delete mirror pods'
    )
    assert await refusal(PODS, Operation.CREATE, "far", {}, None, "eviction") == (
        "node n1 can only evict pods with spec.nodeName set to itself"
    )
    assert await refusal(PODS, Operation.CREATE, "web", {}, None, "binding") == (
        "unexpected pod subresource \"binding\", only 'status' and 'eviction' are allowed"
    )


@pytest.mark.parametrize(
    ("pod", "why"),
    [
        (pod_on("n1", annotations=MIRROR, ownerReferences=[OWNER]), ""),
        (pod_on("n1"), "can only create mirror pods"),
        (pod_on("n2", annotations=MIRROR), "spec.nodeName set to itself"),
        (pod_on("n1", annotations=MIRROR), "with an owner reference set to itself"),
        (pod_on("n1", annotations=MIRROR, ownerReferences=[OWNER] * 2), "with a single owner reference set to itself"),
        (
            pod_on("n1", annotations=MIRROR, ownerReferences=[{**OWNER, "controller": False}]),
            "with a controller owner reference set to itself",
        ),
        (pod_on("n1", annotations=MIRROR, ownerReferences=[{**OWNER, "uid": "x"}]), "node n1 UID mismatch"),
    ],
)
async def test_a_kubelet_creates_mirror_pods_of_its_own_only(pod: dict[str, Any], why: str) -> None:
    found = await refusal(PODS, Operation.CREATE, "web", pod)
    assert why in found
    assert bool(found) is bool(why)


@pytest.mark.parametrize(
    ("volume", "referred"),
    [
        ({"hostPath": {"path": "/"}}, ""),
        ({"secret": {"secretName": "s"}}, "secrets"),
        ({"configMap": {"name": "c"}}, "configmaps"),
        ({"persistentVolumeClaim": {"claimName": "c"}}, "persistentvolumeclaims"),
        ({"csi": {"driver": "d"}}, "csidrivers (via CSI volumes)"),
        ({"projected": {"sources": [{"serviceAccountToken": {}}]}}, "serviceaccounts (via projected volumes)"),
    ],
)
async def test_a_mirror_pod_needs_nothing_of_the_api(volume: dict[str, Any], referred: str) -> None:
    pod = pod_on("n1", annotations=MIRROR, ownerReferences=[OWNER])
    pod["spec"]["volumes"] = [{"name": "v", **volume}]
    expected = f'node "n1" can not create pods that reference {referred}' if referred else ""
    assert await refusal(PODS, Operation.CREATE, "web", pod) == expected


async def test_a_kubelet_changes_its_own_node_without_taints_and_protected_labels() -> None:
    async def update(name: str, new: dict[str, Any]) -> str:
        return await refusal(NODES, Operation.UPDATE, name, new, {"metadata": {"name": name}}, namespace="")

    assert await update("n1", {"metadata": {"labels": {"kubernetes.io/hostname": "n1", "mine": "x"}}}) == ""
    assert "is not allowed to modify node" in await update("n2", {"metadata": {}})
    assert "modify taints" in await update("n1", {"metadata": {}, "spec": {"taints": [{"key": "a"}]}})
    assert "modify labels" in await update("n1", {"metadata": {"labels": {"node-restriction.kubernetes.io/zone": "a"}}})


async def test_a_kubelet_tells_only_how_a_claim_was_resized() -> None:
    old = {"metadata": {"name": "data"}, "spec": {}, "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
    grown = {**old, "status": {"phase": "Bound", "capacity": {"storage": "2Gi"}}}
    lost = {**old, "status": {"phase": "Lost"}}
    claims = PERSISTENT_VOLUME_CLAIMS
    assert await refusal(claims, Operation.UPDATE, "data", grown, old, "status") == ""
    assert "not allowed to update fields" in await refusal(claims, Operation.UPDATE, "data", lost, old, "status")
    assert await refusal(claims, Operation.UPDATE, "data", grown, old) == "may only update PVC status"


async def test_a_kubelet_gets_tokens_for_its_own_pods_and_their_audiences() -> None:
    async def ask(pod: str, uid: str, *audiences: str) -> str:
        bound = {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid}
        request = {"spec": {"boundObjectRef": bound, "audiences": list(audiences)}}
        return await refusal(SERVICE_ACCOUNTS, Operation.CREATE, "robot", request, None, "token")

    assert await ask("web", "p1", "vault") == ""
    assert await ask("far", "p2", "vault") == "node requested token bound to a pod scheduled on a different node"
    assert await ask("web", "p1", "bank") == (
        'audience "bank" not found in pod spec volume, system:node:n1 is not authorized to request tokens for this '
        "audience"
    )
    assert await ask("web", "") == "node requested token with a pod binding without a uid"
    assert "does not match the UID in record" in await ask("web", "p9", "vault")


async def test_others_are_not_restricted() -> None:
    jane = User("jane")
    assert await refusal(PODS, Operation.DELETE, "web", None, pod_on("n2"), user=jane) == ""
    assert await refusal(LEASES, Operation.UPDATE, "y", {}, {}, namespace="x") != ""


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
