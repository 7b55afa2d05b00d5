"""Conditions of pods, as patches write them."""

from __future__ import annotations

from typing import Any

from pybernetes.scheduler.pod_info import PodInfo


def with_condition(pod: PodInfo, condition: dict[str, Any]) -> dict[str, Any]:
    """The part of a patch; a new condition comes after those that there are."""
    types = [one.type for one in pod.pod.status.conditions]
    order = types if condition["type"] in types else [*types, condition["type"]]
    return {"$setElementOrder/conditions": [{"type": one} for one in order], "conditions": [condition]}
