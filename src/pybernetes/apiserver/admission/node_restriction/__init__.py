"""NodeRestriction: a kubelet writes about its own node and its own pods only.

Guarantees  For users `system:node:NAME` of the group `system:nodes`: pods are created as mirror pods of the node,
their status is changed and they are deleted only where they run there; of nodes only its own object, without taints,
owners and protected labels; of claims only the progress of a resize; of leases only its own heartbeat; of CSI nodes and
resource slices only its own; tokens only for pods that run there; certificates only for itself.

Follows plugin/pkg/admission/noderestriction.
"""

from __future__ import annotations

from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin, Reader
from pybernetes.apiserver.admission.host import Host
from pybernetes.apiserver.admission.node_restriction.labels import protected_label_changes
from pybernetes.apiserver.admission.node_restriction.pods import pod_problem
from pybernetes.apiserver.admission.node_restriction.tokens import token_problem
from pybernetes.apiserver.admission.refusal import forbidden, shown_name
from pybernetes.apiserver.auth.authorizers import NODE_PREFIX, NODES_GROUP, node_of
from pybernetes.apiserver.auth.contract import Authorizer
from pybernetes.apiserver.resource import Document

LEASE_NAMESPACE = "kube-node-lease"
PODS, NODES, CLAIMS, ACCOUNTS = "pods", "nodes", "persistentvolumeclaims", "serviceaccounts"
LEASES, CSI_NODES = "leases.coordination.k8s.io", "csinodes.storage.k8s.io"
SLICES = "resourceslices.resource.k8s.io"
CERTIFICATES = "certificatesigningrequests.certificates.k8s.io"
POD_CERTIFICATES = "podcertificaterequests.certificates.k8s.io"
_NODE_SIGNERS = ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet")
_OF_RESIZING = ("capacity", "conditions", "allocatedResourceStatuses", "allocatedResources")


class NodeRestriction(Plugin):
    name = "NodeRestriction"
    resources = frozenset({PODS, NODES, CLAIMS, ACCOUNTS, LEASES, CSI_NODES, SLICES, CERTIFICATES, POD_CERTIFICATES})

    @classmethod
    def build(cls, host: Host) -> NodeRestriction:
        return cls(host.reader, host.authorizer)

    def __init__(self, reader: Reader, authorizer: Authorizer) -> None:
        self._reader = reader
        self._authorizer = authorizer

    def handles(self, operation: Operation, group_resource: str, subresource: str) -> bool:
        return operation in self.operations and group_resource in self.resources

    def mutates(self, operation: Operation, group_resource: str) -> bool:
        return operation is not Operation.DELETE

    def validates(self, operation: Operation, group_resource: str) -> bool:
        return operation is Operation.DELETE

    async def mutate(self, attributes: Attributes) -> None:
        """Judged before anything else is done for the write."""
        if NODES_GROUP in attributes.context.user.groups:
            await self._judge(attributes)

    async def validate(self, attributes: Attributes) -> None:
        if NODES_GROUP in attributes.context.user.groups:
            await self._judge(attributes)

    async def _judge(self, attributes: Attributes) -> None:
        user = attributes.user
        node = node_of(user)
        problem = await self._problem(node, attributes) if node else f'could not determine node from user "{user.name}"'
        if problem:
            raise forbidden(attributes, problem)

    async def _problem(self, node: str, asked: Attributes) -> str:
        match asked.resource.info.group_resource:
            case "pods":
                return pod_problem(node, asked, self._reader)
            case "nodes":
                return _node_problem(node, asked)
            case "persistentvolumeclaims":
                return _claim_problem(node, asked)
            case "serviceaccounts":
                if asked.operation is Operation.CREATE and asked.subresource == "token":
                    return await token_problem(node, asked, self._reader, self._authorizer)
            case "leases.coordination.k8s.io":
                return _lease_problem(node, asked)
            case "csinodes.storage.k8s.io":
                if shown_name(asked) != node:
                    return "can only access CSINode with the same name as the requesting node"
            case "resourceslices.resource.k8s.io":
                return _slice_problem(node, asked)
            case "certificatesigningrequests.certificates.k8s.io":
                return _certificate_problem(node, asked)
            case _:
                return "PodCertificateRequest feature gate is disabled"
        return ""


def _node_problem(node: str, asked: Attributes) -> str:
    name = shown_name(asked)
    if name != node:
        return f'node "{node}" is not allowed to modify node "{name}"'
    if asked.operation is Operation.DELETE:
        return ""
    new, old = asked.document or {}, asked.old or {}
    protected = protected_label_changes(_metadata(new).get("labels") or {}, _metadata(old).get("labels") or {})
    source = (new.get("spec") or {}).get("configSource")
    if asked.operation is Operation.CREATE:
        if source is not None:
            return f'node "{node}" is not allowed to create pods with a non-nil configSource'
        if protected:
            return f'node "{node}" is not allowed to set the following labels: {", ".join(protected)}'
        return ""
    if source is not None and source != (old.get("spec") or {}).get("configSource"):
        return f'node "{node}" is not allowed to update configSource to a new non-nil configSource'
    if ((new.get("spec") or {}).get("taints") or []) != ((old.get("spec") or {}).get("taints") or []):
        return f'node "{node}" is not allowed to modify taints'
    if (_metadata(new).get("ownerReferences") or []) != (_metadata(old).get("ownerReferences") or []):
        return f'node "{node}" is not allowed to modify ownerReferences'
    if protected:
        return f"is not allowed to modify labels: {', '.join(protected)}"
    return ""


def _claim_problem(node: str, asked: Attributes) -> str:
    if asked.subresource != "status":
        return "may only update PVC status"
    if asked.operation is not Operation.UPDATE:
        return f'unexpected operation "{asked.operation}"'
    if _apart_from_resizing(asked.document or {}) != _apart_from_resizing(asked.old or {}):
        return f'node "{node}" is not allowed to update fields other than status.quantity and status.conditions'
    return ""


def _apart_from_resizing(claim: Document) -> Document:
    metadata = {k: v for k, v in _metadata(claim).items() if k not in ("resourceVersion", "managedFields")}
    status = {k: v for k, v in (claim.get("status") or {}).items() if k not in _OF_RESIZING}
    return {**claim, "metadata": metadata, "status": status}


def _lease_problem(node: str, asked: Attributes) -> str:
    if asked.namespace != LEASE_NAMESPACE:
        return f'can only access leases in the "{LEASE_NAMESPACE}" system namespace'
    if shown_name(asked) != node:
        return "can only access node lease with the same name as the requesting node"
    return ""


def _slice_problem(node: str, asked: Attributes) -> str:
    if asked.operation is Operation.UPDATE:
        return ""
    verb, document = ("create", asked.document) if asked.operation is Operation.CREATE else ("delete", asked.old)
    if ((document or {}).get("spec") or {}).get("nodeName") != node:
        return f"can only {verb} ResourceSlice with the same NodeName as the requesting node"
    return ""


def _certificate_problem(node: str, asked: Attributes) -> str:
    spec = (asked.document or {}).get("spec") or {}
    if asked.operation is not Operation.CREATE or spec.get("signerName") not in _NODE_SIGNERS:
        return ""
    from pybernetes.apiserver.auth.certificates import requested_subject

    try:
        name = requested_subject(spec.get("request", ""))[0]
    except ValueError as error:
        return f"unable to parse csr: {error}"
    return "" if name == NODE_PREFIX + node else f"can only create a node CSR with CN={NODE_PREFIX}{node}"


def _metadata(document: Document) -> Document:
    metadata: Document = document.get("metadata") or {}
    return metadata
