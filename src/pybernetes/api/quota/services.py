"""What a service costs: node ports and load balancers besides its number.

Follows pkg/quota/v1/evaluator/core/services.go.
"""

from __future__ import annotations

from datetime import datetime

from pybernetes.api.quantity import ZERO, of_value
from pybernetes.api.quota.amounts import ONE, Amounts
from pybernetes.api.quota.evaluator import Document, Evaluator, count_name

_QUOTED_TYPES = ("NodePort", "LoadBalancer")


class ServiceEvaluator(Evaluator):
    def __init__(self) -> None:
        super().__init__("services", "services", "services.nodeports", "services.loadbalancers")

    def handles(self, operation: str, subresource: str, new: Document, old: Document | None) -> bool:
        return not subresource

    def usage(self, document: Document, now: datetime) -> Amounts:
        spec = document.get("spec") or {}
        balances = spec.get("type") == "LoadBalancer"
        return {
            count_name("services"): ONE,
            "services": ONE,
            "services.nodeports": of_value(_node_ports(spec)),
            "services.loadbalancers": ONE if balances else ZERO,
        }

    def replenishes(self, new: Document, old: Document, now: datetime) -> bool:
        return _quoted_type(new) != _quoted_type(old)


def _node_ports(spec: Document) -> int:
    """Those that will be taken: the numbers need not be known yet."""
    ports = spec.get("ports") or ()
    if spec.get("type") not in _QUOTED_TYPES:
        return 0
    if spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
        return sum(1 for port in ports if port.get("nodePort"))
    return len(ports)


def _quoted_type(service: Document) -> str:
    kind = (service.get("spec") or {}).get("type", "")
    return kind if kind in _QUOTED_TYPES else ""
