"""TaintNodesByCondition: a new node takes no pods until it has been seen ready.

Follows plugin/pkg/admission/nodetaint.
"""

from __future__ import annotations

from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin

NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


class TaintNodesByCondition(Plugin):
    name = "TaintNodesByCondition"
    operations = frozenset({Operation.CREATE})
    resources = frozenset({"nodes"})

    async def mutate(self, attributes: Attributes) -> None:
        node = attributes.document
        if node is None:
            return
        spec = node.setdefault("spec", {})
        taints = spec.get("taints") or []
        if not any((one.get("key"), one.get("effect")) == tuple(NOT_READY.values()) for one in taints):
            spec["taints"] = [*taints, dict(NOT_READY)]
