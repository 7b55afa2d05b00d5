"""Which taints of devices a claim's request tolerates.

Follows k8s.io/dynamic-resource-allocation/resourceclaim.
"""

from __future__ import annotations

from pybernetes.api.models import resource_v1


def tolerates(toleration: resource_v1.DeviceToleration, taint: resource_v1.DeviceTaint) -> bool:
    """As a pod tolerates a node's taint; but without a key a toleration is for all keys, whatever its operator."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    return toleration.operator == "Exists" or (toleration.operator in ("", "Equal") and toleration.value == taint.value)
