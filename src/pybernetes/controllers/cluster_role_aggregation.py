"""Cluster role aggregation: a role with an aggregation rule holds the rules of the roles that the rule selects.

Guarantees  The rules stand in the order of the selectors, below that of the roles' names, each once; whatever else was
written there is replaced. A role never collects itself.
Follows pkg/controller/clusterroleaggregation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pybernetes.api.codec import to_document
from pybernetes.api.meta import Key
from pybernetes.api.models import rbac_v1
from pybernetes.api.selectors import LabelSelector
from pybernetes.client import PatchType
from pybernetes.controllers.controller import DONE, Controller, For, Maps, Result

MANAGER = "clusterrole-aggregation-controller"


def collecting(controller: Controller, _: rbac_v1.ClusterRole) -> Iterable[Key]:
    """Any change of any role may concern every role that collects."""
    for role in controller.informer(rbac_v1.ClusterRole).list():
        if role.aggregation_rule is not None:
            yield Key("", role.metadata.name)


def plan(role: rbac_v1.ClusterRole, roles: Iterable[rbac_v1.ClusterRole]) -> list[rbac_v1.PolicyRule] | None:
    """The rules that the role shall hold, or None where they are its own business."""
    if role.aggregation_rule is None:
        return None
    others = sorted(
        (one for one in roles if one.metadata.name != role.metadata.name), key=lambda one: one.metadata.name
    )
    rules: list[rbac_v1.PolicyRule] = []
    for selector in map(LabelSelector.from_model, role.aggregation_rule.cluster_role_selectors):
        for other in others:
            if selector.matches(other.metadata.labels):
                rules += (rule for rule in other.rules if rule not in rules)
    return rules


class ClusterRoleAggregationController(Controller):
    name = "clusterrole-aggregation-controller"
    watches = (For(rbac_v1.ClusterRole), Maps(rbac_v1.ClusterRole, collecting))

    async def reconcile(self, key: Key) -> Result:
        informer = self.informer(rbac_v1.ClusterRole)
        role = informer.get(key)
        wanted = plan(role, informer.list()) if role is not None else None
        if role is not None and wanted is not None and wanted != role.rules:
            await self._apply(role, wanted)
        return DONE

    async def _apply(self, role: rbac_v1.ClusterRole, rules: Sequence[rbac_v1.PolicyRule]) -> None:
        """To this very role: without its uid one that was just deleted would be made again, as upstream does."""
        name = role.metadata.name
        document = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name, "uid": role.metadata.uid},
            "rules": [to_document(rule) for rule in rules],
        }
        roles = self.client.of(rbac_v1.ClusterRole)
        await roles.patch(name, None, document, kind=PatchType.APPLY, field_manager=MANAGER, force=True)
