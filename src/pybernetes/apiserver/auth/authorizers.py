"""The authorizers of a cluster, asked in order: masters, nodes, roles.

A user `system:node:NAME` in the group `system:nodes` holds the rules of the role `system:node`, narrowed as
`node_authorizer` says.
"""

from __future__ import annotations

import asyncio

from pybernetes.apiserver.auth.bootstrap_policy import CLUSTER_ROLES
from pybernetes.apiserver.auth.contract import MASTERS_GROUP, Attributes, Decision, User
from pybernetes.apiserver.auth.node_authorizer import NO_OPINION, NodeAuthorizer
from pybernetes.apiserver.auth.node_graph import NodeGraph
from pybernetes.apiserver.auth.rbac import Rbac
from pybernetes.apiserver.auth.rules import PolicyRule

NODES_GROUP = "system:nodes"
NODE_PREFIX = "system:node:"
CATCH_UP_SECONDS = 0.05

_MASTER = Decision(True, "")
_NODE = Decision(True, "")
_NOBODY = Decision(False, "")
_BY_PODS = frozenset(
    {
        ("", "pods", ""),
        ("", "secrets", ""),
        ("", "configmaps", ""),
        ("", "persistentvolumeclaims", ""),
        ("", "persistentvolumeclaims", "status"),
        ("", "persistentvolumes", ""),
        ("", "serviceaccounts", "token"),
        ("", "serviceaccounts", ""),
        ("resource.k8s.io", "resourceclaims", ""),
    }
)
"""What a node may read because of its pods."""


class ClusterAuthorizer:
    """Implements `Authorizer` over the cluster's roles; without a graph, nodes read nothing on behalf of pods."""

    def __init__(self, rbac: Rbac, graph: NodeGraph | None = None) -> None:
        self.rbac = rbac
        refers = graph.refers if graph is not None else _refers_to_nothing
        self._nodes = NodeAuthorizer(refers, graph.find if graph is not None else _finds_nothing)
        self._node_rules = tuple(PolicyRule.of(rule) for rule in CLUSTER_ROLES["system:node"])
        self._node_verbs: dict[tuple[str, str, str, str], bool] = {}
        self.allowed_to_nodes = self.allowed_by_roles = 0
        """Requests that were."""

    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        decision = self.decide(user, attributes)
        if not decision.allowed and self.may_hear_late(user, attributes):
            await asyncio.sleep(CATCH_UP_SECONDS)
            decision = self.decide(user, attributes)
        if decision.allowed and decision is not _MASTER:
            self.allowed_to_nodes += decision is _NODE
            self.allowed_by_roles += decision is not _NODE
        return decision

    def may_hear_late(self, user: User, attributes: Attributes) -> bool:
        """Whether it may be that the kubelet has heard of a binding a moment before the graph has."""
        return bool(node_of(user)) and _key(attributes) in _BY_PODS

    def decide_of_node(self, user: User, attributes: Attributes) -> Decision:
        """What is allowed to nodes as such, whatever roles say."""
        if NODES_GROUP not in user.groups or not user.name.startswith(NODE_PREFIX):
            return _NOBODY
        refusal = self._refusal_of_node(user, attributes)
        if not refusal:
            return _NODE
        return _NOBODY if refusal == NO_OPINION else Decision(False, refusal)

    def decide(self, user: User, attributes: Attributes) -> Decision:
        if MASTERS_GROUP in user.groups:
            return _MASTER
        if NODES_GROUP not in user.groups or not user.name.startswith(NODE_PREFIX):
            return self.rbac.decide(user, attributes)
        refusal = self._refusal_of_node(user, attributes)
        if not refusal:
            return _NODE
        decision = self.rbac.decide(user, attributes)
        if decision.allowed or refusal == NO_OPINION:
            return decision
        return Decision(False, "\n".join(reason for reason in (refusal, decision.reason) if reason))

    def _refusal_of_node(self, user: User, asked: Attributes) -> str:
        node = node_of(user)
        if not node:
            return f'unknown node for user "{user.name}"'
        if self._nodes.knows(asked):
            return self._nodes.refusal(node, asked)
        return "" if self._node_may(asked) else NO_OPINION

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


def _refers_to_nothing(node: str, resource: str, namespace: str, name: str) -> bool:
    return False


def _finds_nothing(key: str) -> None:
    return None


def node_of(user: User) -> str:
    """The node that the user is the kubelet of, or ""."""
    if NODES_GROUP in user.groups and user.name.startswith(NODE_PREFIX):
        return user.name.removeprefix(NODE_PREFIX)
    return ""


def _key(asked: Attributes) -> tuple[str, str, str]:
    return asked.group, asked.resource, asked.subresource
