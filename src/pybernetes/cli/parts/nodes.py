"""The nodes of a cluster on this machine: their names and the ranges of their pods."""

from __future__ import annotations

import ipaddress
import re
import socket

from pybernetes.cli.layout import Settings

NODE_PREFIX_LENGTH = 24
FEW_NODES = 16
"""Up to so many hollow nodes are whole kubelets with certificates of their own; more share one client."""


def node_names(settings: Settings) -> list[str]:
    """Those with a kubelet of their own. One has the machine's name; several hollow ones are numbered."""
    if settings.nodes > FEW_NODES:
        return []
    if settings.runtime == "containerd" or settings.nodes == 1:
        return [machine_name()]
    return [f"node-{number}" for number in range(1, settings.nodes + 1)]


def machine_name() -> str:
    cleaned = re.sub(r"[^a-z0-9.-]+", "-", socket.gethostname().lower()).strip("-.")
    return cleaned or "node"


def pod_cidr_of(settings: Settings, index: int) -> str:
    """The range of the node with that index."""
    network = ipaddress.ip_network(settings.pod_cidr)
    step = 2 ** (network.max_prefixlen - NODE_PREFIX_LENGTH)
    return f"{network.network_address + index * step}/{NODE_PREFIX_LENGTH}"
