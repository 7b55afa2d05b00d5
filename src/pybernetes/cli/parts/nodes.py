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


def own_address() -> str:
    """The address by which others on the network reach this machine; nothing is sent to find it.

    A machine without a network has only its loopback address.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def advertised_address(settings: Settings) -> str:
    """Where clients in the cluster find the API server: like upstream, on no loopback address if there is another."""
    if ipaddress.ip_address(settings.node_address).is_loopback:
        return own_address()
    return settings.node_address


def pod_cidr_of(settings: Settings, index: int) -> str:
    """The range of the node with that index."""
    network = ipaddress.ip_network(settings.pod_cidr)
    step = 2 ** (network.max_prefixlen - NODE_PREFIX_LENGTH)
    return f"{network.network_address + index * step}/{NODE_PREFIX_LENGTH}"
