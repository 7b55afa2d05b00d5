"""Names of what a cluster puts on its machine, so that several clusters can share it and each can be removed whole.

Guarantees  Every name is a function of the cluster's name alone; device names fit into the kernel's 15 characters.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

DEVICE_NAME_LIMIT = 15
NAMESPACES = Path("/run/netns")


@dataclass(frozen=True, slots=True)
class NetworkNames:
    bridge: str
    dns_device: str
    table: str
    cni_network: str
    node_bridge: str

    @classmethod
    def of(cls, cluster: str) -> NetworkNames:
        return cls(
            bridge=device_name("p8s-", cluster),
            dns_device=device_name("p8d-", cluster),
            table=f"p8s-{cluster}",
            cni_network=f"p8s-{cluster}",
            node_bridge=device_name("p8n-", cluster),
        )


def namespace_of(cluster: str, number: int) -> Path:
    """The network namespace of a further node; the first is in the machine's own."""
    return NAMESPACES / f"p8s-{cluster}-{number}"


def node_port(cluster: str, number: int) -> str:
    """The machine's end of the pair of devices whose other end is in that namespace."""
    return device_name(f"p8v{number}-", cluster)


def device_name(prefix: str, cluster: str) -> str:
    room = DEVICE_NAME_LIMIT - len(prefix)
    if len(cluster) <= room:
        return prefix + cluster
    digest = hashlib.sha256(cluster.encode()).hexdigest()[:5]
    return prefix + cluster[: room - len(digest)] + digest
