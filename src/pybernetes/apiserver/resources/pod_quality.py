"""The quality of service that a pod's requests and limits ask for.

Follows ComputePodQOS in pkg/apis/core/v1/helper/qos.
"""

from __future__ import annotations

from collections.abc import Mapping

from pybernetes.api import quantity
from pybernetes.apiserver.resource import Document

_COUNTED = ("cpu", "memory")


def quality_of_service(spec: Document) -> str:
    holders = [spec] if spec.get("resources") is not None else _all_containers(spec)
    requested, guaranteed = False, True
    for holder in holders:
        resources = holder.get("resources")
        if not resources:
            guaranteed = False
            continue
        requested = requested or _positive(resources.get("requests")) or _positive(resources.get("limits"))
        guaranteed = guaranteed and _is_guaranteed(resources)
    return "BestEffort" if not requested else "Guaranteed" if guaranteed else "Burstable"


def _all_containers(spec: Document) -> list[Document]:
    return [*spec.get("containers", ()), *spec.get("initContainers", ())]


def _positive(resources: Mapping[str, str] | None) -> bool:
    if not resources:
        return False
    return resources.get("cpu", "0")[0] not in "0-" or resources.get("memory", "0")[0] not in "0-"


def _is_guaranteed(resources: Document) -> bool:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    return all(
        name in limits
        and quantity.milli(limits[name]) > 0
        and (name not in requests or quantity.milli(requests[name]) == quantity.milli(limits[name]))
        for name in _COUNTED
    )
