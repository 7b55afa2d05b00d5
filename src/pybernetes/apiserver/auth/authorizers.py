"""The authorizers of a cluster, asked in order: masters, nodes, roles.

A user `system:node:NAME` in the group `system:nodes` holds the rules of the role `system:node`, narrowed to what the
node's pods refer to (secrets, config maps, claims, their service accounts' tokens) and to the node's own leases.
Follows plugin/pkg/auth/authorizer/node for these; volumes and attachments are granted as the role says.
"""

from __future__ import annotations

import asyncio

from pybernetes.apiserver.auth.bootstrap_policy import CLUSTER_ROLES
from pybernetes.apiserver.auth.contract import MASTERS_GROUP, Attributes, Decision, User
from pybernetes.apiserver.auth.node_graph import NodeGraph
from pybernetes.apiserver.auth.rbac import Rbac
from pybernetes.apiserver.auth.rules import PolicyRule

NODES_GROUP = "system:nodes"
NODE_PREFIX = "system:node:"
LEASE_NAMESPACE = "kube-node-lease"
CATCH_UP_SECONDS = 0.05

_MASTER = Decision(True, "")
_NODE = Decision(True, "node authorizer: allowed by the rules of system:node")
_NARROWED = frozenset(
    {
        ("", "secrets", ""),
        ("", "configmaps", ""),
        ("", "persistentvolumeclaims", ""),
        ("", "serviceaccounts", "token"),
        ("", "serviceaccounts", ""),
    }
)


class ClusterAuthorizer:
    """Implements `Authorizer` over the cluster's roles; without a graph, nodes hold the whole role."""

    def __init__(self, rbac: Rbac, graph: NodeGraph | None = None) -> None:
        self.rbac = rbac
        self._graph = graph
        self._node_rules = tuple(PolicyRule.of(rule) for rule in CLUSTER_ROLES["system:node"])
        self._node_verbs: dict[tuple[str, str, str, str], bool] = {}

    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        decision = self.decide(user, attributes)
        if not decision.allowed and node_of(user) and _key(attributes) in _NARROWED:
            # The kubelet may have heard of a binding a moment before the graph has.
            await asyncio.sleep(CATCH_UP_SECONDS)
            decision = self.decide(user, attributes)
        return decision

    def decide(self, user: User, attributes: Attributes) -> Decision:
        if MASTERS_GROUP in user.groups:
            return _MASTER
        node = node_of(user)
        if node and self._node_may(attributes):
            reason = self._not_its_business(node, attributes)
            if not reason:
                return _NODE
            allowed = self.rbac.decide(user, attributes)
            return allowed if allowed.allowed else Decision(False, reason)
        return self.rbac.decide(user, attributes)

    def rules_held(self, user: User, namespace: str) -> list[PolicyRule]:
        """Every rule that roles give the user in the namespace (cluster-wide ones included)."""
        return [grant.rule for grant in self.rbac.grants(user, namespace)]

    def _node_may(self, asked: Attributes) -> bool:
        """Whether the role `system:node` allows it; its rules name neither objects nor URLs."""
        if not asked.is_resource:
            return False
        key = (asked.verb, *_key(asked))
        allowed = self._node_verbs.get(key)
        if allowed is None:
            allowed = self._node_verbs[key] = any(rule.allows(asked) for rule in self._node_rules)
        return allowed

    def _not_its_business(self, node: str, asked: Attributes) -> str:
        """Why the node may not, where the role is narrowed; "" if it may."""
        group, resource, subresource = _key(asked)
        if (group, resource) == ("coordination.k8s.io", "leases"):
            if asked.namespace != LEASE_NAMESPACE:
                return f'can only access leases in the "{LEASE_NAMESPACE}" system namespace'
            if asked.verb != "create" and asked.name != node:
                return "can only access node lease with the same name as the requesting node"
            return ""
        if self._graph is None or (group, resource, subresource) not in _NARROWED:
            return ""
        if not asked.name:
            return "No Object name found"
        if self._graph.refers(node, resource, asked.namespace, asked.name):
            return ""
        return f"no relationship found between node '{node}' and this object"


def node_of(user: User) -> str:
    """The node that the user is the kubelet of, or ""."""
    if NODES_GROUP in user.groups and user.name.startswith(NODE_PREFIX):
        return user.name.removeprefix(NODE_PREFIX)
    return ""


def _key(asked: Attributes) -> tuple[str, str, str]:
    return asked.group, asked.resource, asked.subresource
