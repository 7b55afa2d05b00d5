"""The authorizers of a cluster, asked in order: masters, nodes, roles.

The node authorizer is the simple one: a user `system:node:NAME` in the group `system:nodes` holds the rules of the role
`system:node` (upstream narrows reads of secrets, config maps, claims and volumes to what the node's pods refer to).
"""

from __future__ import annotations

from pybernetes.apiserver.auth.bootstrap_policy import CLUSTER_ROLES
from pybernetes.apiserver.auth.contract import MASTERS_GROUP, Attributes, Decision, User
from pybernetes.apiserver.auth.rbac import Rbac
from pybernetes.apiserver.auth.rules import PolicyRule

NODES_GROUP = "system:nodes"
NODE_PREFIX = "system:node:"

_MASTER = Decision(True, "")
_NODE = Decision(True, "node authorizer: allowed by the rules of system:node")


class ClusterAuthorizer:
    """Implements `Authorizer` over the cluster's roles."""

    def __init__(self, rbac: Rbac) -> None:
        self.rbac = rbac
        self._node_rules = tuple(PolicyRule.of(rule) for rule in CLUSTER_ROLES["system:node"])

    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        return self.decide(user, attributes)

    def decide(self, user: User, attributes: Attributes) -> Decision:
        if MASTERS_GROUP in user.groups:
            return _MASTER
        if node_of(user) and any(rule.allows(attributes) for rule in self._node_rules):
            return _NODE
        return self.rbac.decide(user, attributes)

    def rules_held(self, user: User, namespace: str) -> list[PolicyRule]:
        """Every rule that the user holds in the namespace (cluster-wide ones included)."""
        held = [grant.rule for grant in self.rbac.grants(user, namespace)]
        if MASTERS_GROUP in user.groups:
            held[:0] = [PolicyRule.of(rule) for rule in CLUSTER_ROLES["cluster-admin"]]
        if node_of(user):
            held += self._node_rules
        return held


def node_of(user: User) -> str:
    """The node that the user is the kubelet of, or ""."""
    if NODES_GROUP in user.groups and user.name.startswith(NODE_PREFIX):
        return user.name.removeprefix(NODE_PREFIX)
    return ""
