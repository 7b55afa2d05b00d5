"""The nodes of a cluster on this machine: their names and the ranges of their pods."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pybernetes.cli.layout import Settings

NODE_PREFIX_LENGTH = 24
SYSTEMD_RESOLVERS = Path("/run/systemd/resolve/resolv.conf")
FEW_NODES = 16
"""Up to so many hollow nodes are whole kubelets with certificates of their own; more share one client."""


@dataclass(frozen=True, slots=True)
class LocalNode:
    """A node with real containers. The first is the machine itself, each further one a network namespace beside it.

    `external` is where others on the machine's network find it, when that is not its address among the nodes.
    """

    number: int
    name: str
    pod_cidr: str
    address: str
    external: str = ""

    @property
    def serving_names(self) -> tuple[str, ...]:
        return tuple(one for one in (self.address, self.external, "127.0.0.1", "localhost") if one)


def local_nodes(settings: Settings) -> list[LocalNode]:
    """Empty where the runtime is hollow. One alone has the machine's address, several have a network of their own."""
    from pybernetes.network.node_bridge import address_of

    if settings.runtime != "containerd":
        return []
    names = node_names(settings)
    if len(names) == 1:
        return [LocalNode(1, names[0], pod_cidr_of(settings, 0), settings.node_address)]
    addresses = [address_of(settings.node_network, number) for number in range(1, len(names) + 1)]
    external = settings.node_address if settings.node_address not in addresses else ""
    return [
        LocalNode(index + 1, name, pod_cidr_of(settings, index), addresses[index], "" if index else external)
        for index, name in enumerate(names)
    ]


def node_names(settings: Settings) -> list[str]:
    """Those with a kubelet of their own. The first has the machine's name; several hollow ones are numbered."""
    if settings.nodes > FEW_NODES:
        return []
    first = settings.machine_name or machine_name()
    if settings.runtime == "containerd" or settings.nodes == 1:
        return [first, *(f"{first}-{number}" for number in settings.further_nodes)]
    return [f"node-{number}" for number in range(1, settings.nodes + 1)]


def serving_names(settings: Settings) -> Mapping[str, tuple[str, ...]]:
    """Under which names and addresses each node's kubelet is reached, by the node's name."""
    hollow = dict.fromkeys(node_names(settings), (settings.node_address, "127.0.0.1", "localhost"))
    return {node.name: node.serving_names for node in local_nodes(settings)} or hollow


def api_address(settings: Settings, number: int = 1) -> str:
    """Where that node of this machine finds the API server."""
    from pybernetes.network.node_bridge import address_of

    return "127.0.0.1" if number == 1 else address_of(settings.node_network, 1)


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


def resolver_file(settings: Settings, number: int = 1, systemd: Path = SYSTEMD_RESOLVERS) -> Path:
    """Who resolves names for that node. A resolver at the machine's loopback address is out of a further one's reach:
    then it asks those whom systemd's asks, as kubeadm lets kubelets do.
    """
    given = Path(settings.resolv_conf)
    if number == 1 or not systemd.exists():
        return given
    words = (line.split() for line in given.read_text(errors="replace").splitlines())
    servers = [line[1] for line in words if len(line) >= 2 and line[0] == "nameserver"]
    return systemd if servers and all(map(is_loopback, servers)) else given


def is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def advertised_address(settings: Settings) -> str:
    """Where clients in the cluster find the API server: like upstream, on no loopback address if there is another."""
    if is_loopback(settings.node_address):
        return own_address()
    return settings.node_address


def pod_cidr_of(settings: Settings, index: int) -> str:
    """The range of the node with that index."""
    network = ipaddress.ip_network(settings.pod_cidr)
    step = 2 ** (network.max_prefixlen - NODE_PREFIX_LENGTH)
    return f"{network.network_address + index * step}/{NODE_PREFIX_LENGTH}"
