"""What a claim for devices costs, by device class: the most devices that it may be given.

Not built: what a pod's extended resources have paid for already is not taken off.
Follows pkg/quota/v1/evaluator/core/resource_claims.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pybernetes.api.quantity import of_value
from pybernetes.api.quota.amounts import ONE, Amounts, largest, total
from pybernetes.api.quota.evaluator import Document, Evaluator, count_name

RESOURCE = "resourceclaims.resource.k8s.io"
_OF_CLASS = ".deviceclass.resource.k8s.io/devices"
_MOST_DEVICES = 32
"""What a claim for all devices may be given."""


class DeviceClaimEvaluator(Evaluator):
    def __init__(self) -> None:
        super().__init__(RESOURCE)

    def handles(self, operation: str, subresource: str, new: Document, old: Document | None) -> bool:
        return not subresource

    def matching(self, names: Iterable[str]) -> list[str]:
        return sorted(name for name in names if name == count_name(RESOURCE) or name.endswith(_OF_CLASS))

    def usage(self, document: Document, now: datetime) -> Amounts:
        result = {count_name(RESOURCE): ONE}
        for request in ((document.get("spec") or {}).get("devices") or {}).get("requests") or ():
            worst: Amounts = {}
            for alternative in request.get("firstAvailable") or [request.get("exactly") or {}]:
                worst = largest(worst, _devices(alternative))
            result = total(result, worst)
        return result


def _devices(request: Document) -> Amounts:
    name = request.get("deviceClassName")
    if not name:
        return {}
    match request.get("allocationMode"):
        case "ExactCount":
            return {name + _OF_CLASS: of_value(request.get("count", 0))}
        case "All":
            return {name + _OF_CLASS: of_value(_MOST_DEVICES)}
    return {name + _OF_CLASS: of_value(0)}
