"""What clusters on one machine must not share: the well-known directories, address ranges, the kubelet's port.

Tools and tests look for pods under /var/lib/kubelet and for logs under /var/log/pods. The first cluster on a machine
gets them and says so in a file; another one, or one beside a foreign kubelet, keeps them in its data directory.
Likewise the first has the usual ranges and port, the next ones the next that are free. All but the port is chosen once.
"""

from __future__ import annotations

import ipaddress
import shutil
import socket
from pathlib import Path

from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.problems import Problem

KUBELET_ROOT = Path("/var/lib/kubelet")
POD_LOGS = Path("/var/log/pods")
CONTAINER_LOGS = Path("/var/log/containers")
CLAIM = "pybernetes-cluster"
MOST_CLUSTERS = 10


def addresses(settings: Settings) -> Settings:
    """The settings of a new cluster with address ranges that nothing on this machine uses."""
    if settings.runtime != "containerd":
        return settings
    taken = _own_addresses()
    for shift in range(MOST_CLUSTERS):
        pods, services = (_shifted(cidr, shift) for cidr in (settings.pod_cidr, settings.service_cidr))
        if not any(address in network for address in taken for network in (pods, services)):
            return settings.with_(pod_cidr=str(pods), service_cidr=str(services))
    raise Problem("every address range for pods is in use on this machine", "remove clusters with `p8s down --purge`")


def kubelet_port(settings: Settings) -> Settings:
    """The settings with the port that they name, or the next one that is free: clients learn it from the node."""
    port = next(port for port in range(settings.kubelet_port, 65536) if _is_free_port(port))
    return settings.with_(kubelet_port=port)


def _shifted(cidr: str, shift: int) -> ipaddress.IPv4Network:
    network = ipaddress.IPv4Network(cidr)
    return ipaddress.IPv4Network((int(network.network_address) + shift * network.num_addresses, network.prefixlen))


def _own_addresses() -> list[ipaddress.IPv4Address]:
    import psutil

    found = (one for device in psutil.net_if_addrs().values() for one in device)
    return [ipaddress.IPv4Address(one.address) for one in found if one.family == socket.AF_INET]


def _is_free_port(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def claim(layout: Layout, settings: Settings) -> Settings:
    """The settings with the directories that this cluster shall use from now on."""
    if settings.runtime != "containerd":
        root = layout.root
        return settings.with_(kubelet_root=str(root / "kubelet"), pod_logs=str(root / "pod-logs"), container_logs="")
    if _is_free(layout.root):
        KUBELET_ROOT.mkdir(parents=True, exist_ok=True)
        (KUBELET_ROOT / CLAIM).write_text(f"{layout.root}\n")
        return settings.with_(
            kubelet_root=str(KUBELET_ROOT), pod_logs=str(POD_LOGS), container_logs=str(CONTAINER_LOGS)
        )
    root = layout.root
    return settings.with_(
        kubelet_root=str(root / "kubelet"), pod_logs=str(root / "pod-logs"), container_logs=str(root / "container-logs")
    )


def release(settings: Settings, root: Path) -> None:
    """Removes what the cluster kept in the well-known directories, if they were its own."""
    if _owner() != root or settings.kubelet_root != str(KUBELET_ROOT):
        return
    for directory in (KUBELET_ROOT, POD_LOGS, CONTAINER_LOGS):
        shutil.rmtree(directory, ignore_errors=True)


def _is_free(root: Path) -> bool:
    owner = _owner()
    if owner is not None:
        return owner == root or not (owner / "cluster.json").exists()
    return not KUBELET_ROOT.exists() or not any(KUBELET_ROOT.iterdir())


def _owner() -> Path | None:
    try:
        return Path((KUBELET_ROOT / CLAIM).read_text().strip())
    except FileNotFoundError:
        return None
