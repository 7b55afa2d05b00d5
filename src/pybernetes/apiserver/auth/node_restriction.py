"""NodeRestriction: a kubelet writes about its own node and its own pods only.

Guarantees  For users `system:node:NAME` of the group `system:nodes`: pods are created as mirror pods of the node,
their status is changed and they are deleted only where they run there; of nodes only its own object, without taints,
owners and protected labels; of leases only its own heartbeat; of CSI nodes only its own.

Follows plugin/pkg/admission/noderestriction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin
from pybernetes.apiserver.auth.authorizers import NODES_GROUP, node_of

Document = Mapping[str, Any]

MIRROR = "kubernetes.io/config.mirror"
LEASE_NAMESPACE = "kube-node-lease"
_OPEN_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "node.kubernetes.io/instance-type",
    }
)
_OPEN_NAMESPACES = ("kubelet.kubernetes.io", "node.kubernetes.io")
_SYSTEM_DOMAINS = ("kubernetes.io", "k8s.io")


class NodeRestriction(Plugin):
    name = "NodeRestriction"
    operations = frozenset({Operation.CREATE, Operation.UPDATE, Operation.DELETE})
    resources = frozenset({"pods", "nodes", "leases.coordination.k8s.io", "csinodes.storage.k8s.io"})
    subresources = frozenset({"", "status", "eviction"})

    async def validate(self, attributes: Attributes) -> None:
        user = attributes.context.user
        if NODES_GROUP not in user.groups:
            return
        node = node_of(user)
        problem = _problem(node, attributes) if node else f'could not determine node from user "{user.name}"'
        if problem:
            raise errors.forbidden(attributes.resource.info.group_resource, attributes.name, problem)


def _problem(node: str, asked: Attributes) -> str:
    match asked.resource.info.group_resource:
        case "pods":
            return _about_pod(node, asked)
        case "nodes":
            return _about_node(node, asked)
        case "leases.coordination.k8s.io":
            return _about_lease(node, asked)
        case _:
            if asked.name != node:
                return "can only access CSINode with the same name as the requesting node"
            return ""


def _about_pod(node: str, asked: Attributes) -> str:
    match asked.operation, asked.subresource:
        case Operation.CREATE, "":
            return _about_new_pod(node, asked.document or {})
        case Operation.DELETE, "":
            if not _runs_on(asked.old, node):
                return f'node "{node}" can only delete pods with spec.nodeName set to itself'
        case Operation.UPDATE, "status":
            if not _runs_on(asked.old, node):
                return f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'
            if _metadata(asked.old).get("labels") != _metadata(asked.document).get("labels"):
                return f'node "{node}" cannot update labels through pod status'
        case Operation.CREATE, "eviction":
            if asked.old is not None and not _runs_on(asked.old, node):
                return f'node "{node}" can only evict pods with spec.nodeName set to itself'
        case operation, "":
            return f'unexpected operation "{operation}", node "{node}" can only create and delete mirror pods'
    return ""


def _about_new_pod(node: str, pod: Document) -> str:
    spec = pod.get("spec") or {}
    if MIRROR not in (_metadata(pod).get("annotations") or {}):
        return f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
    if spec.get("nodeName") != node:
        return f'node "{node}" can only create pods with spec.nodeName set to itself'
    owners = _metadata(pod).get("ownerReferences") or ()
    if any((owner.get("kind"), owner.get("name")) != ("Node", node) for owner in owners):
        return f'node "{node}" can only create pods with an owner reference set to itself'
    if spec.get("serviceAccountName"):
        return f'node "{node}" can not create pods that reference a service account'
    for volume in spec.get("volumes") or ():
        for kind, plural in (
            ("secret", "secrets"),
            ("configMap", "configmaps"),
            ("persistentVolumeClaim", "persistentvolumeclaims"),
        ):
            if kind in volume:
                return f'node "{node}" can not create pods that reference {plural}'
    return ""


def _about_node(node: str, asked: Attributes) -> str:
    if asked.name != node:
        return f'node "{node}" is not allowed to modify node "{asked.name}"'
    if asked.operation is Operation.DELETE:
        return ""
    new, old = asked.document or {}, asked.old or {}
    protected = protected_label_changes(_metadata(new).get("labels") or {}, _metadata(old).get("labels") or {})
    if asked.operation is Operation.CREATE:
        if protected:
            return f'node "{node}" is not allowed to set the following labels: {", ".join(protected)}'
        return ""
    if (new.get("spec") or {}).get("taints") != (old.get("spec") or {}).get("taints"):
        return f'node "{node}" is not allowed to modify taints'
    if _metadata(new).get("ownerReferences") != _metadata(old).get("ownerReferences"):
        return f'node "{node}" is not allowed to modify ownerReferences'
    if protected:
        return f"is not allowed to modify labels: {', '.join(protected)}"
    return ""


def _about_lease(node: str, asked: Attributes) -> str:
    if asked.namespace != LEASE_NAMESPACE:
        return f'can only access leases in the "{LEASE_NAMESPACE}" system namespace'
    if asked.name != node:
        return "can only access node lease with the same name as the requesting node"
    return ""


def protected_label_changes(new: Mapping[str, str], old: Mapping[str, str]) -> list[str]:
    """The changed labels that belong to the cluster's operators, sorted."""
    changed = {key for key in {*new, *old} if new.get(key) != old.get(key)}
    return sorted(key for key in changed if _is_protected(key))


def _is_protected(label: str) -> bool:
    namespace, slash, _ = label.partition("/")
    if not slash or label in _OPEN_LABELS:
        return False
    if _within(namespace, "node-restriction.kubernetes.io"):
        return True
    if any(_within(namespace, one) for one in _OPEN_NAMESPACES):
        return False
    return any(_within(namespace, domain) for domain in _SYSTEM_DOMAINS)


def _within(namespace: str, domain: str) -> bool:
    return namespace == domain or namespace.endswith(f".{domain}")


def _metadata(document: Document | None) -> Mapping[str, Any]:
    metadata: Mapping[str, Any] = (document or {}).get("metadata") or {}
    return metadata


def _runs_on(pod: Document | None, node: str) -> bool:
    return bool(pod) and ((pod or {}).get("spec") or {}).get("nodeName") == node
