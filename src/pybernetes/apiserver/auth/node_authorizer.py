"""What a node may do: what its pods need and what it says about itself, and nothing about other nodes.

Guarantees  An answer is a refusal's reason, "" where the node may; `NO_OPINION` refuses without a reason. What needs an
object's content is let through here and judged by the admission plugin NodeRestriction.

Follows plugin/pkg/auth/authorizer/node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pybernetes.api.selectors import FieldSelector, SelectorError
from pybernetes.apiserver.auth.contract import Attributes

Document = Mapping[str, Any]
Find = Callable[[str], Document | None]
"""From a key of the store to the object that is there now."""
Refers = Callable[[str, str, str, str], bool]
"""(node, resource, namespace, name): do the node's pods refer to it?"""
Judge = Callable[[str, Attributes], str]

ALLOWED = ""
NO_OPINION = "-"
LEASE_NAMESPACE = "kube-node-lease"
_OWN_VERBS = ("get", "create", "update", "patch", "delete")


class NodeAuthorizer:
    """For the kinds that it `knows`; what a node may do with others is said by its role's rules."""

    def __init__(self, refers: Refers, find: Find) -> None:
        self._refers = refers
        self._find = find
        self._judges: dict[tuple[str, str], Judge] = {
            ("", "secrets"): self._read_object,
            ("", "configmaps"): self._read_object,
            ("", "persistentvolumeclaims"): self._claim,
            ("", "persistentvolumes"): self._get,
            ("resource.k8s.io", "resourceclaims"): self._get,
            ("storage.k8s.io", "volumeattachments"): self._get,
            ("", "serviceaccounts"): self._account,
            ("coordination.k8s.io", "leases"): _lease,
            ("storage.k8s.io", "csinodes"): _csi_node,
            ("resource.k8s.io", "resourceslices"): self._slice,
            ("", "nodes"): _node,
            ("", "pods"): self._pod,
            ("certificates.k8s.io", "podcertificaterequests"): _nothing,
        }

    def knows(self, asked: Attributes) -> bool:
        return asked.is_resource and (asked.group, asked.resource) in self._judges

    def refusal(self, node: str, asked: Attributes) -> str:
        return self._judges[asked.group, asked.resource](node, asked)

    def _related(self, node: str, asked: Attributes) -> str:
        if not asked.name:
            return "No Object name found"
        return ALLOWED if self._leads_to(node, asked) else _unrelated(node)

    def _leads_to(self, node: str, asked: Attributes) -> bool:
        name = asked.name
        match asked.resource:
            case "pods":
                pod = self._find(f"/registry/pods/{asked.namespace}/{name}")
                return _spec(pod).get("nodeName") == node
            case "persistentvolumes":
                claim = _spec(self._find(f"/registry/persistentvolumes/{name}")).get("claimRef") or {}
                reference = claim.get("namespace", ""), claim.get("name", "")
                return self._refers(node, "persistentvolumeclaims", *reference)
            case "volumeattachments" | "resourceslices":
                return _spec(self._find(f"/registry/{asked.resource}/{name}")).get("nodeName") == node
            case _:
                return self._refers(node, asked.resource, asked.namespace, name)

    def _read_object(self, node: str, asked: Attributes) -> str:
        if asked.verb not in ("get", "list", "watch"):
            return "can only read resources of this type"
        if asked.subresource:
            return "cannot read subresource"
        if not asked.namespace:
            return "can only read namespaced object of this type"
        return self._related(node, asked)

    def _get(self, node: str, asked: Attributes) -> str:
        if asked.verb != "get":
            return "can only get individual resources of this type"
        if asked.subresource:
            return "cannot get subresource"
        return self._related(node, asked)

    def _claim(self, node: str, asked: Attributes) -> str:
        if asked.subresource != "status":
            return self._get(node, asked)
        if asked.verb not in ("update", "patch"):
            return "can only get/update/patch this type"
        return self._related(node, asked)

    def _account(self, node: str, asked: Attributes) -> str:
        if asked.verb == "get" and not asked.subresource:
            return self._read_object(node, asked)
        if asked.verb != "create" or not asked.name:
            return "can only create tokens for individual service accounts"
        if asked.subresource != "token":
            return "can only create token subresource of serviceaccount"
        return self._related(node, asked)

    def _slice(self, node: str, asked: Attributes) -> str:
        if asked.subresource:
            return "cannot authorize ResourceSlice subresources"
        match asked.verb:
            case "create":
                return ALLOWED
            case "get" | "update" | "patch" | "delete":
                return self._related(node, asked)
            case "watch" | "list" | "deletecollection":
                if _selects_node(asked, node):
                    return ALLOWED
                return "can only list/watch/deletecollection resourceslices with nodeName field selector"
        verbs = "get, watch, list, create, update, patch, delete, deletecollection"
        return f"only the following verbs are allowed for a ResourceSlice: {verbs}"

    def _pod(self, node: str, asked: Attributes) -> str:
        match asked.subresource, asked.verb:
            case "", "get":
                return self._related(node, asked)
            case "", "list" | "watch":
                if _selects_node(asked, node):
                    return ALLOWED
                if asked.name:
                    return self._related(node, asked)
                return "can only list/watch pods with spec.nodeName field selector"
            case ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create"):
                return ALLOWED
        return NO_OPINION


def _lease(node: str, asked: Attributes) -> str:
    if asked.verb not in _OWN_VERBS:
        return "can only get, create, update, patch, or delete a node lease"
    if asked.namespace != LEASE_NAMESPACE:
        return f'can only access leases in the "{LEASE_NAMESPACE}" system namespace'
    if asked.verb != "create" and asked.name != node:
        return "can only access node lease with the same name as the requesting node"
    return ALLOWED


def _csi_node(node: str, asked: Attributes) -> str:
    if asked.verb not in _OWN_VERBS:
        return "can only get, create, update, patch, or delete a CSINode"
    if asked.subresource:
        return "cannot authorize CSINode subresources"
    if asked.verb != "create" and asked.name != node:
        return "can only access CSINode with the same name as the requesting node"
    return ALLOWED


def _node(node: str, asked: Attributes) -> str:
    match asked.subresource, asked.verb:
        case ("", "create" | "update" | "patch") | ("status", "update" | "patch"):
            return ALLOWED
        case "", "get" | "list" | "watch":
            if asked.name == node:
                return ALLOWED
            if not asked.name:
                return f"node '{node}' cannot read all nodes, only its own Node object"
            return f"node '{node}' cannot read '{asked.name}', only its own Node object"
    return NO_OPINION


def _nothing(node: str, asked: Attributes) -> str:
    return NO_OPINION


def _selects_node(asked: Attributes, node: str) -> bool:
    try:
        return FieldSelector.parse(asked.field_selector).exact("spec.nodeName") == node
    except SelectorError:
        return False


def _unrelated(node: str) -> str:
    return f"no relationship found between node '{node}' and this object"


def _spec(document: Document | None) -> Document:
    spec: Document = (document or {}).get("spec") or {}
    return spec
