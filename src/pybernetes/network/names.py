"""Names of what a cluster puts on its machine, so that several clusters can share it and each can be removed whole.

Guarantees  Every name is a function of the cluster's name alone; device names fit into the kernel's 15 characters.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

DEVICE_NAME_LIMIT = 15


@dataclass(frozen=True, slots=True)
class NetworkNames:
    bridge: str
    dns_device: str
    table: str
    cni_network: str

    @classmethod
    def of(cls, cluster: str) -> NetworkNames:
        return cls(
            bridge=_device("p8s-", cluster),
            dns_device=_device("p8d-", cluster),
            table=f"p8s-{cluster}",
            cni_network=f"p8s-{cluster}",
        )


def _device(prefix: str, cluster: str) -> str:
    room = DEVICE_NAME_LIMIT - len(prefix)
    if len(cluster) <= room:
        return prefix + cluster
    digest = hashlib.sha256(cluster.encode()).hexdigest()[:5]
    return prefix + cluster[: room - len(digest)] + digest
